"""The module that the tests of the command line run: what a user would write.

Copied into the working directory of each test. Where `GATE` names a socket, each do
and undo tells it that it has begun ("do hotel", "undo hotel") and waits for an answer.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from typing import Any

from sagacity import ActionFailed, ActionFunc, Context, DagBuilder, Node, UndoFailed, action, saga


@dataclass(frozen=True)
class Trip:
    who: str
    nights: int = 1
    fails: str = ""


@dataclass(frozen=True)
class Summary:
    who: str
    hotel: str
    car: str


async def passed(ctx: Context[Any], what: str) -> None:
    """Wait at the gate, if there is one; fail if the params, or the gate, say so."""
    told = f"{what} {ctx.node_name}"
    answer = b"go\n"
    if "GATE" in os.environ:
        reader, writer = await asyncio.open_unix_connection(os.environ["GATE"])
        writer.write(f"{told}\n".encode())
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
    if answer == b"fail\n" or ctx.params(Trip).fails == told:
        if what == "do":
            raise ActionFailed(f"no {ctx.node_name} left", data={"left": 0})
        raise UndoFailed(f"{ctx.node_name} does not answer")


@action
async def charge(ctx: Context[Any], trip: Trip) -> int:
    await passed(ctx, "do")
    return trip.nights * 100


@charge.undo
async def refund(ctx: Context[Any], amount: int | None) -> None:
    await passed(ctx, "undo")


@action(atomic=True)
async def hotel(ctx: Context[Any], trip: Trip) -> str:
    sys.stdout.write("an action prints\n")
    await passed(ctx, "do")
    return "Ritz"


@hotel.undo
async def cancel_hotel(ctx: Context[Any], name: str) -> None:
    await passed(ctx, "undo")


@action(atomic=True)
async def car(ctx: Context[Any], trip: Trip) -> str:
    await passed(ctx, "do")
    return "Fiat"


@car.undo
async def cancel_car(ctx: Context[Any], name: str) -> None:
    await passed(ctx, "undo")


@action(read_only=True)
async def summarize(ctx: Context[Any], trip: Trip, hotel: str, car: str) -> Summary:
    return Summary(trip.who, hotel, car)


@dataclass(frozen=True)
class Booked:
    hotel: str
    car: str


@action(read_only=True)
async def booked(ctx: Context[Any], hotel: str, car: str) -> Booked:
    return Booked(hotel, car)


@saga
def booking(trip: Trip) -> Booked:
    return booked.node(hotel.node(trip), car.node(trip))


@saga
def book_trip(trip: Trip) -> Summary:
    paid = charge.node(trip)
    both = booking.options(after=[paid]).node(trip)
    return summarize.node(trip, both.hotel, both.car)


@saga
def one_step(trip: Trip) -> int:
    return charge.node(trip)


@action(read_only=True)
async def speak(ctx: Context[dict[str, str]]) -> str:
    return ctx.deps["greeting"]


@saga(name="greeting")
def greet() -> str:
    return speak.node()


async def make_deps() -> dict[str, str]:
    return {"greeting": "hello"}


def count(ctx: Any) -> int:
    return 3


_builder = DagBuilder("built")
_builder.append(Node.constant("n", {"text": "x"}))
_builder.append(Node.action("count", "Count", ActionFunc("count", count)))
built = _builder.build()
count_action = ActionFunc("count", count)
