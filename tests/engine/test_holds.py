"""Holds: sagas that stand still by name, by label, or all; through their logs, once each."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from sagacity import ActionFailed, Client, Handle, Sec, StoreCorrupt, StoreError, UndoFailed
from sagacity.core.events import EventKind
from sagacity.core.outcome import Stuck, Succeeded, Unwound
from sagacity.core.views import SagaView
from sagacity.engine.holds import MAX_HOLDS
from sagacity.ports.store import Order
from sagacity.stores.memory import MemoryStore
from sagacity.testing.faults import FaultyStore
from tests.engine.conftest import Stores
from tests.engine.world import Facts, World, dag_of, registry_of, spawn, turns

LINE = dag_of("a", "b", "c")
OTHER = dag_of("x", name="other")


@asynccontextmanager
async def coordinator(stores: Stores, world: World, **options: Any) -> AsyncGenerator[Sec]:
    async with Sec(stores(), registry_of(world), **options) as sec:
        yield sec


def decisions(view: SagaView) -> list[tuple[str, str, str]]:
    return [
        (event.data["verb"], event.data["by"], event.data["reason"])
        for event in view.events
        if event.kind is EventKind.DECIDED
    ]


async def begun(sec: Sec, dag: Any = LINE, **options: Any) -> Handle[Any]:
    handle = await sec.create(dag, **options)
    await handle.start()
    return handle


async def until_state(sec: Sec | Client, handle: Handle[Any], state: str) -> SagaView:
    while (view := await sec.get(handle.id)).state != state:
        await turns()
    return view


async def test_a_hold_by_name_pauses_what_runs_and_what_comes_and_nothing_else(
    stores: Stores, world: World
) -> None:
    """What is in flight finishes; each log has who and why; lifted, all go on."""
    gate = world.hold("do b")
    async with coordinator(stores, world) as sec:
        running = await begun(sec)
        await gate.entered.wait()
        hold = await sec.pause(name="s", reason="the bank is down", by="ann")
        assert (await sec.get(running.id)).state == "paused"
        later = await begun(sec)
        now = spawn(sec.run(LINE))
        assert await (await begun(sec, OTHER)).wait() == Succeeded("x")
        gate.open()
        await until_state(sec, later, "paused")
        assert await sec.holds() == (hold,)
        assert world.calls == ["do a", "do b", "do x"]
        (over,) = await sec.unpause(name="s", reason="it is up", by="bob")
        assert (over.id, over.lifted_by) == (hold.id, "bob")
        assert await running.wait() == await later.wait() == Succeeded("c")
        assert await now == "c"
        view = await running.view()
        assert await sec.holds() == ()
    assert decisions(view) == [
        ("pause", "ann", "the bank is down"), ("unpause", "bob", "it is up")
    ]  # fmt: skip


async def test_a_hold_by_labels_is_on_those_that_have_all_of_them(
    stores: Stores, world: World
) -> None:
    """Whatever else they have."""
    async with coordinator(stores, world) as sec:
        await sec.pause(labels={"team": "blue", "tier": "1"})
        held = await begun(sec, labels={"team": "blue", "tier": "1", "x": "y"})
        free = await begun(sec, labels={"team": "blue"})
        assert await free.wait() == Succeeded("c")
        assert (await held.view()).state == "paused"
        await sec.unpause(labels={"team": "blue", "tier": "1"})
        assert await held.wait() == Succeeded("c")


async def test_a_hold_that_is_placed_while_nobody_coordinates_is_obeyed_by_the_next(
    stores: Stores, world: World
) -> None:
    """Before the first attempt of anything."""
    async with Client(stores()) as client:
        waiting = await client.create(LINE, start=True)
        await client.pause(everything=True, by="ann")
    async with coordinator(stores, world) as sec:
        await until_state(sec, waiting, "paused")
        new = await begun(sec)
        assert (await sec.get(new.id)).state == "paused"
    assert world.calls == []
    async with Client(stores()) as client:
        assert len(await client.unpause(everything=True)) == 1
    async with coordinator(stores, world) as sec:
        assert await sec.handle(waiting.id).wait() == Succeeded("c")
        assert await sec.handle(new.id).wait() == Succeeded("c")
        while await sec._store.orders("hold"):
            await turns()


async def test_a_client_reaches_a_live_coordinator(stores: Stores, world: World) -> None:
    """Of another process: it sees the change of the store."""
    gate = world.hold("do b")
    async with coordinator(stores, world) as sec, AsyncExitStack() as stack:
        handle = await begun(sec)
        await gate.entered.wait()
        client = Client(stores())
        if not isinstance(sec._store, MemoryStore):  # that is open already, and must stay so
            await stack.enter_async_context(client)
        hold = await client.pause(everything=True)
        await until_state(sec, handle, "paused")
        await client.unpause(hold=hold.id)
        gate.open()
        assert await handle.wait() == Succeeded("c")


async def test_what_a_person_has_paused_stays_paused_when_the_hold_is_lifted(
    stores: Stores, world: World
) -> None:
    """Whether before the hold or under it."""
    async with coordinator(stores, world) as sec:
        gate = world.hold("do a")
        before, under, neither = [await begun(sec) for _ in range(3)]
        await gate.entered.wait()
        assert await before.pause() is True
        await sec.pause(name="s")
        assert await under.pause("mine") is True
        assert await under.pause("again") is False
        gate.open()
        await sec.unpause(name="s")
        assert await neither.wait() == Succeeded("c")
        assert (await before.view()).state == (await under.view()).state == "paused"
        for handle in (before, under):
            await handle.unpause()
            assert await handle.wait() == Succeeded("c")


@pytest.mark.parametrize("how", ["breakpoint", "step"])
async def test_what_has_stopped_for_a_person_stays_so_when_the_hold_is_lifted(
    stores: Stores, world: World, how: str
) -> None:
    """At a breakpoint, or between two steps, somebody looks at it."""
    async with coordinator(stores, world) as sec:
        await sec.pause(name="s")
        handle, other = await begun(sec), await begun(sec)
        if how == "breakpoint":
            await handle.set_breakpoint("a")
        else:
            await handle.step()
        await sec.unpause(name="s")
        assert await other.wait() == Succeeded("c")
        assert (await handle.view()).state == "paused"
        await handle.unpause()
        assert await handle.wait() == Succeeded("c")


async def test_a_saga_that_a_person_unpauses_goes_on_under_the_hold(
    stores: Stores, world: World
) -> None:
    """Once for each hold and saga; also after a restart."""
    gate = world.hold("do b")
    async with coordinator(stores, world) as sec:
        await sec.pause(name="s")
        handle = await begun(sec)
        assert await handle.unpause() is True
        await gate.entered.wait()
        await sec.drain(0)
    async with coordinator(stores, world) as sec:
        gate.open()
        assert await sec.handle(handle.id).wait() == Succeeded("c")
        assert len(await sec.holds()) == 1


async def test_a_saga_goes_on_when_the_last_hold_on_it_is_lifted(
    stores: Stores, world: World
) -> None:
    """Whichever of them has paused it."""
    async with coordinator(stores, world) as sec:
        first = await sec.pause(name="s")
        handle = await begun(sec, labels={"team": "blue"})
        second = await sec.pause(labels={"team": "blue"})
        await sec.unpause(hold=first.id)
        assert (await handle.view()).state == "paused"
        third = await sec.pause(everything=True)
        await sec.unpause(hold=third.id)
        assert (await handle.view()).state == "paused"
        await sec.unpause(hold=second.id)
        assert await handle.wait() == Succeeded("c")


async def test_a_hold_that_was_lifted_is_finished_by_whoever_coordinates_next(
    stores: Stores, world: World
) -> None:
    """What was not carried out of it is kept."""
    async with coordinator(stores, world) as sec:
        hold = await sec.pause(name="s")
        handles = [await begun(sec) for _ in range(3)]
    async with Client(stores()) as client:
        await client.unpause(hold=hold.id, by="bob")
        assert await client.holds() == ()
        assert await client.unpause(hold=hold.id) == ()
    async with coordinator(stores, world) as sec:
        for handle in handles:
            assert await sec.handle(handle.id).wait() == Succeeded("c")
        assert decisions(await sec.get(handles[0].id))[1][:2] == ("unpause", "bob")


async def test_a_coordinator_of_one_saga_obeys_for_that_one_alone(
    stores: Stores, world: World
) -> None:
    """The others are the next one's, and so is the end of the hold."""
    async with coordinator(stores, world) as sec:
        hold = await sec.pause(name="s")
        mine, other = await begun(sec), await begun(sec)
    async with Client(stores()) as client:
        await client.unpause(hold=hold.id)
    async with coordinator(stores, world, only=[mine.id]) as sec:
        assert await sec.handle(mine.id).wait() == Succeeded("c")
        assert (await sec.get(other.id)).state == "paused"
    async with coordinator(stores, world) as sec:
        assert await sec.handle(other.id).wait() == Succeeded("c")


