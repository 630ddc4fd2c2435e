"""What the next coordinator does with what the last one left."""

import asyncio
from typing import Any

import pytest

from sagacity import ActionFailed, ActionFunc, ActionRegistry, Client, Sec, Succeeded, Unwound
from sagacity.core.events import EventKind
from sagacity.core.nodes import Undoing
from sagacity.engine.inbox import INJECT_ERROR, inject_command, start_command
from sagacity.errors import DagError, NotOwner
from sagacity.stores.memory import MemoryStore
from tests.engine.conftest import Stores
from tests.engine.world import Facts, PlainAction, World, dag_of, node, registry_of, spawn, turns

LINE = dag_of("a", "b", "c")
FAN = dag_of("a", ["p", "q"], "z")


async def interrupt(store: Any, world: World, saga: Any, *calls: str) -> Any:
    """Run a saga until it is in these calls, and let its coordinator die there."""
    gates = [world.hold(call) for call in calls]
    async with Sec(store, registry_of(world)) as sec:
        handle = await sec.create(saga)
        await handle.start()
        for gate in gates:
            await gate.entered.wait()
        await sec.drain(0)
    for call in calls:
        world.give(call, call.split()[1])
    world.calls.clear()
    return handle.id


@pytest.mark.parametrize("action", ["steno", "typed", "harmless", "no-op"])
async def test_an_action_in_flight_runs_again(stores: Stores, world: World, action: str) -> None:
    """With the next attempt's number; what was done before is not done again."""
    saga_id = await interrupt(stores(), world, dag_of("a", node("b", action), "c"), "do b")
    async with Sec(stores(), registry_of(world)) as sec:
        assert await sec.handle(saga_id).wait() == Succeeded("c")
        assert world.contexts["do b"].attempt == 2
    assert world.calls == ["do b", "do c"]


async def test_outputs_of_before_are_there(stores: Stores, world: World) -> None:
    """What ran under the last coordinator is looked up under the next."""

    async def look(ctx: Any) -> Any:
        return [ctx.lookup("a", str), ctx.params(dict)]

    world.on("do c", look)
    gate = world.hold("do b")
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(LINE, {"n": 1})
        await handle.start()
        await gate.entered.wait()
        await sec.drain(0)
    gate.open()
    async with Sec(stores(), registry_of(world)) as sec:
        assert await sec.handle(handle.id).wait() == Succeeded(["a", {"n": 1}])


async def test_an_interrupted_action_that_reports_failure_may_have_had_an_effect(
    stores: Stores, world: World
) -> None:
    """Its first attempt may: its own undo runs (unless it is atomic, and says so now)."""
    for action, own in (("typed", ["undo b"]), ("steno", [])):
        saga_id = await interrupt(stores(), world, dag_of("a", node("b", action), "c"), "do b")
        world.fail("do b", ActionFailed("no"))
        async with Sec(stores(), registry_of(world)) as sec:
            assert isinstance(await sec.handle(saga_id).wait(), Unwound)
        assert world.calls == ["do b", *own, "undo a"]


async def test_an_interrupted_atomic_action_that_is_not_called_again_is_an_unknown_outcome(
    stores: Stores, world: World
) -> None:
    """Only its own word means no effect: an input that does not fit any more says nothing."""
    saga_id = await interrupt(stores(), world, LINE, "do b")

    class Picky(PlainAction):
        def do_arguments(self, inputs: Any) -> Any:
            raise ValueError("does not fit any more")

    registry = ActionRegistry()
    picky = Picky("steno", world.do, world.undo, atomic=True, undoing=Undoing.KNOWN)
    registry.register(picky)
    async with Sec(stores(), registry) as sec:
        await sec.handle(saga_id).wait()
        view = await sec.get(saga_id)
    assert view.errors[0].effect == "possible"
    assert (view.state, view.outcome.reason) == ("stuck", "outcome_unknown")  # type: ignore[union-attr]


async def failing(ctx: Any, gate: Any) -> None:
    await gate.entered.wait()
    raise ActionFailed("no")


