"""A saga that is done leaves nothing of it in the coordinator's memory."""

import asyncio
import gc
import logging
from typing import Any

import pytest

from sagacity import (
    ActionFailed,
    ActionRegistry,
    DagBuilder,
    Retry,
    Sec,
    UndoFailed,
)
from sagacity.core.builder import NodeFactory
from sagacity.core.dag import Siblings
from sagacity.engine.clock import SystemClock
from sagacity.stores.memory import MemoryStore
from tests.engine.conftest import Stores
from tests.engine.leftovers import raises_anew, uncollected
from tests.engine.world import PlainAction, World, dag_of, node, registry_of, spawn, turns

FAN = dag_of("a", ["p", "q", "r"], "z")
ENDINGS = ["succeeds", "unwinds", "is stuck"]


def nothing_left(sec: Sec) -> bool:
    """Whether the coordinator knows of no saga at all."""
    driving = sec._opened().driving
    slots = driving._env.slots
    return not (
        driving.active or driving.waiters or driving.faults or not driving.places.is_unused
        or sec._opened().starting.busy or not slots.is_unused
    )  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_ended_saga_leaves_nothing(stores: Stores, world: World, ending: str) -> None:
    """No execution, no waiter, no fault, no slot; and no task beside recovery's."""
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(FAN)
        if ending != "succeeds":
            await handle.inject_error("z")
        if ending == "is stuck":
            await handle.inject_undo_error("q")
        waiters = [spawn(handle.wait()) for _ in range(3)]
        await handle.start()
        await asyncio.gather(*waiters)
        await turns()
        assert nothing_left(sec)
        assert len(sec._opened().driving.tasks) == 1


@pytest.mark.parametrize("ending", [*ENDINGS, "is paused in between"])
async def test_an_ended_saga_is_freed_at_once(world: World, ending: str) -> None:
    """Nothing of it is in a cycle that only the collector would find, seconds later."""
    async with Sec(MemoryStore(), registry_of(world)) as sec:
        handle = await sec.create(FAN)
        gate = world.hold("do a")
        if ending not in ("succeeds", "is paused in between"):
            world.on("do z", raises_anew)
        if ending == "is stuck":
            world.on("undo q", raises_anew)
        gc.collect()
        with uncollected() as garbage:
            await handle.start()
            await gate.entered.wait()
            if ending == "is paused in between":
                await handle.pause()
                await handle.unpause()
            gate.open()
            await handle.wait()
            world.contexts.clear()
            await turns()
        assert garbage() == []


@pytest.mark.parametrize("undo_error", [KeyError, UndoFailed])
async def test_a_failed_call_is_freed_at_once(undo_error: type[Exception]) -> None:
    """In a thread, against the clock: what it had at hand is not left to the collector."""

    def fail(_ctx: Any) -> None:
        raise KeyError("no")

    def fail_to_undo(_ctx: Any) -> None:
        raise undo_error("no")

    def give(_ctx: Any) -> int:
        return 1

    undone = PlainAction("undone", give, fail_to_undo, do_blocks=True, undo_blocks=True,
                         timeout=60, undo_timeout=60)  # fmt: skip
    fails = PlainAction("fails", fail, fail_to_undo, do_blocks=True, timeout=60, atomic=True)
    registry = ActionRegistry()
    builder = DagBuilder("s")
    for action in (undone, fails):
        registry.register(action)
        builder.append(NodeFactory.action(action.name, "", action))
    dag = builder.build()
    async with Sec(MemoryStore(), registry) as sec:
        gc.collect()
        with uncollected() as garbage:
            handle = await sec.create(dag)
            await handle.start()
            await handle.wait()
            await turns()
        assert garbage() == []


