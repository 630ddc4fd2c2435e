"""Closing: attempts finish until the deadline, sagas are left where they are, nothing hangs."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from sagacity import ActionFailed, CoordinatorClosed, Sec, StoreError, Succeeded, Unwound
from sagacity.core.events import EventKind
from sagacity.stores.memory import MemoryStore
from sagacity.testing.faults import FaultyStore
from tests.engine.conftest import Stores
from tests.engine.world import Facts, World, dag_of, registry_of, spawn, turns

LINE = dag_of("a", "b", "c")
FAN = dag_of("a", ["p", "q", "r"], "z")


async def started(sec: Sec, saga: Any = LINE) -> Any:
    handle = await sec.create(saga)
    await handle.start()
    return handle


async def test_an_attempt_in_flight_may_finish_and_nothing_new_begins(
    stores: Stores, world: World
) -> None:
    """Its outcome is recorded; what follows is for the next coordinator."""
    gate = world.hold("do a")
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await started(sec)
        await gate.entered.wait()
        draining = spawn(sec.drain())
        await turns()
        gate.open()
        assert (await draining).cut_short == ()
        view = await handle.view()
        assert (view.state, view.node("a").status) == ("running", "succeeded")
        assert view.node("b").status == "never_started"
    assert world.calls == ["do a"]
    async with Sec(stores(), registry_of(world)) as sec:
        assert await sec.handle(handle.id).wait() == Succeeded("c")
    assert world.calls == ["do a", "do b", "do c"]


@pytest.mark.parametrize("saga", [LINE, dag_of(["a", "x"], "z", action="typed")])
@pytest.mark.parametrize("error", [ActionFailed("no"), ValueError("no")])
async def test_an_attempt_that_fails_while_draining_has_failed(
    stores: Stores, world: World, saga: Any, error: Exception
) -> None:
    """It was not cut short: what it says is recorded, and the close does not wait for the deadline."""
    gate = world.hold("do a")

    async def fail(ctx: Any) -> None:
        await gate(ctx)
        raise error

    world.on("do a", fail)
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await started(sec, saga)
        await gate.entered.wait()
        draining = spawn(sec.drain())
        await turns()
        gate.open()
        assert (await draining).cut_short == ()
        assert [each.message for each in (await handle.view()).errors] == ["no"]
    async with Sec(stores(), registry_of(world)) as sec:
        assert isinstance(await sec.handle(handle.id).wait(), Unwound)
    assert world.calls.count("do a") == 1


async def test_it_never_waits_for_whole_sagas(stores: Stores, world: World) -> None:
    """Nor for what waits for a slot, for a place, or to be read."""
    gate = world.hold("do a")
    async with Sec(stores(), registry_of(world), max_sagas=1, max_actions=1) as sec:
        handles = [await started(sec, FAN) for _ in range(3)]
        await gate.entered.wait()
        draining = spawn(sec.drain())
        await turns()
        gate.open()
        await draining
        assert world.calls == ["do a"]
    async with Sec(stores(), registry_of(world)) as sec:
        for handle in handles:
            assert await sec.handle(handle.id).wait() == Succeeded("z")


@pytest.mark.parametrize("saga", [LINE, FAN])
async def test_the_deadline_cuts_attempts_and_the_report_names_them(
    stores: Stores, world: World, saga: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is recorded of them: the next coordinator runs them again."""
    names = ["a"] if saga is LINE else ["p", "q", "r"]
    gates = [world.hold(f"do {name}") for name in names]
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await started(sec, saga)
        for gate in gates:
            await gate.entered.wait()
        report = await sec.drain(0)
        assert report.cut_short == tuple((handle.id, name) for name in names)
        for name in names:
            assert f'node "{name}" was cut short by the shutdown' in caplog.text
        view = await handle.view()
        assert view.errors == ()
        assert {view.node(name).status for name in names} == {"started"}
    for name in names:
        world.give(f"do {name}", name)
    async with Sec(stores(), registry_of(world)) as sec:
        await sec.handle(handle.id).wait()
        view = await sec.get(handle.id)
    assert view.state == "succeeded"
    assert {view.node(name).attempt for name in names} == {2}


