"""What becomes of those who asked something of a coordinator that lost its lease just then."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from sagacity import CoordinatorClosed, Observer, Sec, Succeeded
from sagacity.errors import StoreError
from sagacity.ports.observer import Notice
from sagacity.ports.store import Append, NewSaga, SagaHead
from sagacity.stores.postgres import PostgresStore
from tests.engine.world import Facts, World, dag_of, registry_of, spawn
from tests.fleet.fleet import Fleet, until

ONE = dag_of("a")
NUMBER = UUID(int=1)


class Reluctant(PostgresStore):
    """Lets some calls wait, and some fail, for as long as a test wants."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked = asyncio.Event()
        self.creates = asyncio.Event()
        self.appends = asyncio.Event()
        self.acquires = asyncio.Event()
        for each in (self.creates, self.appends, self.acquires):
            each.set()

    async def create(self, saga: NewSaga) -> SagaHead | None:
        await self._pass(self.creates)
        return await super().create(saga)

    async def append(self, append: Append) -> None:
        await self._pass(self.appends)
        await super().append(append)

    async def acquire(self, owner: str, *, wait: bool) -> int:
        if not self.acquires.is_set():
            self.asked.set()
            raise StoreError("the server is away")
        return await super().acquire(owner, wait=wait)

    async def _pass(self, gate: asyncio.Event) -> None:
        if not gate.is_set():
            self.asked.set()
            await gate.wait()


@pytest.fixture
def store(fleet: Fleet) -> Reluctant:
    return Reluctant(f"{fleet.url.partition('?')[0]}?lease=1")


class Let(Observer):
    """Notes what a coordinator lets go of."""

    def __init__(self) -> None:
        self.go: list[str] = []

    def released(self, notice: Notice) -> None:
        self.go.append(notice.detail)


async def lose_lease(fleet: Fleet, sec: Sec, facts: Facts) -> None:
    """Take the lease of a coordinator away, and wait until it knows."""
    fleet.retire(sec._opened().driving.owner)
    await facts.until(lambda: any("is lost" in str(error) for _, error in facts.troubles))


async def test_who_runs_a_saga_that_is_being_created_gets_its_result(
    fleet: Fleet, store: Reluctant, world: World, facts: Facts
) -> None:
    """Whether it was created or not: the next life of the coordinator finds out."""
    async with Sec(store, registry_of(world), observers=[facts]) as sec:
        store.creates.clear()
        running = spawn(sec.run(ONE))
        await store.asked.wait()
        await lose_lease(fleet, sec, facts)
        await sec._life.until_reborn()
        store.creates.set()
        assert await running == "a"


async def test_who_starts_a_saga_has_it_started(
    fleet: Fleet, store: Reluctant, world: World, facts: Facts
) -> None:
    """The start is handed to whoever has the saga next."""
    async with Sec(store, registry_of(world), observers=[facts]) as sec:
        handle = await sec.create(ONE)
        store.appends.clear()
        starting = spawn(handle.start())
        await store.asked.wait()
        await lose_lease(fleet, sec, facts)
        await sec._life.until_reborn()
        store.appends.set()
        await starting
        assert await handle.wait() == Succeeded("a")


async def test_a_saga_is_let_go_of_once(
    fleet: Fleet, store: Reluctant, world: World, facts: Facts
) -> None:
    """Observers are told that it was lost, and not that it was drained as well."""
    let, gate = Let(), world.hold("do a")
    async with Sec(store, registry_of(world), observers=[facts, let]) as sec:
        running = spawn(sec.run(ONE))
        await gate.entered.wait()
        await lose_lease(fleet, sec, facts)
        gate.open()
        await running
    assert let.go == ["lost"]


async def test_who_waits_is_told_when_it_closes_without_another_life(
    fleet: Fleet, store: Reluctant, world: World, facts: Facts
) -> None:
    """The server is away, so there is no lease to be had; nobody waits for it for ever."""
    gate = world.hold("do a")
    async with Sec(store, registry_of(world), observers=[facts]) as sec:
        handle = await sec.create(ONE)
        await handle.start()
        await gate.entered.wait()
        waiting = spawn(handle.wait())
        store.acquires.clear()
        await lose_lease(fleet, sec, facts)
        await store.asked.wait()
        asking = spawn(sec.create(ONE))
    for each in (waiting, asking):
        with pytest.raises(CoordinatorClosed):
            await each


async def test_a_coordinator_that_closes_is_not_born_again(
    fleet: Fleet, store: Reluctant, world: World, facts: Facts
) -> None:
    """It closes while something of its last life still lingers, and begins nothing meanwhile."""
    gate = world.hold("do a")
    async with Sec(store, registry_of(world), observers=[facts]) as sec:
        running = spawn(sec.run(ONE))
        await gate.entered.wait()
        store.acquires.clear()
        await lose_lease(fleet, sec, facts)
        await store.asked.wait()
        last = sec._opened()
        draining = spawn(sec.drain())
        await asyncio.sleep(0)
        store.acquires.set()
        await draining
        assert sec._opened() is last
        with pytest.raises(CoordinatorClosed):
            await sec.create(ONE)
    with pytest.raises(CoordinatorClosed):
        await running
    await store.open()
    assert await store.coordinators() == []
    await store.close()


async def test_who_runs_a_saga_that_is_adopted_just_then_has_it_driven(
    fleet: Fleet, store: Reluctant, world: World
) -> None:
    """Creating it finds that it is there, and the adoption had left it to who creates it."""
    async with Sec(store, registry_of(world)) as sec, fleet.client() as client:
        store.creates.clear()
        running = spawn(sec.run(ONE, id=NUMBER))
        await store.asked.wait()
        await client.create(ONE, id=NUMBER, start=True)
        me = sec._opened().driving.owner
        await until(client, NUMBER, lambda head: head.owner == me)
        store.creates.set()
        assert await running == "a"