async def test_a_call_that_is_cut_short_is_freed_at_once(world: World) -> None:
    """With `siblings="cancel"`, when another node of the saga fails."""
    dag = dag_of("a", ["b", "c"], "d", siblings=Siblings.CANCEL, action="typed")
    gate = world.hold("do c")

    async def fail(_ctx: Any) -> None:
        await gate.entered.wait()
        raise ValueError("no")

    world.on("do b", fail)
    async with Sec(MemoryStore(), registry_of(world)) as sec:
        handle = await sec.create(dag)
        gc.collect()
        with uncollected() as garbage:
            await handle.start()
            await handle.wait()
            world.contexts.clear()
            await turns()
        assert garbage() == []


async def test_an_alarm_that_has_rung_leaves_nothing() -> None:
    """Nobody cancels it any more."""
    rang = asyncio.Event()
    gc.collect()
    with uncollected() as garbage:
        alarm = SystemClock().call_at(0, rang.set)
        await rang.wait()
        del alarm
        await turns()
    assert garbage() == []


async def test_a_policy_that_fails_leaves_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """What its `gone=` raises is let go of too."""
    caplog.set_level(logging.CRITICAL, "sagacity")  # a record of the warning would hold the error
    asked: list[str] = []

    async def refuse(_ctx: Any) -> None:
        raise ActionFailed("no")

    async def gone(ctx: Any) -> bool:
        asked.append(ctx.node_name)
        raise ValueError("no")

    policy = Retry(attempts=2, backoff=0, gone=gone)
    tried = PlainAction("tried", refuse, world.undo, retry=policy)
    async with Sec(MemoryStore(), registry_of(world, tried)) as sec:
        handle = await sec.create(dag_of("a", node("b", "tried")))
        gc.collect()
        with uncollected() as garbage:
            await handle.start()
            await handle.wait()
            world.contexts.clear()
            await turns()
        assert garbage() == []
    assert asked == ["b"]


async def test_a_run_that_is_cancelled_leaves_no_waiter(world: World) -> None:
    """The saga goes on, and when it has ended nothing is left of either."""
    gate = world.hold("do a")
    async with Sec(MemoryStore(), registry_of(world)) as sec:
        running = spawn(sec.run(FAN))
        await gate.entered.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not sec._opened().driving.waiters
        (summary,) = (await sec.list()).items
        gate.open()
        assert await sec.handle(summary.id).result() == "z"
        await turns()
        assert nothing_left(sec)


async def test_calls_that_fail_leave_nothing(world: World) -> None:
    """Whatever was wrong with them."""
    async with Sec(MemoryStore(), registry_of(world), max_actions=1, max_sagas=1) as sec:
        handle = await sec.create(FAN, {"n": 1})
        for attempt in (
            sec.run(FAN, {"n": 2}, id=handle.id),
            sec.run(dag_of("a", name="t"), {"n": 1}, id=handle.id),
            sec.run(FAN, object()),
            sec.run(FAN, labels={"k": "v" * 10_000}),
            sec.create(FAN, float("nan")),
            sec.handle(type(handle.id)(int=1)).start(),
            sec.handle(type(handle.id)(int=1)).wait(),
            handle.inject_error("nowhere"),
        ):
            with pytest.raises(Exception, match=r"."):
                await attempt
        await turns()
        assert nothing_left(sec)
        assert await sec.run(FAN) == "z"


async def test_many_sagas_leave_no_more_than_one(world: World) -> None:
    """What stays after a thousand sagas is what stays after a few."""
    world.fail("do y", ActionFailed("no"))
    bad = dag_of("a", "y")

    async def some(sec: Sec, count: int) -> int:
        for number in range(count):
            handle = await sec.create(bad if number % 2 else FAN)
            await handle.start()
            await handle.wait()
        world.calls.clear()
        await turns()
        gc.collect()
        kinds: list[Any] = [type(each) for each in gc.get_objects()]
        homes = [str(getattr(kind, "__module__", "")) for kind in kinds]
        return sum(1 for home in homes if home.startswith("sagacity."))

    store: Any = MemoryStore()
    async with Sec(store, registry_of(world)) as sec:
        await some(sec, 20)
        before = await some(sec, 20) - len(store._sagas)
        after = await some(sec, 200) - len(store._sagas)
    assert after <= before + 5