async def test_what_fails_to_be_asked_is_asked_again(store: MemoryStore, world: World) -> None:
    """With the next sweep; until then the lifted hold is kept."""
    facts = Facts()
    faulty = FaultyStore(store)
    async with Sec(faulty, registry_of(world), observers=[facts]) as sec:
        hold = await sec.pause(name="s")
        handle = await begun(sec)
        faulty.fail("read", saga_id=handle.id)
        await sec.unpause(hold=hold.id)
        await facts.until_trouble()
        assert await handle.wait() == Succeeded("c")


async def test_the_same_request_is_one_hold(stores: Stores, world: World) -> None:
    """And it is what was asked first."""
    async with coordinator(stores, world) as sec:
        first = await sec.pause(name="s", request_id=UUID(int=7))
        again = await sec.pause(name="s", request_id=UUID(int=7), reason="other")
        assert first == again
        assert len(await sec.holds()) == 1


async def test_holds_are_bounded_and_checked(store: MemoryStore) -> None:
    """What is refused says why, and nothing is kept."""
    async with Client(store) as client:
        wrongs: list[dict[str, Any]] = [
            {}, {"name": "s", "everything": True}, {"name": "x" * 300}
        ]  # fmt: skip
        for wrong in wrongs:
            with pytest.raises(ValueError, match=r"say which|not both|at most 256"):
                await client.pause(**wrong)
        with pytest.raises(ValueError, match="not both"):
            await client.unpause(hold=UUID(int=1), name="s")
        assert await client.unpause(name="s") == ()
        for number in range(MAX_HOLDS):
            await client.pause(name=f"s{number}")
        with pytest.raises(StoreError, match=f"{MAX_HOLDS} holds are in force"):
            await client.pause(name="one more")
        await client.unpause(name="s0")
        await client.pause(name="one more")


