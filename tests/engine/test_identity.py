"""Ids: creating again gives what is there, however many try at once."""

import asyncio
from uuid import UUID

import pytest

from sagacity import (
    ActionFailed,
    Client,
    DagError,
    SagaExists,
    SagaUnwound,
    Sec,
    Succeeded,
    ValueNotStorable,
)
from sagacity.core.builder import NodeFactory
from sagacity.errors import CoordinatorClosed
from sagacity.stores.memory import MemoryStore
from sagacity.testing.faults import FaultyStore
from tests.engine.conftest import Stores
from tests.engine.world import World, dag_of, registry_of, spawn, turns

LINE = dag_of("a", "b")
ID = UUID(int=7)


async def test_creating_again_gives_the_saga_that_exists(stores: Stores, world: World) -> None:
    """In whatever state it is; nothing is changed, nothing runs again."""
    async with Sec(stores(), registry_of(world)) as sec:
        first = await sec.create(LINE, {"b": 1, "a": 2}, id=ID, labels={"k": "v"})
        again = await sec.create(LINE, {"a": 2, "b": 1}, id=ID)
        assert again.id == first.id == ID
        await again.start()
        assert await first.wait() == Succeeded("b")
        before = await first.view()
        done = await sec.create(LINE, {"a": 2, "b": 1}, id=ID)
        assert await done.wait() == Succeeded("b")
        assert await done.view() == before or (await done.view()).events == before.events
        assert before.labels == {"k": "v"}
    async with Sec(stores(), registry_of(world)) as sec:
        assert await (await sec.create(LINE, {"a": 2, "b": 1}, id=ID)).wait() == Succeeded("b")
    assert world.calls == ["do a", "do b"]


async def test_creating_again_with_another_definition_keeps_the_first(
    stores: Stores, world: World
) -> None:
    """Name and params say what a saga is; code may have changed since."""
    async with Sec(stores(), registry_of(world)) as sec:
        await sec.create(LINE, id=ID)
        handle = await sec.create(dag_of("x", "y", "z"), id=ID)
        await handle.start()
        assert await handle.wait() == Succeeded("b")
    assert world.calls == ["do a", "do b"]


@pytest.mark.parametrize("count", [2, 10])
async def test_creating_at_the_same_time_gives_one_saga(
    stores: Stores, world: World, count: int
) -> None:
    """All who try get it."""
    async with Sec(stores(), registry_of(world)) as sec:
        handles = await asyncio.gather(*[sec.create(LINE, id=ID) for _ in range(count)])
        assert {handle.id for handle in handles} == {ID}
        assert len((await sec.list()).items) == 1
        await handles[0].start()
        assert await handles[-1].wait() == Succeeded("b")


@pytest.mark.parametrize("max_sagas", [1, 1_000])
@pytest.mark.parametrize("count", [2, 10])
async def test_running_at_the_same_time_runs_it_once(
    stores: Stores, world: World, count: int, max_sagas: int
) -> None:
    """All who ask get the result; with a place free or not."""
    async with Sec(stores(), registry_of(world), max_sagas=max_sagas) as sec:
        results = await asyncio.gather(*[sec.run(LINE, id=ID) for _ in range(count)])
        assert results == ["b"] * count
        assert await sec.run(LINE, id=ID) == "b"
    assert world.calls == ["do a", "do b"]


async def test_running_what_was_created_starts_it(stores: Stores, world: World) -> None:
    """And waits for it."""
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(LINE, id=ID)
        waiting = spawn(handle.wait())
        await turns()
        assert await sec.run(LINE, id=ID) == "b"
        assert await waiting == Succeeded("b")


async def test_running_what_has_failed_says_so_again(stores: Stores, world: World) -> None:
    """It is not run anew."""
    world.fail("do b", ActionFailed("no"))
    async with Sec(stores(), registry_of(world)) as sec:
        for _ in range(2):
            with pytest.raises(SagaUnwound, match='node "b": no'):
                await sec.run(LINE, id=ID)
    assert world.calls == ["do a", "do b", "undo a"]