@pytest.mark.parametrize(
    ("action", "calls"),
    [
        ("steno", ["do q", "undo q", "undo a"]),
        ("typed", ["undo q", "undo a"]),
        ("harmless", ["undo a"]),
        ("no-op", ["do q", "undo a"]),
    ],
)
async def test_what_was_in_flight_while_unwinding_is_treated_by_contract(
    stores: Stores, world: World, facts: Facts, action: str, calls: list[str]
) -> None:
    """An atomic action runs to a known end first; any other is undone if it can be."""
    gate = world.hold("do q")

    async def fail(ctx: Any) -> None:
        await failing(ctx, gate)

    world.on("do p", fail)
    async with Sec(stores(), registry_of(world), observers=[facts]) as sec:
        handle = await sec.create(dag_of("a", ["p", node("q", action)], "z"))
        await handle.start()
        await facts.until_recorded(EventKind.FAILED, "p")
        await sec.drain(0)
    world.calls.clear()
    world.give("do q", "q")
    async with Sec(stores(), registry_of(world)) as sec:
        assert isinstance(await sec.handle(handle.id).wait(), Unwound)
    assert world.calls == calls


async def test_an_undo_in_flight_runs_again(stores: Stores, world: World) -> None:
    """And nothing that was undone is undone twice."""
    world.fail("do c", ActionFailed("no"))
    saga_id = await interrupt(stores(), world, LINE, "undo a")
    async with Sec(stores(), registry_of(world)) as sec:
        assert isinstance(await sec.handle(saga_id).wait(), Unwound)
        assert world.contexts["undo a"].attempt == 2
    assert world.calls == ["undo a"]


@pytest.mark.parametrize("crashes", [1, 2, 5])
async def test_a_coordinator_may_die_again_and_again(
    stores: Stores, world: World, crashes: int
) -> None:
    """Each next one goes on where the last has left it."""
    gates = [world.hold("do p"), world.hold("do q")]
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(FAN)
        await handle.start()
        for gate in gates:
            await gate.entered.wait()
        await sec.drain(0)
    for crash in range(crashes):
        gates = [world.hold("do p"), world.hold("do q")]
        async with Sec(stores(), registry_of(world)) as sec:
            for gate in gates:
                await gate.entered.wait()
            assert world.contexts["do p"].attempt == crash + 2
            await sec.drain(0)
    world.give("do p", 1)
    world.give("do q", 1)
    async with Sec(stores(), registry_of(world)) as sec:
        assert await sec.handle(handle.id).wait() == Succeeded("z")
        view = await sec.get(handle.id)
    assert view.node("p").attempt == crashes + 2
    assert len({each.owner for each in view.log}) == crashes + 2
    assert [each.epoch for each in view.log] == sorted(each.epoch for each in view.log)


async def test_the_result_can_be_waited_for_from_the_next_coordinator(
    stores: Stores, world: World
) -> None:
    """Of what is running, of what has ended, and of what is stuck."""
    running = await interrupt(stores(), world, LINE, "do b")
    async with Sec(stores(), registry_of(world)) as sec:
        done = await sec.create(LINE)
        await done.start()
        await done.wait()
        stuck = await sec.create(LINE)
        await stuck.inject_error("c")
        await stuck.inject_undo_error("b")
        await stuck.start()
        outcome = await stuck.wait()
    async with Sec(stores(), registry_of(world)) as sec:
        assert await sec.handle(running).result() == "c"
        assert await sec.handle(done.id).result() == "c"
        again = await sec.handle(stuck.id).wait()
        assert type(again) is type(outcome)
        assert (await sec.get(stuck.id)).state == "stuck"


async def test_all_that_was_left_is_taken_over(stores: Stores, world: World) -> None:
    """More than fit into memory at once, and those that nobody has begun."""
    gate = world.hold("do a")
    async with Sec(stores(), registry_of(world), max_sagas=2) as sec:
        handles = [await sec.create(LINE) for _ in range(8)]
        for handle in handles:
            await handle.start()
        await gate.entered.wait()
        await sec.drain(0)
    gate.open()
    async with Sec(stores(), registry_of(world), max_sagas=3) as sec:
        for handle in handles:
            assert await sec.handle(handle.id).wait() == Succeeded("c")


# -- code that is not there --------------------------------------------------------------------


def another_version(world: World) -> ActionRegistry:
    registry = ActionRegistry()
    registry.register(ActionFunc("steno", world.do, world.undo, version="2"))
    registry.register(PlainAction("typed", world.do, world.undo))
    return registry


def nothing_at_all(world: World) -> ActionRegistry:
    registry = ActionRegistry()
    registry.register(PlainAction("typed", world.do, world.undo))
    return registry


