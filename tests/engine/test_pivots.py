"""Behind a point of no return a saga only goes forward."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sagacity import (
    ActionFailed,
    Context,
    DagError,
    Retry,
    SagaStateError,
    Sec,
    Stuck,
    Succeeded,
    Unwound,
    action,
    saga,
)
from sagacity.testing.checkers import judge
from sagacity.testing.clock import ManualClock
from tests.engine.conftest import Stores


class Shop:
    """What the actions below do, told by each test."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.errors: dict[str, list[BaseException]] = {}

    def act(self, name: str) -> str:
        self.calls.append(name)
        if self.errors.get(name):
            raise self.errors[name].pop(0)
        return name


@action
async def reserve(ctx: Context[Shop]) -> str:
    return ctx.deps.act("reserve")


@reserve.undo
async def release(ctx: Context[Shop], reserved: str | None) -> None:
    ctx.deps.act("release")


@action(no_undo="pivot")
async def charge(ctx: Context[Shop], reserved: str) -> str:
    return ctx.deps.act("charge")


@action
async def ship(ctx: Context[Shop], charged: str) -> str:
    return ctx.deps.act("ship")


@saga
def order() -> str:
    return ship.node(charge.node(reserve.node()))


@action(name="charge patiently", no_undo="pivot", retry=Retry(attempts=1))
async def charge_once(ctx: Context[Shop], reserved: str) -> str:
    return ctx.deps.act("charge")


@saga
def strict_order() -> str:
    return ship.node(charge_once.node(reserve.node()))


@saga(forward_only=True)
def delivery() -> str:
    return ship.node("charged")


async def retried(clock: ManualClock, count: int) -> None:
    """Let so many retries come due."""
    for _ in range(count):
        await clock.until_awaited()
        clock.move(120)


async def test_a_pivot_that_had_no_effect_unwinds(stores: Stores) -> None:
    """As any other action."""
    shop = Shop()
    shop.errors["charge"] = [ActionFailed("no money")]
    async with Sec(stores(), [order], deps=shop) as sec:
        handle = await sec.create(order)
        await handle.start()
        assert isinstance(await handle.wait(), Unwound)
        assert judge(order.dag, [each.event for each in (await handle.view()).log]) == []
    assert shop.calls == ["reserve", "charge", "release"]


async def test_a_pivot_of_unknown_outcome_is_tried_until_it_is_known(stores: Stores) -> None:
    """It may have had its effect, so there is no way back."""
    shop, clock = Shop(), ManualClock()
    shop.errors["charge"] = [OSError("cut"), OSError("cut again"), ActionFailed("busy")]
    async with Sec(stores(), [order], deps=shop, clock=clock) as sec:
        handle = await sec.create(order)
        await handle.start()
        await retried(clock, 3)
        assert await handle.result() == "ship"
    assert shop.calls == ["reserve", *["charge"] * 4, "ship"]


async def test_behind_a_pivot_what_fails_is_tried_until_it_succeeds(stores: Stores) -> None:
    """Also what says that it had no effect."""
    shop, clock = Shop(), ManualClock()
    shop.errors["ship"] = [ActionFailed("no truck"), OSError("cut"), ActionFailed("no truck")]
    async with Sec(stores(), [order], deps=shop, clock=clock) as sec:
        handle = await sec.create(order)
        await handle.start()
        await retried(clock, 3)
        assert isinstance(await handle.wait(), Succeeded)
    assert shop.calls == ["reserve", "charge", *["ship"] * 4]


async def test_a_final_failure_behind_a_pivot_waits_for_a_person(stores: Stores) -> None:
    """Who lets it run again, or says what its output is; it is not unwound."""
    shop = Shop()
    shop.errors["ship"] = [ActionFailed("no such street", final=True)] * 2
    async with Sec(stores(), [order], deps=shop) as sec:
        handle = await sec.create(order)
        await handle.start()
        outcome = await handle.wait()
        assert isinstance(outcome, Stuck)
        assert outcome.reason == "forward_failed"
        with pytest.raises(SagaStateError, match="only goes forward"):
            await handle.abort("changed their mind")
        with pytest.raises(SagaStateError, match="set its output"):
            await handle.skip("ship")
        await handle.retry("ship", "street was built")
        outcome = await handle.wait()
        assert isinstance(outcome, Stuck)
        await handle.set_output("ship", "carried there by hand")
        assert await handle.result() == "carried there by hand"
        assert judge(order.dag, [each.event for each in (await handle.view()).log]) == []
    assert shop.calls == ["reserve", "charge", "ship", "ship"]


async def test_a_pivot_whose_policy_is_spent_waits_for_a_person(stores: Stores) -> None:
    """Who has found out that nothing of it exists, and skips it: then the saga unwinds."""
    shop = Shop()
    shop.errors["charge"] = [OSError("cut")]
    async with Sec(stores(), [strict_order], deps=shop) as sec:
        handle = await sec.create(strict_order)
        await handle.start()
        outcome = await handle.wait()
        assert isinstance(outcome, Stuck)
        assert outcome.reason == "outcome_unknown"
        with pytest.raises(SagaStateError, match="may have had its effect"):
            await handle.abort("too late")
        await handle.skip("charge patiently", "the bank says that it never came")
        assert isinstance(await handle.wait(), Unwound)
        view = await handle.view()
        assert judge(strict_order.dag, [each.event for each in view.log]) == []
    assert shop.calls == ["reserve", "charge", "release"]


async def test_a_running_pivot_cannot_be_aborted(stores: Stores) -> None:
    """Its outcome decides whether there is a way back."""
    entered, opened = asyncio.Event(), asyncio.Event()

    @action(no_undo="pivot")
    async def hold(ctx: Context[Any]) -> int:
        entered.set()
        await opened.wait()
        return 1

    @saga
    def held() -> int:
        return hold.node()

    async with Sec(stores(), [held]) as sec:
        handle = await sec.create(held)
        await handle.start()
        await entered.wait()
        with pytest.raises(SagaStateError, match='node "hold", may have had its effect'):
            await handle.abort("stop")
        opened.set()
        assert await handle.result() == 1


async def test_a_forward_only_saga_needs_no_undos(stores: Stores) -> None:
    """It is behind the point of no return from the start."""
    shop, clock = Shop(), ManualClock()
    shop.errors["ship"] = [ActionFailed("no truck")]
    async with Sec(stores(), [delivery], deps=shop, clock=clock) as sec:
        handle = await sec.create(delivery)
        await handle.start()
        await retried(clock, 1)
        assert await handle.result() == "ship"


def test_an_action_without_an_undo_must_come_after_a_pivot() -> None:
    """The mistake says so, once for each action."""

    def hasty() -> str:
        charge.node(ship.node("x"))
        return ship.options(node="again").node("y")

    with pytest.raises(DagError) as caught:
        saga(hasty)
    assert [text for text in caught.value.mistakes if "come after a pivot" in text] == [
        text for text in caught.value.mistakes if 'node "ship"' in text
    ]