@pytest.mark.parametrize("saga", [LINE, FAN])
@pytest.mark.parametrize("answer", ["raises", "reports"])
@pytest.mark.parametrize("call", ["do", "undo"])
async def test_whatever_a_cut_attempt_answers_it_runs_again(
    world: World, saga: Any, answer: str, call: str
) -> None:
    """An exception that comes of being cut is no outcome: not for an atomic action, nor an undo."""
    store = MemoryStore()
    name = "a" if saga is LINE else "p"
    entered = asyncio.Event()

    async def answers(_ctx: Any) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if answer == "raises":
                raise ConnectionError("connection lost") from None
            raise TimeoutError from None

    world.on(f"{call} {name}", answers)
    last = "c" if saga is LINE else "z"
    if call == "undo":
        world.fail(f"do {last}", ActionFailed("no"))
    async with Sec(store, registry_of(world)) as sec:
        handle = await started(sec, saga)
        await entered.wait()
        await sec.drain(0)
    world.give(f"{call} {name}", name)
    async with Sec(store, registry_of(world)) as sec:
        await sec.handle(handle.id).wait()
        view = await sec.get(handle.id)
    assert view.state == ("succeeded" if call == "do" else "unwound")
    shown = view.node(name)
    assert (shown.attempt if call == "do" else shown.undo_attempt) == 2


