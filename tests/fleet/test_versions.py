"""Mixed fleets: a coordinator claims only what its code can run, and nothing is forgotten."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from sagacity import Client, Sec, Succeeded
from sagacity.cli import unfinished
from sagacity.cli.loading import Code
from sagacity.core.actions import ActionFunc, ActionRegistry
from sagacity.core.builder import DagBuilder, NodeFactory
from sagacity.core.dag import Dag
from sagacity.core.events import EventKind
from sagacity.engine.parking import Parking
from sagacity.ports.store import MAX_UNFIT, SagaHead
from sagacity.stores.memory import MemoryStore
from tests.engine.world import Facts, World, dag_of, registry_of
from tests.fleet.fleet import Fleet, until

COUNT = 30


def action_of(world: World, version: str) -> ActionFunc:
    async def do(ctx: Any) -> str:
        world.calls.append(f"{ctx.saga_id.int} {version}")
        return version

    return ActionFunc("charge", do, version=version)


def code(world: World, version: str) -> ActionRegistry:
    registry = ActionRegistry()
    registry.register(action_of(world, version))
    return registry


def pay(version: str) -> Dag:
    builder = DagBuilder("pay")
    builder.append(NodeFactory.action("charge", "", action_of(World(), version)))
    return builder.build()


def is_left_waiting(head: SagaHead) -> bool:
    return head.state == "waiting for code" and not head.owner


def number(at: int) -> UUID:
    return UUID(int=at + 1)


@pytest.mark.parametrize("first", ["1", "2"])
async def test_each_version_is_run_by_its_own_code(fleet: Fleet, world: World, first: str) -> None:
    """Both coordinators are there from the beginning; sagas of both versions come mixed."""
    second = "2" if first == "1" else "1"
    async with (
        Sec(fleet.store(), code(world, first)),
        Sec(fleet.store(), code(world, second)),
        fleet.client() as client,
    ):
        handles = [
            await client.create(pay(str(at % 2 + 1)), id=number(at), start=True)
            for at in range(COUNT)
        ]
        for at, handle in enumerate(handles):
            assert await handle.wait() == Succeeded(str(at % 2 + 1))
    assert sorted(world.calls) == sorted(f"{at + 1} {at % 2 + 1}" for at in range(COUNT))


async def test_what_no_coordinator_can_run_waits_for_code(fleet: Fleet, world: World) -> None:
    """Within seconds, all of it; `why` names the action and its version."""
    async with Sec(fleet.store(), code(world, "2")), fleet.client() as client:
        for at in range(COUNT):
            await client.create(pay("1"), id=number(at), start=True)
        for at in range(COUNT):
            await until(client, number(at), is_left_waiting)
        why = await client.why(number(0))
        assert any(
            'action "charge" is here in version 2, the saga needs version 1' in cause.text
            for cause in why.causes
        )
    assert world.calls == []


async def test_code_that_comes_later_runs_what_waits(fleet: Fleet, world: World) -> None:
    """Beside a coordinator that still has not got it, and never touches it again."""
    async with Sec(fleet.store(), code(world, "2")), fleet.client() as client:
        handle = await client.create(pay("1"), id=number(1), start=True)
        marked = await until(client, number(1), is_left_waiting)
        facts = Facts()
        async with Sec(fleet.store(), code(world, "1"), observers=[facts]):
            assert await handle.wait() == Succeeded("1")
        assert facts.kinds()[0][0] is EventKind.ADOPTED
        assert (await client._store.read(number(1))).head.sequence == marked.sequence + 4


async def test_who_lacks_the_code_leaves_no_trace_where_others_have_it(
    fleet: Fleet, world: World
) -> None:
    """It claims for a moment at most, and writes nothing into the log."""
    async with (
        Sec(fleet.store(), code(world, "2")) as lacking,
        Sec(fleet.store(), code(world, "1")),
        fleet.client() as client,
    ):
        lacks = lacking._opened().driving.owner
        handles = [await client.create(pay("1"), id=number(at), start=True) for at in range(COUNT)]
        for handle in handles:
            await handle.wait()
            log = (await handle.view()).events
            assert all(event.owner != lacks for event in log)


async def test_a_start_that_lands_where_the_code_is_not_is_passed_on(
    fleet: Fleet, world: World
) -> None:
    """Whoever takes the command from the inbox, the saga runs where its code is."""
    async with (
        Sec(fleet.store(), registry_of(world)),
        fleet.client() as client,
    ):
        handle = await client.create(pay("1"), id=number(1))
        await handle.start()
        async with Sec(fleet.store(), code(world, "1")):
            assert await handle.wait() == Succeeded("1")


async def test_what_is_passed_over_is_bounded() -> None:
    """The definition that was met longest ago is tried again; an adoption takes no more."""
    parking = Parking(MemoryStore(), "me")
    for at in range(MAX_UNFIT + 1):
        parking.note_unfit(str(at))
    parking.note_unfit("1")  # met again
    parking.note_unfit("last")
    assert len(parking.unfit) == MAX_UNFIT
    assert {"0", "2"}.isdisjoint(parking.unfit)
    assert {"1", "3", "last"} <= set(parking.unfit)


async def test_reasons_that_check_tells_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More are counted with the last one: no saga is left out."""
    monkeypatch.setattr(unfinished, "MAX_REASONS", 3)
    monkeypatch.setattr(unfinished, "MAX_JUDGED", 2)
    store = MemoryStore()
    async with Client(store) as client:
        for at in range(10):
            await client.create(dag_of("a", name=f"s{at}"), id=number(at))
        judge = unfinished.Judge(store, Code((), ActionRegistry()))
        found = await unfinished.by_reason(store, judge)
    assert [each.name for each in found] == ["s0", "s1", "s2"]
    assert [each.count for each in found] == [1, 1, 8]