@pytest.mark.parametrize(
    ("registry", "missing"),
    [
        (nothing_at_all, 'no action "steno" is registered'),
        (another_version, 'action "steno" is here in version 2, the saga needs version 1'),
    ],
)
async def test_a_saga_without_its_code_is_parked_and_others_go_on(
    stores: Stores, world: World, caplog: pytest.LogCaptureFixture, registry: Any, missing: str
) -> None:
    """Reported, never run, never crashed on; with its code back it goes on."""
    saga_id = await interrupt(stores(), world, LINE, "do b")
    for _ in range(2):
        async with Sec(stores(), registry(world)) as sec:
            assert await sec.run(dag_of("t", action="typed")) == "t"
            while (await sec.get(saga_id)).state != "waiting for code":
                await turns()
            assert len((await sec.list(state="waiting for code")).items) == 1
            with pytest.raises(DagError, match=missing):
                await sec.create(LINE)
        assert missing in caplog.text
    assert world.calls == ["do t", "do t"]
    async with Sec(stores(), registry_of(world)) as sec:
        assert await sec.handle(saga_id).wait() == Succeeded("c")


async def test_a_step_of_a_saga_without_its_code_waits_for_the_code(
    stores: Stores, world: World
) -> None:
    """Nothing breaks on it, and whoever has the code takes the step."""
    saga_id = await interrupt(stores(), world, LINE, "do b")
    facts = Facts()
    async with Sec(stores(), nothing_at_all(world), observers=[facts]) as sec:
        await sec.handle(saga_id).pause()
        await sec.handle(saga_id).step("b")
        while (await sec.get(saga_id)).state != "waiting for code":
            await turns()
        assert facts.troubles == []
    async with Sec(stores(), registry_of(world)) as sec:
        while (await sec.get(saga_id)).node("b").status != "succeeded":
            await turns()
        assert (await sec.get(saga_id)).state == "paused"


async def test_starting_a_saga_without_its_code_is_refused(stores: Stores, world: World) -> None:
    """And harms nothing: with the code it can be started."""
    async with Client(stores()) as client:
        handle = await client.create(LINE)
    async with Sec(stores(), nothing_at_all(world)) as sec:
        with pytest.raises(DagError, match='no action "steno" is registered'):
            await sec.handle(handle.id).start()
        assert (await sec.get(handle.id)).state == "ready"
    async with Sec(stores(), registry_of(world)) as sec:
        await sec.handle(handle.id).start()
        assert await sec.handle(handle.id).wait() == Succeeded("c")


async def test_a_start_that_another_process_asked_for_waits_for_the_code(
    stores: Stores, world: World
) -> None:
    """It was acknowledged when it was sent."""
    async with Client(stores()) as client:
        handle = await client.create(LINE)
        await handle.start()
    async with Sec(stores(), nothing_at_all(world)) as sec:
        while (await sec.get(handle.id)).state != "waiting for code":
            await turns()
    async with Sec(stores(), registry_of(world)) as sec:
        assert await sec.handle(handle.id).wait() == Succeeded("c")


# -- the inbox ----------------------------------------------------------------------------------


async def test_what_other_processes_ask_for_is_done(stores: Stores, world: World) -> None:
    """Create, inject and start, with no coordinator alive; in the order it was asked."""
    async with Client(stores()) as client:
        handle = await client.create(LINE)
        await handle.inject_error("b")
        await handle.inject_repeat("a", action=2, undo=3)
        await handle.start()
    async with Sec(stores(), registry_of(world)) as sec:
        assert isinstance(await sec.handle(handle.id).wait(), Unwound)
    assert world.calls == ["do a"] * 2 + ["undo a"] * 3


async def test_a_command_is_done_once(stores: Stores, world: World, facts: Facts) -> None:
    """However often it is sent, and by whomever it is taken."""
    store = stores()
    await store.open()
    async with Client(stores()) as client:
        handle = await client.create(LINE)
    store = stores()
    await store.open()
    command = start_command(handle.id)
    assert await store.send(command) is True
    assert await store.send(command) is False
    await store.close()
    for _ in range(2):
        async with Sec(stores(), registry_of(world), observers=[facts]) as sec:
            assert await sec.handle(handle.id).wait() == Succeeded("c")
            await turns()
    assert world.calls == ["do a", "do b", "do c"]
    assert facts.troubles == []


async def test_commands_that_cannot_be_done_are_reported_and_left_behind(
    stores: Stores, world: World, facts: Facts
) -> None:
    """Injecting into what has ended; what follows is done."""
    async with Sec(stores(), registry_of(world)) as sec:
        done = await sec.create(LINE)
        await done.start()
        await done.wait()
    store = stores()
    await store.open()
    assert await store.send(inject_command(done.id, INJECT_ERROR, "a", (1, 0)))
    await store.close()
    async with Client(stores()) as client:
        handle = await client.create(LINE)
        await handle.start()
    async with Sec(stores(), registry_of(world), observers=[facts]) as sec:
        assert await sec.handle(handle.id).wait() == Succeeded("c")
        await facts.until_trouble()
    assert [saga for saga, _ in facts.troubles] == [done.id]


