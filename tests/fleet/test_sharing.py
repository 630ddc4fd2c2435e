"""Coordinators of one database: who has which saga, what a lost lease means, and who is asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import UUID

import pytest

from sagacity import Sec, Succeeded
from sagacity.core.events import EventKind
from sagacity.errors import NotOwner
from sagacity.ports.store import SagaHead, SagaQuery, SagaStatus
from tests.engine.world import Facts, World, dag_of, registry_of, spawn, turns
from tests.fleet.fleet import Fleet, until, until_state

LINE = dag_of("a", "b", "c")
ONE = dag_of("a")


def owner_of(sec: Sec) -> str:
    return sec._opened().driving.owner


def number(at: int) -> UUID:
    return UUID(int=at + 1)


# -- what is queued --------------------------------------------------------------------------


async def test_coordinators_share_what_is_queued(fleet: Fleet, world: World) -> None:
    """One with few places takes few, and leaves the rest to whoever has room."""
    gate = world.hold("do a")
    async with (
        Sec(fleet.store(), registry_of(world), max_sagas=4) as one,
        Sec(fleet.store(), registry_of(world), max_sagas=4) as other,
        fleet.client() as client,
    ):
        owners = {owner_of(one), owner_of(other)}
        handles = [await client.create(ONE, id=number(at), start=True) for at in range(12)]
        running: list[SagaHead] = []
        seen = 0
        while len(running) < 8:
            seen = await client._store.wait_for_change(seen, 0.2)
            running = [*await client._store.list(SagaQuery(SagaStatus.RUNNING))]
        assert Counter(head.owner for head in running) == dict.fromkeys(owners, 4)
        gate.open()
        for handle in handles:
            assert await handle.wait() == Succeeded("a")
    assert world.calls == ["do a"] * 12


async def test_the_more_urgent_comes_first_and_the_old_is_not_starved(
    fleet: Fleet, world: World
) -> None:
    """A point of priority is a minute of age: one of yesterday comes before all of them."""
    order: list[int] = []

    async def note(ctx: object) -> None:
        order.append(ctx.saga_id.int)  # type: ignore[attr-defined]

    async with fleet.client() as client:
        plain = [await client.create(ONE, id=number(at), start=True) for at in range(3)]
        urgent = await client.create(ONE, id=number(3), priority=100, start=True)
        lazy = await client.create(ONE, id=number(4), priority=-100, start=True)
        old = await client.create(ONE, id=number(5), start=True)
        day_ms = 24 * 3_600_000
        for table, column in (("saga", "id"), ("head", "saga")):
            moment = "created_ms" if table == "saga" else "rank_ms"
            assert fleet.run_sql(
                f"UPDATE sagacity.{table} SET {moment} = {moment} - %s WHERE {column} = %s",
                day_ms, old.id,
            )  # fmt: skip
        world.on("do a", note)
        async with Sec(fleet.store(), registry_of(world), max_sagas=1):
            for handle in (*plain, urgent, lazy, old):
                await handle.wait()
    assert order[:2] == [old.id.int, urgent.id.int]
    assert order[-1] == lazy.id.int


# -- a lease that is lost ---------------------------------------------------------------------


@pytest.mark.parametrize("how", ["end_lease", "retire"])
async def test_a_lost_lease_stops_its_sagas_and_the_coordinator_goes_on(
    fleet: Fleet, world: World, facts: Facts, how: str
) -> None:
    """Nothing is recorded by the old one or undone; it is born again, and who waits is told."""
    gate = world.hold("do b")
    async with (
        Sec(fleet.store(lease=2), registry_of(world), observers=[facts]) as sec,
        fleet.client() as client,
    ):
        before = owner_of(sec)
        running = spawn(sec.run(LINE, id=number(1)))
        handle = await sec.create(LINE, id=number(2))
        await handle.start()
        waiting = spawn(handle.wait())
        await gate.entered.wait()
        getattr(fleet, how)(before)
        if how == "end_lease":  # nobody takes it for dead before somebody looks
            fleet.run_sql("DELETE FROM sagacity.coordinator WHERE owner = %s", before)
        await facts.until_trouble()
        await until(client, number(1), lambda head: head.owner not in ("", before))
        gate.open()
        assert await running == "c"
        assert await waiting == Succeeded("c")
        assert owner_of(sec) != before
        log = (await client.get(number(1))).events
        late = [each for each in log if each.owner == before and each.sequence > 5]
        assert late == []
        assert await sec.run(ONE) == "a"
    assert isinstance(facts.troubles[0][1], NotOwner)
    assert not any(call.startswith("undo") for call in world.calls)


async def test_what_a_dead_coordinator_had_goes_on_with_a_higher_epoch(
    fleet: Fleet, world: World, facts: Facts
) -> None:
    """The other one adopts it; what the dead one still wants to say is refused."""
    gate = world.hold("do b")
    async with (
        fleet.client() as client,
        Sec(fleet.store(), registry_of(world), observers=[facts]) as dying,
    ):
        handle = await dying.create(LINE, id=number(1))
        await handle.start()
        await gate.entered.wait()
        before = (await client._store.read(handle.id)).head
        fleet.retire(before.owner)
        second = World()
        again = second.hold("do b")
        async with Sec(fleet.store(), registry_of(second)):
            await again.entered.wait()
            gate.open()  # the dead one is a zombie: it does not know yet
            await facts.until_trouble()
            again.open()
            assert await client.handle(handle.id).wait() == Succeeded("c")
            after = (await client._store.read(handle.id)).head
        assert after.epoch > before.epoch
        assert after.owner != before.owner
        assert second.calls == ["do b", "do c"]
        log = (await client.get(handle.id)).events
        epochs = [each.epoch for each in log]
        assert epochs == sorted(epochs)
    assert world.calls[:2] == ["do a", "do b"]


# -- who is asked -------------------------------------------------------------------------------


@pytest.mark.parametrize("asker", ["client", "coordinator"])
async def test_what_is_asked_of_a_saga_elsewhere_is_done_where_it_runs(
    fleet: Fleet, world: World, asker: str
) -> None:
    """Pause, unpause and abort, by a client and by another coordinator."""
    gate = world.hold("do b")
    async with (
        Sec(fleet.store(), registry_of(world)) as driving,
        Sec(fleet.store(), registry_of(World()), max_sagas=1) as other,
        fleet.client() as client,
    ):
        handle = await driving.create(LINE, id=number(1))
        await handle.start()
        await gate.entered.wait()
        owner = (await client._store.read(handle.id)).head.owner
        assert owner == owner_of(driving)
        asking = (client if asker == "client" else other).handle(handle.id)
        await asking.pause(reason="look")
        await asking.abort()
        await asking.unpause()
        gate.open()
        assert type(await asking.wait()).__name__ == "Unwound"
        log = (await client.get(handle.id)).events
        decided = [each for each in log if each.kind is EventKind.DECIDED]
        assert [each.owner for each in decided] == [owner] * 3
    assert world.calls == ["do a", "do b", "undo b", "undo a"]


@pytest.mark.parametrize("asker", ["client", "coordinator"])
async def test_a_hold_stops_sagas_of_all_coordinators(
    fleet: Fleet, world: World, asker: str
) -> None:
    """Each obeys for those that it drives; lifted by one, all go on."""
    gate = world.hold("do a")
    async with (
        Sec(fleet.store(), registry_of(world)) as one,
        Sec(fleet.store(), registry_of(world)) as other,
        fleet.client() as client,
    ):
        handles = [await sec.create(LINE) for sec in (one, other)]
        for handle in handles:
            await handle.start()
        for handle in handles:
            await until_state(client, handle.id, "running")
        asking = client if asker == "client" else one
        await asking.pause(name="s", reason="look")
        for handle in handles:
            await until_state(client, handle.id, "paused")
        gate.open()
        await turns()
        assert set(world.calls) == {"do a"}
        await asking.unpause(name="s")
        for handle in handles:
            assert await handle.wait() == Succeeded("c")
        assert await client.holds() == ()


async def test_a_bulk_reaches_sagas_wherever_they_run(fleet: Fleet, world: World) -> None:
    """Asked of one coordinator, about its own, about another one's, and about nobody's."""
    gate = world.hold("do a")
    async with (
        Sec(fleet.store(), registry_of(world), max_sagas=2, max_queued=1) as one,
        Sec(fleet.store(), registry_of(world), max_sagas=2, max_queued=1) as other,
        fleet.client() as client,
    ):
        handles = [await client.create(LINE, id=number(at), start=True) for at in range(12)]
        owners: set[str] = set()
        seen = 0
        while not owners >= {owner_of(one), owner_of(other)}:
            seen = await client._store.wait_for_change(seen, 0.2)
            owners = {head.owner for head in await client._store.list(SagaQuery())}
        await gate.entered.wait()
        bulk = await one.bulk("abort", name="s")
        assert (bulk.done, bulk.failed) == (12, 0)
        gate.open()
        for handle in handles:
            await handle.wait()


# -- who waits -----------------------------------------------------------------------------------


async def test_who_waits_elsewhere_is_told(fleet: Fleet, world: World) -> None:
    """By the database, at once: long before anybody would have looked again."""
    gate = world.hold("do a")
    async with (
        Sec(fleet.store(), registry_of(world)) as sec,
        Sec(fleet.store(), registry_of(World())) as other,
        fleet.client() as client,
    ):
        handle = await sec.create(ONE)
        await handle.start()
        waiting = [spawn(each.handle(handle.id).wait()) for each in (client, other)]
        await gate.entered.wait()
        gate.open()
        assert await asyncio.gather(*waiting) == [Succeeded("a")] * 2
