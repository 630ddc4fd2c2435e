"""A store that fails, hangs, or loses its answers: retried and reported, never skipped."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sagacity import ActionFailed, Client, SagaStateError, Sec, StoreError, Succeeded, Unwound
from sagacity.core.events import EventKind
from sagacity.errors import StoreBusy, StoreCorrupt, StoreFull
from sagacity.ports.observer import Listener
from sagacity.ports.store import SagaQuery
from sagacity.stores.memory import MemoryStore
from sagacity.stores.sqlite import SqliteStore
from sagacity.testing.faults import FaultInjectedError, FaultyStore, Moment
from tests.engine.conftest import check_all
from tests.engine.world import Facts, World, dag_of, registry_of, spawn, turns

LINE = dag_of("a", "b", "c")
FAN = dag_of("a", ["p", "q", "r"], "z")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("skip", range(5))
@pytest.mark.parametrize("saga", [LINE, FAN])
async def test_an_append_that_fails_is_repeated_until_it_is_there(
    world: World, facts: Facts, moment: Moment, skip: int, saga: Any
) -> None:
    """Any one of them, before its effect or after it: the saga ends as if nothing had been."""
    memory = MemoryStore()
    store = FaultyStore(memory)
    async with Sec(store, registry_of(world), observers=[facts]) as sec:
        handle = await sec.create(saga)
        store.fail("append", moment=moment, skip=skip)
        await handle.start()
        assert isinstance(await handle.wait(), Succeeded)
        view = await handle.view()
    assert [type(error) for _, error in facts.troubles] == (
        [FaultInjectedError] * store.struck["append", moment]
    )
    assert {node.attempt for node in view.nodes} == {1}
    assert sorted(world.calls) == sorted(f"do {node.path}" for node in view.nodes)
    await check_all(memory)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_nothing_is_called_before_its_start_is_durable(
    world: World, facts: Facts, moment: Moment
) -> None:
    """Intent before effect: while the store makes trouble, the saga stands still."""
    store = FaultyStore(MemoryStore())
    async with Sec(store, registry_of(world), observers=[facts]) as sec:
        handle = await sec.create(LINE)
        hold = store.hold("append", skip=1)
        store.fail("append", skip=1, moment=moment)
        await handle.start()
        await hold.entered.wait()
        await turns()
        assert world.calls == ["do a"]
        hold.release()
        await facts.until_trouble()
        assert world.calls == ["do a"]
        await handle.wait()
    assert world.calls == ["do a", "do b", "do c"]


async def test_a_store_without_space_makes_sagas_wait(world: World, facts: Facts) -> None:
    """Nothing acknowledged is lost; when there is room again, they go on."""
    store = FaultyStore(MemoryStore())
    async with Sec(store, registry_of(world), observers=[facts]) as sec:
        handle = await sec.create(LINE)
        store.fail("append", skip=1, times=None, error=lambda: StoreFull("no space"))
        await handle.start()
        await facts.until_trouble(2)
        with pytest.raises(StoreFull):
            store.fail("create", error=lambda: StoreFull("no space"))
            await sec.create(LINE)
        assert world.calls == ["do a"]
        store.heal()
        assert await handle.wait() == Succeeded("c")


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_create_that_fails_is_the_callers_to_repeat(world: World, moment: Moment) -> None:
    """With the same id it gives the saga, whether or not the first one had its effect."""
    memory = MemoryStore()
    store = FaultyStore(memory)
    async with Sec(store, registry_of(world)) as sec:
        other = await sec.create(LINE)
        store.fail("create", moment=moment)
        saga_id = type(other.id)(int=7)
        with pytest.raises(FaultInjectedError):
            await sec.create(LINE, id=saga_id)
        handle = await sec.create(LINE, id=saga_id)
        await handle.start()
        assert await handle.wait() == Succeeded("c")
        assert len((await sec.list()).items) == 2


async def test_a_run_whose_create_fails_raises_and_leaves_nothing(world: World) -> None:
    """Nothing was stored, nothing runs."""
    memory = MemoryStore()
    store = FaultyStore(memory)
    async with Sec(store, registry_of(world), max_actions=1, max_sagas=1) as sec:
        store.fail("create")
        with pytest.raises(FaultInjectedError):
            await sec.run(LINE)
        assert (await sec.list()).items == ()
        assert world.calls == []
        assert await sec.run(LINE) == "c"  # its slot and its place are free again


async def test_a_run_whose_create_lost_its_answer_is_not_left_standing(world: World) -> None:
    """The saga is in the store, started: somebody must drive it, or nobody would ever."""
    memory = MemoryStore()
    store = FaultyStore(memory)
    async with Sec(store, registry_of(world)) as sec:
        store.fail("create", moment="after")
        try:
            assert await sec.run(LINE) == "c"
        except FaultInjectedError:
            (summary,) = (await sec.list()).items
            assert await sec.handle(summary.id).wait() == Succeeded("c")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("method", ["adopt", "read", "take", "done", "wait_for_change"])
async def test_recovery_gets_over_a_store_that_fails(
    world: World, facts: Facts, method: str, moment: Moment
) -> None:
    """Whatever it was doing: reported, and done again."""
    memory = MemoryStore()
    gate = world.hold("do b")
    async with Sec(memory, registry_of(world)) as sec:
        running = await sec.create(LINE)
        await running.start()
        await gate.entered.wait()
        await sec.drain(0)
    gate.open()
    async with Client(memory) as client:
        asked = await client.create(LINE)
        await asked.start()
    store = FaultyStore(memory)
    store.fail(method, moment=moment)
    async with Sec(store, registry_of(world), observers=[facts]) as sec:
        assert await insist(sec.handle(running.id).wait) == Succeeded("c")
        assert await insist(sec.handle(asked.id).wait) == Succeeded("c")
        if method != "read":  # it may have been ours above
            await facts.until_trouble()
    await check_all(memory)


async def test_recovery_gets_over_an_error_that_no_store_should_raise(
    world: World, facts: Facts
) -> None:
    """A mistake in a store (or in ours) must not end recovery in silence."""
    memory = MemoryStore()
    store = FaultyStore(memory)
    for method in ("adopt", "take", "wait_for_change"):
        store.fail(method, error=lambda: TypeError("a mistake"))
    async with Client(memory) as client:
        handle = await client.create(LINE, start=True)
    async with Sec(store, registry_of(world), observers=[facts]) as sec:
        assert await sec.handle(handle.id).wait() == Succeeded("c")


@pytest.mark.parametrize("seed", range(25))
async def test_sagas_end_whatever_fails_by_chance(world: World, seed: int) -> None:
    """A tenth of all calls fails, half of them after their effect; all sagas end, rightly."""
    memory = MemoryStore()
    store = FaultyStore(memory, seed=seed, rate=0.1)
    world.fail("do y", ActionFailed("no"))
    bad = dag_of("a", ["b", "c"], "y", name="bad")
    async with Sec(store, registry_of(world)) as sec:
        handles = [await insist(partial(sec.create, saga)) for saga in (LINE, FAN, bad, LINE)]
        for handle in handles:
            await insist_on_start(handle)
        outcomes = [await insist(handle.wait) for handle in handles]
        store.heal()
    assert [type(outcome) for outcome in outcomes] == [Succeeded, Succeeded, Unwound, Succeeded]
    await check_all(memory)


async def insist(call: Any) -> Any:
    """Repeat a call that the store fails, as a caller would."""
    while True:
        try:
            return await call()
        except FaultInjectedError:
            await asyncio.sleep(0)


async def insist_on_start(handle: Any) -> None:
    """Start a saga; after a failure it may have been started."""
    try:
        await insist(handle.start)
    except SagaStateError:
        assert (await insist(handle.view)).state != "ready"


# -- reading does not wait for writing -------------------------------------------------------


async def test_status_and_lists_do_not_wait_for_writes(world: World) -> None:
    """While an append hangs, everything can be looked at, of this saga and of others."""
    store = FaultyStore(MemoryStore())
    async with Sec(store, registry_of(world)) as sec:
        handle = await sec.create(LINE)
        hold = store.hold("append", skip=1)
        await handle.start()
        await hold.entered.wait()
        view = await handle.view()
        assert view.node("a").status == "started"
        (summary,) = (await sec.list(state="running")).items
        assert summary.id == handle.id
        other = await sec.create(LINE)
        assert (await other.view()).state == "ready"
        hold.release()
        await handle.wait()


async def test_a_saga_whose_writes_hang_harms_no_other(world: World) -> None:
    """Others run to their end meanwhile."""
    store = FaultyStore(MemoryStore())
    async with Sec(store, registry_of(world)) as sec:
        handle = await sec.create(LINE)
        hold = store.hold("append", saga_id=handle.id)
        starting = spawn(handle.start())
        await hold.entered.wait()
        assert await sec.run(LINE) == "c"
        hold.release()
        await starting
        assert await handle.wait() == Succeeded("c")


async def test_a_saga_whose_writes_always_fail_harms_no_other(world: World, facts: Facts) -> None:
    """Nor does it stand in the way of recovery, or of commands for others."""
    memory = MemoryStore()
    async with Client(memory) as client:
        bad = await client.create(LINE)
        await bad.start()
        good = await client.create(LINE)
        await good.start()
    store = FaultyStore(memory)
    store.fail("append", saga_id=bad.id, times=None)
    async with Sec(store, registry_of(world), observers=[facts]) as sec:
        assert await sec.handle(good.id).wait() == Succeeded("c")
        assert await sec.run(LINE) == "c"
        store.heal()
        assert await sec.handle(bad.id).wait() == Succeeded("c")


# -- one bad saga -----------------------------------------------------------------------------


class DamagedStore(FaultyStore):
    """One saga of it cannot be read."""

    damaged: Any = None

    async def read(self, saga_id: Any) -> Any:
        if saga_id == self.damaged:
            raise StoreCorrupt(f"saga {saga_id}: a row is damaged")
        return await super().read(saga_id)


@pytest.mark.parametrize("start", [True, False], ids=["running", "asked for"])
async def test_a_damaged_saga_is_reported_and_others_go_on(
    world: World, facts: Facts, start: bool
) -> None:
    """At recovery, with its command in the inbox, and when somebody asks for it."""
    memory = MemoryStore()
    async with Client(memory) as client:
        bad = await client.create(LINE, start=start)
        if not start:
            await bad.start()
        good = await client.create(LINE)
        await good.start()
    store = DamagedStore(memory)
    store.damaged = bad.id
    async with Sec(store, registry_of(world), observers=[facts]) as sec:
        assert await sec.handle(good.id).wait() == Succeeded("c")
        await facts.until(lambda: bad.id in {saga for saga, _ in facts.troubles})
        with pytest.raises(StoreCorrupt, match="a row is damaged"):
            await sec.handle(bad.id).wait()


async def test_a_log_that_cannot_be_is_reported_and_the_saga_left_alone(
    world: World, facts: Facts
) -> None:
    """Nothing is skipped in silence, nothing written to it."""
    memory = MemoryStore()
    async with Client(memory) as client:
        handle = await client.create(LINE, start=True)
        stored = await memory.read(handle.id)
        memory._sagas[handle.id.int].records[1] = b'[1,0,0,[["created",""],["created",""]]]'
    async with Sec(memory, registry_of(world), observers=[facts]) as sec:
        await facts.until_trouble()
        ((saga_id, error),) = facts.troubles
        assert saga_id == handle.id
        assert isinstance(error, StoreCorrupt)
        assert "event 2: created twice" in str(error)
        with pytest.raises(StoreCorrupt):
            await sec.get(handle.id)
        assert await sec.run(LINE) == "c"
    memory._sagas[handle.id.int].records[1] = stored.records[0][1]
    await memory.open()
    assert (await memory.read(handle.id)).records == stored.records


# -- opening ----------------------------------------------------------------------------------


async def test_a_store_that_cannot_be_opened_is_left_closed(world: World) -> None:
    """And can be opened by the next who tries."""
    for method in ("open", "acquire"):
        memory = MemoryStore()
        store = FaultyStore(memory)
        store.fail(method)
        with pytest.raises(FaultInjectedError):
            async with Sec(store, registry_of(world)):
                pytest.fail("must not be entered")
        async with Sec(memory, registry_of(world)) as sec:
            assert await sec.run(LINE) == "c"


async def test_a_store_that_another_coordinator_drives_is_busy(
    world: World, tmp_path: Path
) -> None:
    """Unless one is ready to wait: then it goes on with what the first has left."""
    gate = world.hold("do a")

    async def second() -> None:
        async with Sec(SqliteStore(tmp_path / "s.db"), registry_of(world), wait=True) as sec:
            assert await sec.handle(handle.id).wait() == Succeeded("c")

    async with Sec(SqliteStore(tmp_path / "s.db"), registry_of(world)) as first:
        with pytest.raises(StoreBusy):
            async with Sec(SqliteStore(tmp_path / "s.db"), registry_of(world)):
                pytest.fail("must not be entered")
        handle = await first.create(LINE)
        await handle.start()
        await gate.entered.wait()
        waiting = spawn(second())
        await first.drain(0)
        gate.open()
    await waiting


async def test_closing_gives_the_store_back_whatever_fails(world: World) -> None:
    """Also when releasing it does."""
    memory = MemoryStore()
    store = FaultyStore(memory)
    store.fail("release")
    with pytest.raises(FaultInjectedError):
        async with Sec(store, registry_of(world)) as sec:
            await sec.run(LINE)
    async with Sec(memory, registry_of(world)) as sec:
        assert await sec.run(LINE) == "c"


# -- large appends -----------------------------------------------------------------------------


async def test_outcomes_that_come_together_may_be_more_than_a_record_holds(world: World) -> None:
    """Seventy megabytes at once: stored in parts, and nothing is lost."""
    large = "x" * 1_000_000
    names = [f"p{number}" for number in range(70)]
    for name in names:
        world.give(f"do {name}", large)
    memory = MemoryStore()
    async with Sec(memory, registry_of(world)) as sec:
        assert await sec.run(dag_of("a", names, "z")) == "z"
    await check_all(memory)
    await memory.open()
    (head,) = await memory.list(SagaQuery())
    assert max(len(record) for _, record in (await memory.read(head.id)).records) < 2**25


async def test_observers_hear_what_became_durable_and_when(world: World, facts: Facts) -> None:
    """Each event once, in order, after its append."""
    store = FaultyStore(MemoryStore())
    async with Sec(store, registry_of(world), observers=[facts]) as sec:
        handle = await sec.create(dag_of("a"))
        hold = store.hold("append")
        starting = spawn(handle.start())
        await hold.entered.wait()
        await turns()
        assert facts.kinds(handle.id) in ([], [(EventKind.CREATED, "")])
        hold.release()
        await starting
        await handle.wait()
        view = await handle.view()
    told = [(event.kind, event.node or "") for event in view.events if event.kind != "created"]
    assert [each for each in facts.kinds(handle.id) if each[0] != "created"] == told


class Deafening:
    """An observer that always fails."""

    def recorded(self, what: Any) -> None:
        raise RuntimeError("not listening")

    def trouble(self, saga_id: Any, error: Any) -> None:
        raise RuntimeError("not listening")


async def test_an_observer_that_fails_harms_nobody(
    world: World, facts: Facts, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the others are told."""
    store = FaultyStore(MemoryStore())
    observers: list[Listener] = [Deafening(), facts]
    async with Sec(store, registry_of(world), observers=observers) as sec:
        store.fail("append")
        handle = await sec.create(LINE)
        await handle.start()
        assert await handle.wait() == Succeeded("c")
    assert "an observer failed" in caplog.text
    assert facts.troubles
    assert (EventKind.FINISHED, "") in facts.kinds(handle.id)


