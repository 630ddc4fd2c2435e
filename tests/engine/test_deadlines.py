"""A saga that takes too long is taken back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sagacity import (
    ActionFailed,
    Context,
    DagBuilder,
    DagError,
    Handle,
    Node,
    Retry,
    Sec,
    Succeeded,
    Unwound,
    action,
    saga,
)
from sagacity.core.events import EventKind
from sagacity.core.outcome import Outcome
from sagacity.testing.checkers import judge
from sagacity.testing.clock import ManualClock
from tests.engine.conftest import Stores
from tests.engine.world import Facts, spawn

PATIENT = Retry(forever=True, backoff=50, factor=1, jitter=0)


class Shop:
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.entered, self.opened = asyncio.Event(), asyncio.Event()


@action
async def reserve(ctx: Context[Shop]) -> int:
    ctx.deps.calls.append("reserve")
    return 1


@reserve.undo
async def release(ctx: Context[Shop], reserved: int | None) -> None:
    ctx.deps.calls.append("release")


@action(read_only=True, retry=PATIENT)
async def ask(ctx: Context[Shop], reserved: int) -> int:
    raise ActionFailed("not yet")


@action(read_only=True)
async def hold(ctx: Context[Shop], reserved: int) -> int:
    ctx.deps.entered.set()
    await ctx.deps.opened.wait()
    return 2


@action(no_undo="pivot", retry=PATIENT)
async def commit(ctx: Context[Shop], reserved: int) -> int:
    if ctx.attempt < 4:
        raise ActionFailed("not yet")
    return 3


@action(no_undo="pivot", retry=PATIENT)
async def commit_blindly(ctx: Context[Shop], reserved: int) -> int:
    if ctx.attempt < 4:
        raise OSError("cut")
    return 3


@saga(deadline=120)
def asking() -> int:
    return ask.node(reserve.node())


@saga(deadline=120)
def holding() -> int:
    return hold.node(reserve.node())


@saga(deadline=120, siblings="cancel")
def cutting() -> int:
    return hold.node(reserve.node())


@saga(deadline=120)
def committing() -> int:
    return commit.node(reserve.node())


@saga(deadline=120)
def committing_blindly() -> int:
    return commit_blindly.node(reserve.node())


ALL = [asking, holding, cutting, committing, committing_blindly]


async def begun(sec: Sec, which: Any) -> Handle[Any]:
    handle = await sec.create(which)
    await handle.start()
    return handle


async def ended(handle: Handle[Any], clock: ManualClock, facts: Facts) -> Outcome:
    """Let time pass from the first failure on until the saga has ended; return how."""
    await facts.until(lambda: any(kind is EventKind.ATTEMPT_FAILED for kind, _ in facts.kinds()))
    waiting = spawn(handle.wait())
    while not waiting.done():
        clock.move(50)
        await asyncio.sleep(0)
    return waiting.result()


async def test_what_still_goes_forward_at_its_deadline_is_taken_back(stores: Stores) -> None:
    """Whatever it waits for; why is in the log."""
    shop, clock, facts = Shop(), ManualClock(), Facts()
    async with Sec(stores(), ALL, deps=shop, clock=clock, observers=[facts]) as sec:
        handle = await begun(sec, asking)
        assert isinstance(await ended(handle, clock, facts), Unwound)
        view = await handle.view()
        why = [event.data for event in view.events if event.kind is EventKind.UNWINDING]
        assert why == ["its deadline of 120 s has passed"]
        assert judge(asking.dag, [each.event for each in view.log]) == []
    assert shop.calls == ["reserve", "release"]


@pytest.mark.parametrize("which", [holding, cutting])
async def test_an_attempt_in_flight_is_waited_for_unless_it_may_be_cut(
    stores: Stores, which: Any
) -> None:
    """As in every unwinding."""
    shop, clock = Shop(), ManualClock()
    async with Sec(stores(), ALL, deps=shop, clock=clock) as sec:
        handle = await begun(sec, which)
        await shop.entered.wait()
        clock.move(200)
        if which is holding:
            shop.opened.set()
        assert isinstance(await handle.wait(), Succeeded if which is holding else Unwound)


async def test_a_deadline_survives_a_crash(stores: Stores) -> None:
    """It counts from the start of the saga, not from when somebody goes on with it."""
    shop, clock = Shop(), ManualClock()
    async with Sec(stores(), ALL, deps=shop, clock=clock) as sec:
        handle = await begun(sec, asking)
        await clock.until_awaited()
    late = ManualClock(clock.now_ms() + 130_000)
    async with Sec(stores(), ALL, deps=shop, clock=late) as sec:
        assert isinstance(await sec.handle(handle.id).wait(), Unwound)


async def test_a_deadline_of_a_paused_saga_is_kept_when_it_goes_on(stores: Stores) -> None:
    """It runs meanwhile; what it would do happens then."""
    shop, clock, facts = Shop(), ManualClock(), Facts()
    async with Sec(stores(), ALL, deps=shop, clock=clock, observers=[facts]) as sec:
        handle = await begun(sec, asking)
        await facts.until_recorded(EventKind.ATTEMPT_FAILED, "ask")
        await handle.pause()
        clock.move(500)
        assert (await handle.view()).direction == "forward"
        await handle.unpause()
        assert isinstance(await handle.wait(), Unwound)


async def test_a_pivot_that_may_have_had_its_effect_is_not_taken_back(stores: Stores) -> None:
    """Its deadline has passed, and there is no way back."""
    clock, facts = ManualClock(), Facts()
    async with Sec(stores(), ALL, deps=Shop(), clock=clock, observers=[facts]) as sec:
        handle = await begun(sec, committing_blindly)
        assert isinstance(await ended(handle, clock, facts), Succeeded)


async def test_a_pivot_that_had_no_effect_is(stores: Stores) -> None:
    """Between two attempts that had none there is a way back."""
    clock, facts = ManualClock(), Facts()
    async with Sec(stores(), ALL, deps=Shop(), clock=clock, observers=[facts]) as sec:
        handle = await begun(sec, committing)
        assert isinstance(await ended(handle, clock, facts), Unwound)


def test_a_deadline_that_cannot_be_is_a_mistake() -> None:
    """It is seconds, above 0."""

    def hasty() -> int:
        return reserve.node()

    with pytest.raises(DagError, match="deadline=-1"):
        saga(deadline=-1)(hasty)
    builder = DagBuilder("hasty", deadline=0)
    builder.append(Node.constant("a", 1))
    with pytest.raises(DagError, match="deadline=0"):
        builder.build()
