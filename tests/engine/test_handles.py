"""Looking at sagas: lists a page at a time, views, handles, and how results are told."""

from typing import Any
from uuid import UUID

import pytest

from sagacity import (
    Abandoned,
    ActionFailed,
    Client,
    SagaAbandoned,
    SagaStateError,
    SagaStuck,
    SagaUnwound,
    Sec,
    Stuck,
    Succeeded,
    UndoFailed,
    Unwound,
)
from sagacity.core.agenda import Direction
from sagacity.core.bindings import OutputOf
from sagacity.core.builder import NodeFactory
from sagacity.core.codec import encode_record
from sagacity.core.dag import Dag
from sagacity.core.events import FinalState, Finished
from sagacity.core.nodes import Node, NodeKind, Undoing
from sagacity.engine.inbox import inject_command
from sagacity.errors import NoSuchNode, StoreCorrupt
from sagacity.ports.store import Append, InboxCommand, SagaStatus, Summary
from sagacity.stores.memory import MemoryStore
from tests.engine.conftest import Stores
from tests.engine.world import Facts, PlainAction, World, dag_of, registry_of, spawn

LINE = dag_of("a", "b")


# -- lists -----------------------------------------------------------------------------------


async def test_sagas_are_listed_a_page_at_a_time(stores: Stores, world: World) -> None:
    """In the order of their ids; `next` is where to go on, and None at the end."""
    async with Sec(stores(), registry_of(world)) as sec:
        ids = [(await sec.create(LINE, id=UUID(int=number))).id for number in (5, 1, 4, 2, 3)]
        first = await sec.list(limit=2)
        assert [each.id.int for each in first.items] == [1, 2]
        second = await sec.list(limit=2, after=first.next)
        assert [each.id.int for each in second.items] == [3, 4]
        third = await sec.list(limit=2, after=str(second.next))
        assert ([each.id.int for each in third.items], third.next) == ([5], None)
        assert len((await sec.list(limit=5)).items) == 5
        assert (await sec.list(limit=5)).next is None
        assert {each.id for each in (await sec.list()).items} == set(ids)


async def test_lists_are_filtered_by_all_that_is_given(stores: Stores, world: World) -> None:
    """State, direction, name and labels."""
    world.fail("do z", ActionFailed("no"))
    async with Sec(stores(), registry_of(world)) as sec:
        done = await sec.create(LINE, labels={"k": "1", "c": "x"})
        await done.start()
        await done.wait()
        ready = await sec.create(LINE, labels={"k": "2", "c": "x"})
        bad = await sec.create(dag_of("z", name="bad"), labels={"k": "1"})
        await bad.start()
        await bad.wait()

        async def listed(**filters: Any) -> set[UUID]:
            return {each.id for each in (await sec.list(**filters)).items}

        assert await listed(state="succeeded") == {done.id}
        assert await listed(state="ready") == {ready.id}
        assert await listed(direction="unwinding") == {bad.id}
        assert await listed(direction="forward") == {done.id, ready.id}
        assert await listed(name="bad") == {bad.id}
        assert await listed(labels={"k": "1"}) == {done.id, bad.id}
        assert await listed(labels={"k": "1", "c": "x"}) == {done.id}
        assert await listed(labels={"k": "1"}, name="bad", state="unwound") == {bad.id}
        assert await listed(labels={"k": "1"}, name="bad", state="ready") == set()
        (summary,) = (await sec.list(name="bad")).items
        assert (summary.state, summary.direction, summary.labels) == (
            "unwound", "unwinding", {"k": "1"}
        )  # fmt: skip


@pytest.mark.parametrize(
    "filters",
    [
        {"state": "odd"}, {"direction": "sideways"}, {"limit": 0}, {"limit": -1}, {"limit": 1_000},
        {"after": "no id"},
    ],
)  # fmt: skip
async def test_a_list_of_what_there_cannot_be_is_refused(
    stores: Stores, world: World, filters: dict[str, Any]
) -> None:
    """And a page has a limit."""
    async with Sec(stores(), registry_of(world)) as sec:
        with pytest.raises(ValueError, match=r"."):
            await sec.list(**filters)
        assert (await sec.list(limit=999)).items == ()


# -- handles ---------------------------------------------------------------------------------