@pytest.mark.parametrize("saga", [LINE, FAN])
async def test_an_action_that_swallows_its_cancellation_does_not_hang_the_close(
    world: World, saga: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It is left behind, named, and records nothing when it ends after all."""
    name = "a" if saga is LINE else "p"
    entered, stop, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def deaf(_ctx: Any) -> None:
        entered.set()
        for _ in range(3):
            with suppress(asyncio.CancelledError):
                await stop.wait()
        ended.set()

    store = MemoryStore()
    world.on(f"do {name}", deaf)
    async with Sec(store, registry_of(world)) as sec:
        handle = await started(sec, saga)
        await entered.wait()
        report = await sec.drain(0)
        assert (handle.id, name) in report.cut_short
        assert "did not stop when cancelled; left behind" in caplog.text
    await store.open()
    before = await store.read(handle.id)
    stop.set()
    await ended.wait()
    await turns()
    assert await store.read(handle.id) == before
    assert leftovers() == set()
    await store.close()


def leftovers() -> set[str]:
    """Return the tasks that run beside the test's own."""
    return {
        str(task.get_coro()) for task in asyncio.all_tasks() if task is not asyncio.current_task()
    }


async def test_closing_leaves_no_tasks_behind(stores: Stores, world: World) -> None:
    """Each has its parent, and ends with it."""
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await started(sec, FAN)
        await handle.wait()
    await turns()
    assert leftovers() == set()


async def test_a_close_that_is_cancelled_leaves_no_tasks_behind(world: World) -> None:
    """Whoever has no patience for the deadline gets what the deadline would have got."""
    store = MemoryStore()
    gate = world.hold("do a")

    async def close_impatiently() -> None:
        async with Sec(store, registry_of(world)) as sec:
            await started(sec)
            await gate.entered.wait()

    closing = spawn(close_impatiently())
    await gate.entered.wait()
    await turns()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await turns()
    assert leftovers() == set()


async def test_what_is_asked_while_draining_is_refused_or_answered(
    stores: Stores, world: World
) -> None:
    """No more sagas are taken on; looking at them is still possible."""
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(LINE)
        await sec.drain()
        for ask in (handle.start(), sec.create(LINE), sec.run(LINE)):
            with pytest.raises(CoordinatorClosed):
                await ask
        assert (await handle.view()).state == "ready"
        assert len((await sec.list()).items) == 1
    for ask in (handle.start(), handle.wait(), handle.view(), sec.list(), sec.drain()):
        with pytest.raises(CoordinatorClosed):
            await ask


async def test_who_waits_is_told_when_the_coordinator_closes(stores: Stores, world: World) -> None:
    """Before the drain or after it: the saga goes on with the next one."""
    gate = world.hold("do a")
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await started(sec)
        done = await sec.create(dag_of("k"))
        await done.start()
        await done.wait()
        running = spawn(sec.run(dag_of("b")))
        await running
        waiting = spawn(handle.wait())
        await gate.entered.wait()
        await sec.drain(0)
        with pytest.raises(CoordinatorClosed):
            await waiting
        with pytest.raises(CoordinatorClosed):
            await handle.wait()
        assert await done.wait() == Succeeded("k")
    world.give("do a", 1)
    async with Sec(stores(), registry_of(world)) as sec:
        await sec.handle(handle.id).wait()


async def test_sagas_that_are_being_read_when_the_drain_begins_are_not_run(world: World) -> None:
    """They were not taken on yet."""
    memory = MemoryStore()
    gate = world.hold("do a")
    async with Sec(memory, registry_of(world)) as sec:
        handle = await started(sec)
        await gate.entered.wait()
        await sec.drain(0)
    world.calls.clear()
    store = FaultyStore(memory)
    hold = store.hold("read", skip=1)  # the first looks whether it can be read at all
    async with Sec(store, registry_of(world)) as sec:
        await hold.entered.wait()
        draining = spawn(sec.drain())
        await turns()
        hold.release()
        await draining
        assert world.calls == []
    gate.open()
    async with Sec(memory, registry_of(world)) as sec:
        assert await sec.handle(handle.id).wait() == Succeeded("c")


async def test_a_start_that_is_under_way_when_the_drain_begins_starts_nothing(
    world: World,
) -> None:
    """It is refused, or acknowledged and left to the next coordinator."""
    memory = MemoryStore()
    store = FaultyStore(memory)
    async with Sec(store, registry_of(world)) as sec:
        handle = await sec.create(LINE)
        hold = store.hold("read")
        starting = spawn(handle.start())
        await hold.entered.wait()
        draining = spawn(sec.drain())
        await turns()
        hold.release()
        acknowledged = not isinstance((await asyncio.gather(starting, return_exceptions=True))[0],
                                      CoordinatorClosed)  # fmt: skip
        await draining
        assert world.calls == []
    async with Sec(memory, registry_of(world)) as sec:
        if acknowledged:
            assert await sec.handle(handle.id).wait() == Succeeded("c")
        else:
            assert (await sec.get(handle.id)).state == "ready"


async def test_a_store_that_hangs_does_not_hang_the_close(world: World) -> None:
    """The deadline holds for writes as for attempts."""
    memory = MemoryStore()
    store = FaultyStore(memory)
    async with Sec(store, registry_of(world)) as sec:
        handle = await sec.create(LINE)
        hold = store.hold("append", skip=1)
        await handle.start()
        await hold.entered.wait()
        await sec.drain(0)
    hold.release()
    async with Sec(memory, registry_of(world)) as sec:
        assert await sec.handle(handle.id).wait() == Succeeded("c")


async def test_a_store_that_fails_does_not_hang_the_close(world: World, facts: Facts) -> None:
    """Repeating an append ends with the deadline."""
    memory = MemoryStore()
    store = FaultyStore(memory)
    async with Sec(store, registry_of(world), observers=[facts]) as sec:
        store.fail("append", skip=1, times=None)
        handle = await started(sec)
        await facts.until_trouble()
        await sec.drain(0)
        assert all(isinstance(error, StoreError) for _, error in facts.troubles)
    assert (handle.id, EventKind.FINISHED, "") not in facts.recorded_
    async with Sec(memory, registry_of(world)) as sec:
        assert await sec.handle(handle.id).wait() == Succeeded("c")


async def test_one_coordinator_object_can_be_opened_again(stores: Stores, world: World) -> None:
    """It is another owner then: what it had in flight was interrupted, and runs again."""
    store = stores()
    gate = world.hold("do a")
    sec = Sec(store, registry_of(world))
    async with sec:
        handle = await started(sec)
        await gate.entered.wait()
        await sec.drain(0)
    gate.open()
    async with sec:
        assert await handle.wait() == Succeeded("c")
        owners = {each.owner for each in (await handle.view()).log}
    assert len(owners) == 2


async def test_a_body_that_fails_closes_all_the_same(stores: Stores, world: World) -> None:
    """The error comes through, and the store is free for the next."""
    with pytest.raises(RuntimeError, match="mine"):
        async with Sec(stores(), registry_of(world)) as sec:
            await sec.create(LINE)
            raise RuntimeError("mine")
    async with Sec(stores(), registry_of(world)) as sec:
        assert len((await sec.list()).items) == 1


async def test_a_saga_whose_last_attempt_ends_in_a_drain_ends(stores: Stores, world: World) -> None:
    """Nothing is started for that, and those who wait for it are told."""
    gate = world.hold("do c")
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await started(sec)
        waiting = spawn(handle.wait())
        await gate.entered.wait()
        draining = spawn(sec.drain())
        await turns()
        gate.open()
        await draining
        assert await waiting == Succeeded("c")
    async with Sec(stores(), registry_of(world)) as sec:
        assert (await sec.get(handle.id)).state == "succeeded"