async def test_starting_and_running_at_the_same_time_runs_it_once(world: World) -> None:
    """Whoever comes first, nobody is harmed."""
    for slow in ("read", "append", "create"):
        store = FaultyStore(MemoryStore())
        world.calls.clear()
        async with Sec(store, registry_of(world)) as sec:
            handle = await sec.create(LINE, id=ID)
            hold = store.hold(slow)
            starting = spawn(handle.start())
            running = spawn(sec.run(LINE, id=ID))
            waiting = spawn(handle.wait())
            await turns()
            hold.release()
            await asyncio.gather(starting, return_exceptions=True)
            assert await running == "b"
            assert await waiting == Succeeded("b")
        assert world.calls == ["do a", "do b"]


async def test_who_waits_is_not_disturbed_by_who_creates(world: World) -> None:
    """A create that finds the saga there, or fails, is nothing to those who wait for it."""
    store = FaultyStore(MemoryStore())
    async with Sec(store, registry_of(world)) as sec:
        handle = await sec.create(LINE, {"n": 1}, id=ID)
        waiting = spawn(handle.wait())
        await turns()
        with pytest.raises(SagaExists):
            await sec.run(LINE, {"n": 2}, id=ID)
        with pytest.raises(SagaExists):
            await sec.run(dag_of("a", name="t"), {"n": 1}, id=ID)
        await turns()
        assert not waiting.done()
        await handle.start()
        assert await waiting == Succeeded("b")


async def test_ids_are_made_unless_given(stores: Stores, world: World) -> None:
    """Each another one, and later ones sort behind."""
    async with Sec(stores(), registry_of(world)) as sec:
        ids = [(await sec.create(LINE)).id for _ in range(20)]
        assert len(set(ids)) == 20
        assert {each.version for each in ids} == {7}
        assert [summary.id for summary in (await sec.list()).items] == sorted(ids)
        given = UUID(int=2**100)
        assert (await sec.create(LINE, id=given)).id == given


async def test_what_cannot_be_stored_or_run_is_refused_before_anything_is_stored(
    stores: Stores, world: World
) -> None:
    """Params, labels, actions that are not here, and things that are no saga."""
    unknown = dag_of(NodeFactory.action("a", "", "nobody's"))
    async with Sec(stores(), registry_of(world)) as sec:
        for call in (sec.create, sec.run):
            with pytest.raises(ValueNotStorable):
                await call(LINE, {1: 2})
            with pytest.raises(DagError, match='no action "nobody\'s" is registered'):
                await call(unknown)
            with pytest.raises(TypeError, match="is no saga"):
                await call("saga")  # type: ignore[call-overload]
            with pytest.raises(TypeError, match="65 labels are over the limit of 64"):
                await call(LINE, labels={str(number): "" for number in range(65)})
            with pytest.raises(TypeError, match="at most 256 characters"):
                await call(LINE, labels={"k": "v" * 257})
            with pytest.raises(TypeError, match="both must be strings"):
                await call(LINE, labels={"k": 1})  # type: ignore[dict-item]
            with pytest.raises(ValueNotStorable):
                await call(LINE, labels={"k": "\0"})
        assert (await sec.list()).items == ()
        handle = await sec.create(LINE, labels={"k" * 256: "v" * 256} | {
            str(number): "" for number in range(63)
        })  # fmt: skip
        assert len((await handle.view()).labels) == 64


async def test_a_coordinator_that_is_not_open_says_so(world: World) -> None:
    """Before it is entered as after it is left."""
    sec = Sec(MemoryStore(), registry_of(world))
    for ask in (sec.create(LINE), sec.run(LINE), sec.get(ID), sec.list(), sec.drain()):
        with pytest.raises(CoordinatorClosed, match="is not open"):
            await ask


async def test_a_client_finds_what_is_there(stores: Stores, world: World) -> None:
    """Creating again from another process, before or after it ran."""
    async with Client(stores()) as client:
        first = await client.create(LINE, {"n": 1}, id=ID)
        assert (await client.create(LINE, {"n": 1}, id=ID)).id == first.id
        with pytest.raises(SagaExists):
            await client.create(LINE, {"n": 2}, id=ID)
        await client.create(LINE, {"n": 1}, id=ID, start=True)
    async with Sec(stores(), registry_of(world)) as sec:
        assert await sec.handle(ID).wait() == Succeeded("b")
    assert world.calls == ["do a", "do b"]