async def test_a_handle_shows_its_id(world: World) -> None:
    """It holds nothing else."""
    async with Sec(MemoryStore(), registry_of(world)) as sec:
        assert repr(sec.handle(UUID(int=7))) == (
            "<Handle of saga 00000000-0000-0000-0000-000000000007>"
        )


async def test_a_result_that_there_is_not_says_why(stores: Stores, world: World) -> None:
    """Unwound, or stuck: with the outcome, and the first errors in the text."""
    names = [f"n{number}" for number in range(7)]
    gates = {name: world.hold(f"do {name}") for name in names}

    async def fail(ctx: Any) -> None:
        gate = gates[ctx.node_name]
        await gate(ctx)
        raise ActionFailed(f"no {ctx.node_name}")

    for name in names:
        world.on(f"do {name}", fail)
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(dag_of("a", names, "z"))
        await handle.start()
        for gate in gates.values():
            await gate.entered.wait()
            gate.open()
        with pytest.raises(SagaUnwound, match=r'node "n0": no n0; .*; and 2 more') as caught:
            await handle.result()
        assert isinstance(caught.value.outcome, Unwound)
        assert caught.value.saga_id == handle.id

        world.fail("do z", ActionFailed("no"))
        world.fail("undo b", UndoFailed("cannot"))
        stuck = await sec.create(dag_of("a", "b", "z"))
        await stuck.start()
        with pytest.raises(
            SagaStuck, match=r'stuck \(undo_failed\): node "z": no; undo of node "b": cannot'
        ) as told:
            await stuck.result()
        assert isinstance(told.value.outcome, Stuck)


async def test_a_saga_that_a_person_ended_says_so(world: World) -> None:
    """Nothing runs any more."""
    memory = MemoryStore()
    async with Sec(memory, registry_of(world)) as sec:
        handle = await sec.create(LINE)
        await memory.append(
            Append(
                handle.id, sec._opened().driving.epoch, 1,
                encode_record([Finished(FinalState.ABANDONED)], time_ms=0, epoch=sec._opened().driving.epoch),
                1, Summary(SagaStatus.ABANDONED, Direction.FORWARD), 0,
            )
        )  # fmt: skip
        with pytest.raises(SagaAbandoned):
            await handle.result()
        assert isinstance(await handle.wait(), Abandoned)
        with pytest.raises(SagaStateError, match="it is abandoned"):
            await handle.start()


async def test_many_definitions_are_kept_apart(world: World) -> None:
    """More shapes than are kept in memory, and constants that differ in one shape."""
    async with Sec(MemoryStore(), registry_of(world)) as sec:
        handles = [
            await sec.create(dag_of(NodeFactory.constant(f"c{number % 300}", number), name="many"))
            for number in range(600)
        ]
        for handle in handles:
            await handle.start()
        for number, handle in enumerate(handles):
            assert await handle.result() == number
            assert (await handle.view()).nodes[0].output == number


async def test_damaged_constants_are_reported_as_damage(world: World) -> None:
    """With the saga, also when another one of its shape was read before."""
    memory = MemoryStore()
    async with Sec(memory, registry_of(world)) as sec:
        first = await sec.create(dag_of(NodeFactory.constant("c", 1)))
        second = await sec.create(dag_of(NodeFactory.constant("c", 2)))
        assert (await first.view()).state == "ready"
        object.__setattr__(memory._sagas[second.id.int], "constants", b"[1,2]")
        with pytest.raises(StoreCorrupt, match=f"saga {second.id}: .* has 2 constants, not 1"):
            await second.view()


def with_output(field: str, action: str, undoing: Undoing) -> Dag:
    node = Node(
        NodeKind.ACTION, "a", action=action, version="1", atomic=undoing is Undoing.KNOWN,
        undoing=undoing,
    )  # fmt: skip
    return Dag("s", (node,), (), OutputOf(0, (field,)))


async def test_an_output_without_the_field_that_the_saga_returns_fails_its_node(
    stores: Stores, world: World
) -> None:
    """Before the saga has succeeded with nothing to show: it is undone, or a person decides."""
    world.give("do a", {"x": 1})
    async with Sec(stores(), registry_of(world)) as sec:
        assert await sec.run(with_output("x", "typed", Undoing.ANY)) == 1
        typed = await sec.create(with_output("y", "typed", Undoing.ANY))
        await typed.start()
        outcome = await typed.wait()
        assert isinstance(outcome, Unwound)
        assert outcome.errors[0].message == 'the saga\'s output: the value has no field "y"'
        steno = await sec.create(with_output("y", "steno", Undoing.KNOWN))
        await steno.start()
        assert isinstance(await steno.wait(), Stuck)


