"""What an action is told again when it runs again: the time, ids and chance."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from sagacity import ActionFailed, Retry, Sec, UndoFailed
from sagacity.core.events import EventKind
from sagacity.core.outcome import Stuck, Succeeded, Unwound
from sagacity.testing import ManualClock, context
from tests.engine.conftest import Stores
from tests.engine.world import Facts, PlainAction, World, dag_of, node, registry_of

LINE = dag_of("a", node("b", "tried"), "c")
POLICY = Retry(attempts=9, backoff=10, jitter=0)

Told = tuple[datetime, UUID, UUID, float, float]


class Listener:
    """Keeps what each attempt is told, and fails those that it is given."""

    def __init__(self, *failing: int, error: BaseException | None = None) -> None:
        self.told: list[Told] = []
        self._failing = failing
        self._error = error or ActionFailed("again")

    async def __call__(self, ctx: Any) -> None:
        self.told.append((ctx.now(), ctx.uuid("x"), ctx.uuid("y"), ctx.random(), ctx.random()))
        if ctx.attempt in self._failing:
            raise self._error.with_traceback(None)

    def told_once(self, times: int) -> Told:
        assert len(self.told) == times
        assert len(set(self.told)) == 1
        return self.told[0]


def lab(stores: Stores, world: World, clock: ManualClock, facts: Facts, **contract: Any) -> Sec:
    tried = PlainAction("tried", world.do, world.undo, **contract)
    return Sec(stores(), registry_of(world, tried), observers=[facts], clock=clock)


async def test_a_retry_is_told_the_same(stores: Stores, world: World, facts: Facts) -> None:
    """The time of the first attempt, the same ids, the same chance."""
    clock, body = ManualClock(), Listener(1, 2)
    world.on("do b", body)
    async with lab(stores, world, clock, facts, retry=POLICY) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        for _ in range(2):
            await clock.until_awaited()
            clock.move(20)
        assert await handle.wait() == Succeeded("c")
    now, one, other, first, second = body.told_once(3)
    assert now == datetime.fromtimestamp(1_700_000_000, UTC)
    assert one != other
    assert first != second
    assert 0 <= first < 1


async def test_the_next_owner_is_told_the_same(stores: Stores, world: World, facts: Facts) -> None:
    """After an attempt that was interrupted, and after one that waits for its retry."""
    clock, body = ManualClock(), Listener(2)
    entered = asyncio.Event()

    async def interrupted(ctx: Any) -> None:
        await body(ctx)
        entered.set()
        await asyncio.Event().wait()

    world.on("do b", interrupted)
    async with lab(stores, world, clock, facts, retry=POLICY) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        await entered.wait()
        await sec.drain(0)
    world.on("do b", body)
    clock.move(60)
    async with lab(stores, world, clock, facts, retry=POLICY) as sec:
        await facts.until_recorded(EventKind.ATTEMPT_FAILED, "b")
        await sec.drain(1)
    clock.move(60)
    async with lab(stores, world, clock, facts, retry=POLICY) as sec:
        assert await sec.handle(handle.id).wait() == Succeeded("c")
        view = await sec.get(handle.id)
    now = body.told_once(3)[0]
    assert round(now.timestamp() * 1_000) == view.node("b").started_ms


async def test_an_undo_is_told_its_own(stores: Stores, world: World, facts: Facts) -> None:
    """It begins at another time, has other ids, and is told them again as the do is."""
    clock, do, undo = ManualClock(), Listener(1), Listener(1, error=RuntimeError("again"))
    world.on("do b", do)
    world.on("undo b", undo)
    world.fail("do c", ActionFailed("no"))
    async with lab(stores, world, clock, facts, retry=POLICY, undo_retry=POLICY) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        for _ in range(2):
            await clock.until_awaited()
            clock.move(20)
        assert isinstance(await handle.wait(), Unwound)
    for its, other in zip(undo.told_once(2), do.told_once(2), strict=True):
        assert its != other


@pytest.mark.parametrize("error", [RuntimeError("no"), UndoFailed("never")])
async def test_what_a_person_tries_again_is_told_the_same(
    stores: Stores, world: World, facts: Facts, error: Exception
) -> None:
    """The fresh budget is another, the undo is the same."""
    clock, undo = ManualClock(), Listener(1, error=error)
    world.on("undo b", undo)
    world.fail("do c", ActionFailed("no"))
    async with lab(stores, world, clock, facts) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        assert isinstance(await handle.wait(), Stuck)
        clock.move(60)
        await handle.retry()
        assert isinstance(await handle.wait(), Unwound)
    undo.told_once(2)


async def test_nodes_that_begin_together_and_later_have_the_times_of_the_log(
    stores: Stores, world: World, facts: Facts
) -> None:
    """What `ctx.now()` gives is when the log says that the node began."""
    clock = ManualClock()
    bodies = {name: Listener() for name in "abpqz"}

    async def body(ctx: Any) -> None:
        await bodies[ctx.node_name](ctx)
        clock.move(1)

    for name in bodies:
        world.on(f"do {name}", body)
    async with lab(stores, world, clock, facts) as sec:
        await sec.run(dag_of(["a", "b"], ["p", "q"], "z"))
        (summary,) = (await sec.list()).items
        view = await sec.get(summary.id)
    began = {name: round(each.told[0][0].timestamp() * 1_000) for name, each in bodies.items()}
    assert began == {each.path: each.started_ms for each in view.nodes}


async def test_a_decision_beside_an_attempt_does_not_hold_the_time(
    stores: Stores, world: World, facts: Facts
) -> None:
    """What begins after it has its own time, not that of the decision."""
    clock, after = ManualClock(), Listener()
    gate = world.hold("do b")
    world.on("do c", after)
    async with lab(stores, world, clock, facts) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        await gate.entered.wait()
        await handle.pause()
        await handle.unpause()
        clock.move(60)
        gate.open()
        await handle.wait()
    assert after.told[0][0].timestamp() == 1_700_000_060


async def test_a_plain_function_is_told_the_same(
    stores: Stores, world: World, facts: Facts
) -> None:
    """Nothing of it needs the event loop."""
    clock, told = ManualClock(), list[tuple[int, Any]]()

    def do(ctx: Any) -> None:
        told.append((threading.get_ident(), (ctx.now(), ctx.uuid(), ctx.random())))
        if ctx.attempt == 1:
            raise ActionFailed("again")

    contract: dict[str, Any] = {"retry": POLICY, "do_blocks": True}
    tried = PlainAction("tried", do, world.undo, **contract)
    async with Sec(stores(), registry_of(world, tried), observers=[facts], clock=clock) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        await clock.until_awaited()
        clock.move(20)
        assert await handle.wait() == Succeeded("c")
    assert threading.get_ident() not in {thread for thread, _ in told}
    assert told[0][1] == told[1][1]


def test_a_unit_test_says_what_time_it_is() -> None:
    """And has ids and chance as in a saga of that id."""
    now = datetime(2030, 5, 6, 7, 8, 9, 123_000, tzinfo=UTC)
    one, again = context(now=now), context(now=now)
    other = context(saga_id=UUID(int=9))
    assert one.now() == now
    assert one.uuid("x") == again.uuid("x") != other.uuid("x")
    assert (one.random(), one.random()) == (again.random(), again.random())
    assert one.uuid("x").version == 5


def test_no_name_is_another() -> None:
    """Names, nodes and directions are kept apart, whatever is in them."""
    made = {
        context(node=node, undo=undo).uuid(name)
        for node, name in [("a", "b/c"), ("b/c", "a"), ("c", "a/b")]
        for undo in (False, True)
    }
    assert len(made) == 6