async def test_a_damaged_hold_is_named(store: MemoryStore) -> None:
    """Whoever drives sagas must not guess what stands still."""
    async with Client(store) as client:
        for number, document in enumerate((b"{", b"[]", b'{"name":1}')):
            await store.keep_order(Order(UUID(int=number), "hold", 1, document))
            with pytest.raises(StoreCorrupt, match=f"hold {UUID(int=number)} is damaged"):
                await client.holds()
            await store.drop_order(UUID(int=number))


async def test_a_stuck_saga_that_is_retried_under_a_hold_waits(
    stores: Stores, world: World
) -> None:
    """The retry is in its log; it runs when the hold is lifted."""
    world.fail("do c", ActionFailed("no"))
    world.fail("undo b", UndoFailed("never"))
    async with coordinator(stores, world) as sec:
        handle = await begun(sec)
        assert isinstance(await handle.wait(), Stuck)
        hold = await sec.pause(name="s")
        world.give("undo b", None)
        calls = list(world.calls)
        assert await handle.retry() is True
        assert (await handle.view()).state == "paused"
        assert world.calls == calls
        await sec.unpause(hold=hold.id)
        assert isinstance(await handle.wait(), Unwound)


async def test_a_hold_that_is_in_force_is_not_placed_again(stores: Stores, world: World) -> None:
    """Unless a request with an id of its own asks for it."""
    async with coordinator(stores, world) as sec:
        first = await sec.pause(name="s", reason="the bank is down")
        assert await sec.pause(name="s", reason="still down") == first
        assert await sec.pause(name="other") != first
        await sec.pause(name="s", request_id=UUID(int=5))
        assert len(await sec.holds()) == 3