# -- clients -----------------------------------------------------------------------------------


async def test_a_client_is_refused_what_a_coordinator_would_be(
    stores: Stores, world: World
) -> None:
    """Unknown nodes, counts out of bounds, and sagas that have started or ended."""
    async with Client(stores()) as client:
        handle = await client.create(LINE, labels={"k": "v"})
        with pytest.raises(NoSuchNode):
            await handle.inject_error("x")
        for counts in ((0, 1), (1, 1_001)):
            with pytest.raises(ValueError, match="it can run 1 to 1000 times"):
                await handle.inject_repeat("a", *counts)
        await handle.start()
    async with Sec(stores(), registry_of(world)) as sec:
        await sec.handle(handle.id).wait()
    async with Client(stores()) as client:
        again = client.handle(handle.id)
        with pytest.raises(SagaStateError, match="it is succeeded"):
            await again.start()
        with pytest.raises(SagaStateError, match="inject a fault"):
            await again.inject_error("a")
        assert await again.result() == "b"
        assert [each.id for each in (await client.list(labels={"k": "v"})).items] == [handle.id]
        assert await client.wait_for_change(timeout_seconds=0.001) >= 0


async def test_a_command_that_makes_no_sense_is_reported_and_left_behind(
    stores: Stores, world: World, facts: Facts
) -> None:
    """An unknown verb, arguments that are none, a node that is not there."""
    store = stores()
    await store.open()
    async with Client(store) as client:
        handle = await client.create(LINE)
        await store.open()
        odd = InboxCommand(UUID(int=1), handle.id, "inject_error", b"[]", 0)
        unknown = InboxCommand(
            UUID(int=2), handle.id, "dance", b'{"node":"a","action":1,"undo":1}', 0
        )
        nowhere = inject_command(handle.id, "inject_error", "nowhere", (1, 1))
        for command in (odd, unknown, nowhere):
            assert await store.send(command)
        await handle.start()
    async with Sec(stores(), registry_of(world), observers=[facts]) as sec:
        assert await sec.handle(handle.id).wait() == Succeeded("b")
        await facts.until_trouble(3)
        assert [type(error).__name__ for _, error in facts.troubles] == [
            "ValueError", "ValueError", "NoSuchNode"
        ]  # fmt: skip


async def test_only_the_sagas_that_were_asked_for_are_looked_after(
    stores: Stores, world: World
) -> None:
    """`only`: for a process that is there for a saga of its own."""
    async with Client(stores()) as client:
        mine = await client.create(LINE, start=True)
        other = await client.create(LINE, start=True)
        ready = await client.create(LINE)
        await ready.start()
    async with Sec(stores(), registry_of(world), only=[mine.id]) as sec:
        assert await sec.handle(mine.id).wait() == Succeeded("b")
        assert (await sec.get(other.id)).state in ("queued", "running")
        assert (await sec.get(ready.id)).state == "ready"
    async with Sec(stores(), registry_of(world)) as sec:
        assert await sec.handle(other.id).wait() == Succeeded("b")
        assert await sec.handle(ready.id).wait() == Succeeded("b")


async def test_actions_can_be_given_as_a_list(world: World) -> None:
    """Instead of a registry."""
    async with Sec(MemoryStore(), list(registry_of(world))) as sec:
        assert await sec.run(LINE) == "b"


async def test_a_stuck_saga_that_is_imported_is_told_to_be_stuck(world: World) -> None:
    """Who waits for a saga that cannot go on hears of it, whoever finds out."""
    memory = MemoryStore()
    action = PlainAction("lost", world.do, world.undo)
    saga = dag_of(NodeFactory.action("a", "", action), "b")
    async with Sec(memory, registry_of(world, action)) as sec:
        handle = await sec.create(saga)
        await handle.inject_error("b")
        await handle.inject_undo_error("a")
        await handle.start()
        await handle.wait()
        # As if its last coordinator had died before it said so.
        saga_row = memory._sagas[handle.id.int]
        saga_row.summary = Summary(SagaStatus.RUNNING, Direction.UNWINDING)
    async with Sec(memory, registry_of(world, action)) as sec:
        waiting = spawn(sec.handle(handle.id).wait())
        assert isinstance(await waiting, Stuck)