async def test_a_client_sees_a_saga_end_that_a_coordinator_drives(world: World) -> None:
    """Both on one store; the client waits for changes."""
    memory = MemoryStore()
    gate = world.hold("do b")
    async with Sec(memory, registry_of(world)) as sec:
        client = Client(memory)
        handle = await client.create(LINE, start=True)
        waiting = spawn(handle.wait())
        await gate.entered.wait()
        assert (await handle.view()).state == "running"
        assert [each.id for each in (await client.list()).items] == [handle.id]
        gate.open()
        assert await waiting == Succeeded("c")
        assert await handle.result() == "c"
        assert await sec.handle(handle.id).result() == "c"


# -- losing a saga --------------------------------------------------------------------------------


@pytest.mark.parametrize("saga", [LINE, FAN])
async def test_a_coordinator_that_lost_a_saga_stops_it_at_once(
    world: World, caplog: pytest.LogCaptureFixture, saga: Any
) -> None:
    """It starts nothing more, records nothing, does not unwind; its other sagas go on."""
    memory = MemoryStore()
    name = "b" if saga is LINE else "p"
    gate = world.hold(f"do {name}")
    async with Sec(memory, registry_of(world)) as sec:
        handle = await sec.create(saga)
        await handle.start()
        await gate.entered.wait()
        waiting = spawn(handle.wait())
        await turns()
        # Another coordinator takes over, behind the back of this one.
        memory._sagas[handle.id.int].epoch += 1
        before = await memory.read(handle.id)
        calls = len(world.calls)
        gate.open()
        with pytest.raises(NotOwner):
            await waiting
        await turns()
        assert await memory.read(handle.id) == before
        assert len(world.calls) == calls
        assert "lost to another coordinator" in caplog.text
        assert await sec.run(LINE) == "c"
        assert handle.id not in sec._opened().driving.active
        assert sec._opened().driving._env.slots.is_unused


async def test_a_lost_sagas_attempts_are_cancelled(world: World) -> None:
    """What of it still runs is of no use to anyone."""
    memory = MemoryStore()
    first, second = world.hold("do p"), world.hold("do q")
    cancelled = asyncio.Event()

    async def wait_for_it(ctx: Any) -> None:
        try:
            await second(ctx)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    world.on("do q", wait_for_it)
    async with Sec(memory, registry_of(world)) as sec:
        handle = await sec.create(FAN)
        await handle.start()
        await second.entered.wait()
        memory._sagas[handle.id.int].epoch += 1
        first.open()
        await cancelled.wait()
        memory._sagas[handle.id.int].epoch -= 1
    world.give("do q", 1)
    async with Sec(memory, registry_of(world)) as sec:
        assert await sec.handle(handle.id).wait() == Succeeded("z")


async def test_a_coordinator_whose_store_went_to_another_reports_it(
    world: World, facts: Facts
) -> None:
    """It adopts nothing more."""
    memory = MemoryStore()
    async with Sec(memory, registry_of(world), observers=[facts]):
        memory._epoch += 1
        memory._changes.note_now()
        await facts.until_trouble()
    assert isinstance(facts.troubles[0][1], NotOwner)


async def test_a_saga_that_waits_for_code_shows_that_it_is_paused_or_unwinding(
    stores: Stores, world: World
) -> None:
    """And goes on by itself with a later coordinator that has the code."""
    async with Client(stores()) as client:
        paused, aborted = [await client.create(dag_of("a"), start=True) for _ in range(2)]
    async with Sec(stores()) as sec:
        for handle in (paused, aborted):
            while (await sec.get(handle.id)).state != "waiting for code":
                await turns()
        await sec.handle(paused.id).pause()
        await sec.handle(aborted.id).abort()
        while (await sec.get(paused.id)).state != "paused":
            await turns()
        while (await sec.get(aborted.id)).state != "waiting for code":
            await turns()
        assert (await sec.get(aborted.id)).direction == "unwinding"
    async with Sec(stores()) as sec:
        await turns(50)
        assert (await sec.get(paused.id)).state == "paused"
    async with Sec(stores(), registry_of(world)) as sec:
        assert isinstance(await sec.handle(aborted.id).wait(), Unwound)
        assert (await sec.get(paused.id)).state == "paused"
        await sec.handle(paused.id).unpause()
        assert await sec.handle(paused.id).wait() == Succeeded("a")
