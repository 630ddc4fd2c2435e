"""The sagas of the fleet: lines, fans, nested ones, and what is a transaction of the database.

Each is told by its order what it shall meet, so that it is known how it must end. Actions
take time, so that faults fall into them.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.chaos.participants import Participant
from sagacity import ActionFailed, Context, Retry, Saga, action, saga

BOOKINGS: Final = """
CREATE TABLE booking (effect text NOT NULL, direction text NOT NULL, token bigint NOT NULL)
"""
"""What transactional actions write to. No key is unique: what happens twice is to be seen."""
BOOKED: Final = "booked"
"""The action whose effects are there and not with the participant."""


@dataclass
class Order:
    """What one saga shall meet: `fail` fails with no effect, `lose` after its effect."""

    fail: str
    lose: str
    pause_ms: int


async def pause(order: Order) -> None:
    await asyncio.sleep(order.pause_ms / 1_000)


def refuse(ctx: Context[Participant], order: Order) -> None:
    if ctx.node_name == order.fail:
        raise ActionFailed("told to fail")


def lose(ctx: Context[Participant], order: Order) -> None:
    if ctx.node_name == order.lose:
        raise ConnectionError("the reply was lost")


@action
async def careful(ctx: Context[Participant], order: Order) -> str:
    await pause(order)
    refuse(ctx, order)
    await ctx.deps.call("do", ctx.effect_key, ctx.fencing_token)
    lose(ctx, order)
    return ctx.node_name


@careful.undo
async def careful_undo(ctx: Context[Participant], output: str | None, order: Order) -> None:
    await pause(order)
    await ctx.deps.call("undo", ctx.effect_key, ctx.fencing_token)


@action
def threaded(ctx: Context[Participant], order: Order) -> str:
    """Take its time in a thread, which nobody can cut short: not even when the lease is lost."""
    time.sleep(order.pause_ms / 1_000)  # noqa: TID251 - in a thread, and in a benchmark
    refuse(ctx, order)
    ctx.deps.call_blocking("do", ctx.effect_key, ctx.fencing_token)
    lose(ctx, order)
    return ctx.node_name


@threaded.undo
def threaded_undo(ctx: Context[Participant], output: str | None) -> None:
    ctx.deps.call_blocking("undo", ctx.effect_key, ctx.fencing_token)


@action(atomic=True, retry=Retry(attempts=2, backoff=0.05))
async def whole(ctx: Context[Participant], order: Order) -> str:
    refuse(ctx, order)
    await ctx.deps.call("do", ctx.effect_key, ctx.fencing_token)
    await pause(order)
    return ctx.node_name


@whole.undo
async def whole_undo(ctx: Context[Participant], output: str) -> None:
    await ctx.deps.call("undo", ctx.effect_key, ctx.fencing_token)


@action(retry=Retry(attempts=3, backoff=0.05))
async def stubborn(ctx: Context[Participant], order: Order) -> str:
    """Lose the reply each first time, and get it from then on."""
    await ctx.deps.call("do", ctx.effect_key, ctx.fencing_token)
    if ctx.attempt == 1:
        raise ConnectionError("the reply was lost")
    refuse(ctx, order)
    return ctx.node_name


@stubborn.undo
async def stubborn_undo(ctx: Context[Participant], output: str | None) -> None:
    await ctx.deps.call("undo", ctx.effect_key, ctx.fencing_token)


# With time-outs: a statement that the network has swallowed would wait for ever.
@action(transaction=True, name=BOOKED, timeout=2, undo_timeout=2)
async def booked(ctx: Context[Participant], order: Order) -> str:
    refuse(ctx, order)
    await book(ctx, "do")
    lose(ctx, order)
    return ctx.node_name


@booked.undo
async def booked_undo(ctx: Context[Participant], output: str | None) -> None:
    await book(ctx, "undo")


async def book(ctx: Context[Participant], direction: str) -> None:
    connection: Any = ctx.connection
    await connection.execute(
        "INSERT INTO public.booking VALUES ($1, $2, $3)",
        ctx.effect_key,
        direction,
        ctx.fencing_token,
    )


@saga
def line(order: Order) -> str:
    one = careful.options(node="one").node(order)
    two = stubborn.options(node="two", after=[one]).node(order)
    three = threaded.options(node="three", after=[two]).node(order)
    four = whole.options(node="four", after=[three]).node(order)
    return careful.options(node="five", after=[four]).node(order)


@saga(siblings="cancel")
def fan(order: Order) -> str:
    one = careful.options(node="one").node(order)
    wide = [careful.options(node=f"wide{at}", after=[one]).node(order) for at in range(4)]
    two = threaded.options(node="two", after=[one]).node(order)
    return whole.options(node="five", after=[*wide, two]).node(order)


@saga
def inner(order: Order) -> str:
    one = careful.options(node="three").node(order)
    return whole.options(node="four", after=[one]).node(order)


@saga
def nested(order: Order) -> str:
    one = careful.options(node="one").node(order)
    two = threaded.options(node="two", after=[one]).node(order)
    below = inner.options(node="below", after=[one]).node(order)
    return careful.options(node="five", after=[two, below]).node(order)


@saga
def booking(order: Order) -> str:
    one = booked.options(node="one").node(order)
    two = careful.options(node="two", after=[one]).node(order)
    three = booked.options(node="three", after=[one]).node(order)
    return booked.options(node="five", after=[two, three]).node(order)


SAGAS: Final[tuple[Saga[Order, str], ...]] = (line, fan, nested, booking)
NAMES: Final = ("one", "two", "three", "four", "five", "wide2")


def random_order(chance: random.Random) -> Order:
    """Return an order in which something fails every second time."""
    return Order(
        fail=chance.choice(NAMES) if chance.random() < 0.3 else "",
        lose=chance.choice(NAMES) if chance.random() < 0.3 else "",
        pause_ms=chance.choice([0, 1, 50, 200, 400]),
    )
