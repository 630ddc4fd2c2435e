"""One decision about many sagas: in batches, counted, and taken up where it was."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from sagacity import ActionFailed, Bulk, Client, Sec, StoreCorrupt, StoreError, UndoFailed
from sagacity.core.outcome import Stuck, Unwound
from sagacity.engine.bulk import BATCH, MAX_KEPT, MAX_REASONS, OTHER, _counted
from sagacity.ports.store import Order
from sagacity.stores.memory import MemoryStore
from sagacity.testing.faults import FaultyStore
from tests.engine.conftest import Stores
from tests.engine.world import World, dag_of, registry_of, spawn

LINE = dag_of("a", "b", "c")


async def make_stuck(sec: Sec, world: World, count: int, **options: Any) -> list[UUID]:
    world.fail("do c", ActionFailed("no"))
    world.fail("undo b", UndoFailed("never"))
    handles = [await sec.create(LINE, **options) for _ in range(count)]
    for handle in handles:
        await handle.start()
    for handle in handles:
        assert isinstance(await handle.wait(), Stuck)
    return [handle.id for handle in handles]


def counts(bulk: Bulk) -> tuple[int, int, int, int]:
    return bulk.done, bulk.no_op, bulk.refused, bulk.failed


async def test_all_that_match_are_decided_about_and_counted(stores: Stores, world: World) -> None:
    """By state, name and labels; a refusal is counted with its reason and stops nothing."""
    async with Sec(stores(), registry_of(world)) as sec:
        mine = await make_stuck(sec, world, 3, labels={"team": "blue"})
        (other,) = await make_stuck(sec, world, 1)
        ready = await sec.create(LINE, labels={"team": "blue"})
        world.give("undo b", None)
        told: list[Bulk] = []
        bulk = await sec.bulk("retry", labels={"team": "blue"}, by="ann", tell=told.append)
        assert (counts(bulk), bulk.finished) == ((3, 0, 1, 0), True)
        assert bulk.reasons == {"it was not started; it can be started or abandoned": 1}
        assert told[-1] == bulk
        assert await sec.bulks() == (bulk,)
        for saga_id in mine:
            assert isinstance(await sec.handle(saga_id).wait(), Unwound)
        assert (await sec.get(other)).state == "stuck"
        assert (await ready.view()).state == "ready"


async def test_without_a_coordinator_it_is_carried_out_all_the_same(
    stores: Stores, world: World
) -> None:
    """More than a batch, and what is younger than was said is left alone."""
    async with Client(stores()) as client:
        count = BATCH + 3
        for _ in range(count):
            await client.create(LINE)
        young = await client.bulk("abandon", name="s", older_than=3_600)
        assert counts(young) == (0, 0, 0, 0)
        bulk = await client.bulk("abandon", states=["ready"], reason="old")
        assert (counts(bulk), bulk.finished) == ((count, 0, 0, 0), True)
        assert len((await client.list(state="abandoned", limit=500)).items) == count


async def test_one_that_was_killed_is_taken_up_and_no_saga_is_counted_twice(
    store: MemoryStore, world: World
) -> None:
    """Whether it died before a batch was asked for, or before that was written down."""
    faulty = FaultyStore(store)
    async with Client(faulty) as client:
        for _ in range(BATCH + 5):
            await client.create(LINE)
        faulty.fail("append", skip=7)
        with pytest.raises(StoreError):
            await client.bulk("abandon", name="s", id=UUID(int=7))
        (begun,) = await client.bulks()
        assert (begun.finished, len(begun.batch)) == (False, BATCH)
        faulty.fail("keep_order")
        with pytest.raises(StoreError):
            await client.resume_bulk(UUID(int=7))
        bulk = await client.resume_bulk(UUID(int=7))
        assert (counts(bulk), bulk.finished) == ((BATCH + 5, 0, 0, 0), True)
        assert await client.resume_bulk(UUID(int=7)) == bulk


async def test_two_processes_do_not_carry_out_one_bulk(store: MemoryStore) -> None:
    """The one that comes second ends with an error, and harms nothing."""
    async with Client(store) as client:
        for _ in range(2 * BATCH):
            await client.create(LINE)
        faulty = FaultyStore(store)
        hold = faulty.hold("keep_order", skip=1)
        running = spawn(Client(faulty).bulk("abandon", name="s", id=UUID(int=7)))
        await hold.entered.wait()
        (order,) = await store.orders("bulk")
        await store.keep_order(Order(order.id, "bulk", order.version + 1, order.document))
        hold.release()
        with pytest.raises(StoreError, match="carried out by another process"):
            await running


async def test_a_node_that_is_not_there_is_a_refusal(stores: Stores, world: World) -> None:
    """Sagas of other shapes are left as they are."""
    async with Sec(stores(), registry_of(world)) as sec:
        await make_stuck(sec, world, 1)
        bulk = await sec.bulk("skip", "nowhere", states=["stuck"])
        assert counts(bulk) == (0, 0, 1, 0)
        skipped = await sec.bulk("skip", "b", states=["stuck"])
        assert counts(skipped) == (1, 0, 0, 0)


async def test_what_does_not_say_which_sagas_is_refused(store: MemoryStore) -> None:
    """So are verbs, states and ids that are not there."""
    async with Client(store) as client:
        with pytest.raises(ValueError, match="say which sagas"):
            await client.bulk("abort")
        with pytest.raises(ValueError, match="nothing that can be decided"):
            await client.bulk("explode", everything=True)
        with pytest.raises(ValueError, match="one saga at a time"):
            await client.bulk("step", everything=True)
        with pytest.raises(ValueError, match="fine"):
            await client.bulk("abort", states=["fine"])
        with pytest.raises(ValueError, match="there is no bulk"):
            await client.resume_bulk(UUID(int=1))
        await client.bulk("abort", everything=True, id=UUID(int=1))
        with pytest.raises(StoreError):
            await client.bulk("abort", everything=True, id=UUID(int=1))
        await store.keep_order(Order(UUID(int=2), "bulk", 1, b"{}"))
        with pytest.raises(StoreCorrupt, match="is damaged"):
            await client.bulks()


async def test_the_oldest_that_ended_are_forgotten(store: MemoryStore) -> None:
    """And reasons are counted together when there are too many."""
    async with Client(store) as client:
        for number in range(MAX_KEPT + 2):
            await client.bulk("abort", name="s", id=UUID(int=number))
        kept = await client.bulks()
        assert (len(kept), kept[0].id) == (MAX_KEPT, UUID(int=2))
        told = [("refused", f"reason {number}") for number in range(MAX_REASONS + 5)]
        assert _counted(kept[0], told).reasons[OTHER] == 5


async def test_a_decision_waits_for_a_start_that_was_sent_before_it(
    stores: Stores, world: World
) -> None:
    """Without a coordinator it is carried out together with the start."""
    async with Client(stores()) as client:
        handle = await client.create(LINE)
        await handle.start()
        assert await handle.abort("wrong order") is True
        assert (await handle.view()).direction == "unwinding"
    async with Sec(stores(), registry_of(world)) as sec:
        assert isinstance(await sec.handle(handle.id).wait(), Unwound)
    assert world.calls == []