async def test_only_an_error_nobody_expected_is_logged_with_its_traceback(
    world: World, facts: Facts, caplog: pytest.LogCaptureFixture
) -> None:
    """A store in trouble is one line each time; a bug is to be found by where it was raised."""

    def a_bug() -> Exception:
        return RuntimeError("nobody thought of this")

    store = FaultyStore(MemoryStore())
    async with Sec(store, registry_of(world), observers=[facts]) as sec:
        handle = await sec.create(LINE)
        store.fail("append", times=2)
        store.fail("append", error=a_bug, skip=2)
        with pytest.raises(RuntimeError):
            await handle.start()
        await facts.until_trouble(3)
    logged = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.exc_info is not None for record in logged] == [False, False, True]
    assert f"saga {handle.id}: RuntimeError: nobody thought of this" in caplog.text
    assert "testing/faults.py" in caplog.text


async def test_trouble_that_is_of_no_saga_is_not_logged_as_one(
    world: World, facts: Facts, caplog: pytest.LogCaptureFixture
) -> None:
    """Looking for sagas to go on with is the coordinator's own work."""
    store = FaultyStore(MemoryStore())
    store.fail("take")
    async with Sec(store, registry_of(world), observers=[facts]):
        await facts.until_trouble()
    assert "coordinator: FaultInjectedError: injected: take fails" in caplog.text
    assert "None" not in caplog.text


async def test_a_fault_injected_error_is_a_store_error() -> None:
    """So that the engine treats it as one."""
    store = FaultyStore(MemoryStore())
    store.fail("open")
    with pytest.raises(StoreError, match="injected: open fails before its effect"):
        await store.open()
