"""Which sagas may be in memory: limits on names and keys, the line, sleep, and waiting to start."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

import pytest

from sagacity import (
    ActionFailed,
    Context,
    CoordinatorClosed,
    Limit,
    Retry,
    SagaUnwound,
    Sec,
    Succeeded,
    Unwound,
    action,
    saga,
)
from sagacity.core.events import EventKind
from sagacity.core.limits import KeyedLimit, key_of
from sagacity.engine.client import Client
from sagacity.engine.places import Entrant, Places
from sagacity.stores.memory import MemoryStore
from sagacity.testing import ManualClock
from tests.engine.conftest import Stores
from tests.engine.world import Facts, PlainAction, World, dag_of, node, registry_of, spawn, turns

LINE = dag_of("a", "b")
OTHER = dag_of("c", name="other")
LATER = Retry(attempts=3, backoff=60, jitter=0)


@dataclass
class Customer:
    id: int


@dataclass
class Order:
    customer: Customer
    amount: int = 1


async def states_of(sec: Sec, ids: list[UUID]) -> list[str]:
    return [(await sec.get(each)).state for each in ids]


# -- a name, and a key -----------------------------------------------------------------------


async def test_no_more_sagas_of_a_name_run_at_once_than_it_may_have(world: World) -> None:
    """The rest is queued, and sagas of other names go on."""
    gate = world.hold("do a")
    async with Sec(MemoryStore(), registry_of(world), limits={"s": 2}) as sec:
        handles = [await sec.create(LINE) for _ in range(5)]
        for handle in handles:
            await handle.start()
        await turns()
        assert world.calls == ["do a"] * 2
        ids = [handle.id for handle in handles]
        assert await states_of(sec, ids) == ["running", "running", *["queued"] * 3]
        assert 'another "s" to end: limit=2' in (await handles[2].view()).waits_for
        assert await sec.run(OTHER) == "c"
        gate.open()
        for handle in handles:
            assert await handle.wait() == Succeeded("b")


async def test_a_limit_with_a_key_counts_for_each_value_of_it(stores: Stores) -> None:
    """One order of a customer at once; customers do not wait for each other."""
    running: dict[int, int] = {}
    most: dict[int, int] = {}
    opened, all_entered = asyncio.Event(), asyncio.Event()

    @action(no_undo="harmless")
    async def charge(ctx: Context, customer: Customer) -> int:
        running[customer.id] = running.get(customer.id, 0) + 1
        if len(running) == 3:
            all_entered.set()
        most[customer.id] = max(most.get(customer.id, 0), running[customer.id])
        await opened.wait()
        running[customer.id] -= 1
        return customer.id

    @saga(limit=1, limit_key="customer.id")
    def order(order: Order) -> int:
        return charge.node(order.customer)

    async with Sec(stores(), [order]) as sec:
        runs = [spawn(sec.run(order, Order(Customer(id_)))) for id_ in (1, 1, 1, 2, 2, 3)]
        await all_entered.wait()
        assert len(running) == 3
        opened.set()
        assert [await run for run in runs] == [1, 1, 1, 2, 2, 3]
        assert most == {1: 1, 2: 1, 3: 1}
        assert sec._opened().driving.places.is_unused


async def test_recovery_keeps_to_the_limits(world: World) -> None:
    """Sagas that were queued or had begun when the last coordinator went."""
    store = MemoryStore()
    limits = {"s": Limit(1, key="k")}
    gate = world.hold("do a")
    async with Sec(store, registry_of(world), limits=limits) as sec:
        handles = [await sec.create(LINE, {"k": number % 2}) for number in range(6)]
        for handle in handles:
            await handle.start()
        await gate.entered.wait()
        await sec.drain(0)
    world.calls.clear()
    gate = world.hold("do a")
    async with Sec(store, registry_of(world), limits=limits) as sec:
        await gate.entered.wait()
        await turns(60)
        assert world.calls == ["do a"] * 2
        gate.open()
        for handle in handles:
            assert await sec.handle(handle.id).wait() == Succeeded("b")


@pytest.mark.parametrize("key", ["customer.id", "order.customer.id"])
def test_a_key_of_a_saga_is_a_path_into_its_params(key: str) -> None:
    """With or without the name of the parameter before it."""

    @action(read_only=True)
    async def look(ctx: Context, customer: Customer) -> int:
        return customer.id

    @saga(limit=1, limit_key=key)
    def order(order: Order) -> int:
        return look.node(order.customer)

    assert order.limit is not None
    assert order.limit.path == ("customer", "id")


def test_what_is_not_there_has_the_key_of_null() -> None:
    """All that have none share one."""
    assert key_of(b'{"a":{"b":[7]}}', ("a", "b", "0")) == b"7"
    for path in (("x",), ("a", "x"), ("a", "b", 1), ("a", "b", "x")):
        assert key_of(b'{"a":{"b":[7]}}', path) == b"null"


def test_long_keys_are_told_apart_and_take_little_room() -> None:
    """By their hashes."""
    keys = {key_of(b'"%b"' % (each * 100_000), ()) for each in (b"a", b"b")}
    assert [len(key) for key in keys] == [32, 32]


@pytest.mark.parametrize(
    ("limits", "text"),
    [({"s": 0}, "must be a whole number from 1"), ({"s": 1.5}, "must be a whole number from 1")],
)
def test_a_limit_of_none_is_refused(limits: dict[str, int], text: str) -> None:
    """Nothing could ever run."""
    with pytest.raises(ValueError, match=text):
        Sec(MemoryStore(), limits=limits)


def test_what_the_coordinator_says_stands_before_what_the_saga_says() -> None:
    """A number alone keeps the saga's key."""

    @action(read_only=True)
    async def look(ctx: Context, customer: Customer) -> int:
        return customer.id

    @saga(limit=1, limit_key="customer.id")
    def order(order: Order) -> int:
        return look.node(order.customer)

    def limit(**options: object) -> tuple[int, object]:
        found = Sec(MemoryStore(), [order], **options)._capacity.limits["order"]  # type: ignore[arg-type]
        return found.at_once, found.path

    assert limit() == (1, ("customer", "id"))
    assert limit(limits={"order": 5}) == (5, ("customer", "id"))
    assert limit(limits={"order": Limit(5)}) == (5, None)
    assert limit(limits={"order": Limit(5, key="amount")}) == (5, ("amount",))


# -- unwinding ---------------------------------------------------------------------------------


async def test_sagas_that_hang_keep_none_from_unwinding(world: World) -> None:
    """One that is aborted while it waits for a place needs none of those that go forward."""
    world.hold("do a")
    async with Sec(MemoryStore(), registry_of(world), max_sagas=1, limits={"s": 1}) as sec:
        hanging = await sec.create(LINE)
        await hanging.start()
        queued = await sec.create(LINE)
        await queued.start()
        await queued.abort("not any more")
        assert await queued.wait() == Unwound(())
        await sec.drain(0)


# -- sleep -------------------------------------------------------------------------------------


async def test_a_saga_that_waits_for_a_retry_gives_its_place_to_others(
    stores: Stores, world: World
) -> None:
    """And goes on when the retry is due."""
    world.fail("do b", ActionFailed("not now"))
    clock, facts = ManualClock(), Facts()
    tried = PlainAction("tried", world.do, world.undo, retry=LATER)
    registry = registry_of(world, tried)
    async with Sec(stores(), registry, max_sagas=1, clock=clock, observers=[facts]) as sec:
        sleeping = await sec.create(dag_of("a", node("b", "tried")))
        await sleeping.start()
        await facts.until_recorded(EventKind.ATTEMPT_FAILED, "b")
        assert await sec.run(OTHER) == "c"
        view = await sleeping.view()
        assert (view.state, view.node("b").retry_at_ms) == ("running", clock.next_ms)
        assert "its next retry" in view.waits_for
        world.give("do b", "at last")
        clock.move(60)
        assert await sleeping.wait() == Succeeded("at last")


async def test_what_is_asked_of_a_saga_that_sleeps_is_done_at_once(
    stores: Stores, world: World
) -> None:
    """Nobody waits for it to wake."""
    world.fail("do b", ActionFailed("not now"))
    clock, facts = ManualClock(), Facts()
    tried = PlainAction("tried", world.do, world.undo, retry=LATER)
    async with Sec(stores(), registry_of(world, tried), clock=clock, observers=[facts]) as sec:
        sleeping = await sec.create(dag_of("a", node("b", "tried")))
        await sleeping.start()
        await facts.until_recorded(EventKind.ATTEMPT_FAILED, "b")
        await sleeping.abort("enough")
        assert isinstance(await sleeping.wait(), Unwound)
        assert clock.next_ms is None


async def test_what_is_injected_into_a_saga_stays_while_it_sleeps(world: World) -> None:
    """Faults are of the coordinator's memory; sleeping is not forgetting."""
    world.fail("do b", ActionFailed("not now"))
    clock, facts = ManualClock(), Facts()
    tried = PlainAction("tried", world.do, world.undo, retry=LATER)
    registry = registry_of(world, tried)
    async with Sec(MemoryStore(), registry, clock=clock, observers=[facts]) as sec:
        sleeping = await sec.create(dag_of("a", node("b", "tried"), "c"))
        await sleeping.inject_error("c")
        await sleeping.start()
        await facts.until_recorded(EventKind.ATTEMPT_FAILED, "b")
        await clock.until_awaited()
        await turns()
        world.give("do b", "at last")
        clock.move(60)
        assert isinstance(await sleeping.wait(), Unwound)


def places(**options: object) -> tuple[Places, list[int], ManualClock]:
    ran: list[int] = []
    clock = ManualClock()
    given: dict[str, object] = {"max_sagas": 2, "max_queued": 3, "limits": {}, **options}
    found = Places(clock=clock, run=lambda saga_id: ran.append(saga_id.int), **given)  # type: ignore[arg-type]
    return found, ran, clock


def entrant(number: int, name: str = "s", *, undoes: bool = False) -> Entrant:
    return Entrant(UUID(int=number), name, None, undoes)


def test_a_limited_number_sleeps_and_the_others_keep_their_places() -> None:
    """What sleeps costs a little memory, and that is bounded too."""
    some, _, clock = places(max_asleep=1)
    later = clock.now_ms() + 5_000
    for number in (1, 2):
        some.enter(entrant(number))
    assert some.may_sleep(later)
    assert not some.may_sleep(clock.now_ms() + 999)
    some.sleep(entrant(1), later)
    assert not some.may_sleep(later)
    some.withdraw(UUID(int=1))
    assert some.may_sleep(later)


def test_a_saga_that_sleeps_keeps_its_share_of_a_limit_on_its_name() -> None:
    """It has begun: another of its key does not come between."""
    some, ran, clock = places(limits={"s": KeyedLimit(1)})
    some.enter(entrant(1))
    some.enqueue(entrant(2))
    some.sleep(entrant(1), clock.now_ms() + 5_000)
    assert ran == []
    clock.move(5)
    assert ran == [1]
    some.leave(UUID(int=1))
    assert ran == [1, 2]
    some.leave(UUID(int=2))
    assert some.is_unused


def test_who_sleeps_wakes_into_the_line_when_all_places_are_taken() -> None:
    """It has no right to one before others, and is not forgotten."""
    some, ran, clock = places(max_sagas=1)
    some.enter(entrant(1))
    some.sleep(entrant(1), clock.now_ms() + 5_000)
    some.enter(entrant(2))
    clock.move(5)
    assert (ran, some.knows(UUID(int=1))) == ([], True)
    some.leave(UUID(int=2))
    assert ran == [1]


def test_names_take_turns() -> None:
    """A thousand of one do not hold up the one of another."""
    some, ran, _ = places(max_sagas=1, max_queued=100)
    some.enter(entrant(0))
    for number in (1, 2, 3):
        some.enqueue(entrant(number, "many"))
    some.enqueue(entrant(4, "few"))
    for number in (0, 1, 4):
        some.leave(UUID(int=number))
    assert ran == [1, 4, 2]


def test_what_the_line_has_no_room_for_is_left_in_the_store_and_looked_for_later() -> None:
    """Once half of the line has gone; a line of another name does not matter."""
    some, ran, _ = places(max_sagas=1, max_queued=2, limits={"x": KeyedLimit(1)})
    some.enter(entrant(0))
    for number in range(1, 5):
        some.enqueue(entrant(number))
    assert not some.knows(UUID(int=3))
    some.enqueue(entrant(9, "x"))
    assert some.knows(UUID(int=9))
    assert not some.take_left_out()
    some.leave(UUID(int=0))
    assert ran == [1]
    assert some.take_left_out()
    assert not some.take_left_out()


# -- waiting to start ----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["run", "start"])
async def test_starting_waits_while_too_many_are_queued(
    stores: Stores, world: World, how: str
) -> None:
    """At the limit one more waits, and nothing of it is stored by `run` until there is room."""
    gate = world.hold("do a")
    async with Sec(stores(), registry_of(world), max_sagas=1, max_queued=2) as sec:
        first = spawn(sec.run(LINE))
        await gate.entered.wait()
        queued = [spawn(sec.run(LINE)) for _ in range(2)]
        handles = [await sec.create(LINE) for _ in range(3)]
        starts = [spawn(sec.run(LINE) if how == "run" else each.start()) for each in handles]
        while sum(map(len, sec._opened().driving.places._callers.values())) != 3:
            await turns(1)
        assert [each.done() for each in (first, *queued, *starts)] == [False] * 6
        assert not sec._opened().starting.busy
        gate.open()
        assert [await each for each in (first, *queued)] == ["b"] * 3
        for each in starts:
            await each
        if how == "start":
            assert [await each.wait() for each in handles] == [Succeeded("b")] * 3
        await turns()
        assert sec._opened().driving.places.is_unused


@pytest.mark.parametrize("how", ["run", "start"])
async def test_whoever_waits_to_start_may_go_away(world: World, how: str) -> None:
    """Nothing is left of it, and the next one gets its turn."""
    store = MemoryStore()
    gate = world.hold("do a")
    async with Sec(store, registry_of(world), max_sagas=1, max_queued=1) as sec:
        first, queued = spawn(sec.run(LINE)), spawn(sec.run(LINE))
        await gate.entered.wait()
        handle = await sec.create(LINE)
        gone = spawn(sec.run(LINE) if how == "run" else handle.start())
        await turns()
        stays = spawn(sec.run(LINE))
        await turns()
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        gate.open()
        assert [await each for each in (first, queued, stays)] == ["b"] * 3
        assert (await handle.view()).state == "ready"
        assert len((await sec.list()).items) == 4
        await turns()
        assert sec._opened().driving.places.is_unused


async def test_whoever_is_called_and_goes_away_at_that_moment_calls_the_next() -> None:
    """No room is lost."""
    some, _, _ = places(max_sagas=1, max_queued=1)
    some.enter(entrant(0))
    some.enqueue(entrant(1))
    waiting = [spawn(some.promise(entrant(number))) for number in (2, 3)]
    await turns()
    some.leave(UUID(int=0))  # 1 goes on, and calls the first
    waiting[0].cancel()
    assert await waiting[1]


async def test_whoever_waits_to_start_when_the_coordinator_closes_is_told(world: World) -> None:
    """With the error that says so; nothing was started."""
    world.hold("do a")
    async with Sec(MemoryStore(), registry_of(world), max_sagas=1, max_queued=1) as sec:
        others = [spawn(sec.run(LINE)) for _ in range(2)]
        await turns()
        waiting = spawn(sec.run(LINE))
        await turns()
        await sec.drain(0)
        with pytest.raises(CoordinatorClosed, match="nothing was started"):
            await waiting
        for each in others:
            with pytest.raises(CoordinatorClosed):
                await each


async def test_a_saga_with_room_of_its_own_waits_for_no_line(world: World) -> None:
    """Too many of one name are no reason not to start another."""
    gate = world.hold("do a")
    limits = {"s": 1}
    async with Sec(MemoryStore(), registry_of(world), max_queued=1, limits=limits) as sec:
        runs = [spawn(sec.run(LINE)) for _ in range(3)]
        await gate.entered.wait()
        await turns()
        assert await sec.run(OTHER) == "c"
        gate.open()
        assert [await run for run in runs] == ["b"] * 3


async def test_what_other_processes_started_does_not_wait_and_is_not_lost(
    stores: Stores, world: World
) -> None:
    """It was acknowledged: it is queued in the store, and run when there is room."""
    gate = world.hold("do a")
    facts, registry = Facts(), registry_of(world)
    async with Sec(stores(), registry, max_sagas=1, max_queued=1, observers=[facts]) as sec:
        first = spawn(sec.run(LINE))
        await gate.entered.wait()
        client = Client(sec._store)
        handles = [await client.create(LINE) for _ in range(4)]
        for handle in handles:
            await handle.start()
        ids = [handle.id for handle in handles]
        await facts.until(
            lambda: all((EventKind.START_REQUESTED, "") in facts.kinds(each) for each in ids)
        )
        assert await states_of(sec, ids) == ["queued"] * 4
        gate.open()
        assert await first == "b"
        for handle in handles:
            assert await sec.handle(handle.id).wait() == Succeeded("b")


async def test_more_orphans_than_the_line_has_room_for_are_all_run(world: World) -> None:
    """Those that are left in the store come when there is room."""
    store = MemoryStore()
    gate = world.hold("do a")
    async with Sec(store, registry_of(world), max_sagas=1) as sec:
        handles = [await sec.create(LINE) for _ in range(8)]
        for handle in handles:
            await handle.start()
        await gate.entered.wait()
        await sec.drain(0)
    gate = world.hold("do a")
    async with Sec(store, registry_of(world), max_sagas=1, max_queued=2) as sec:
        await gate.entered.wait()
        gate.open()
        for handle in handles:
            assert await sec.handle(handle.id).wait() == Succeeded("b")


async def test_a_run_that_waited_finds_the_saga_that_somebody_else_made_meanwhile(
    world: World,
) -> None:
    """One saga for one id, however many ask for it and wait."""
    gate = world.hold("do a")
    async with Sec(MemoryStore(), registry_of(world), max_sagas=1, max_queued=1) as sec:
        others = [spawn(sec.run(LINE)) for _ in range(2)]
        await gate.entered.wait()
        same = [spawn(sec.run(LINE, id=UUID(int=7))) for _ in range(3)]
        await turns()
        gate.open()
        assert [await each for each in (*others, *same)] == ["b"] * 5
        assert world.calls.count("do a") == 3
        await turns()
        assert sec._opened().driving.places.is_unused


async def test_a_key_that_cannot_be_read_harms_only_its_saga(world: World) -> None:
    """Sagas with params that have no such field share a key, and run."""
    async with Sec(MemoryStore(), registry_of(world), limits={"s": Limit(1, key="k")}) as sec:
        several: list[object] = [None, 7, {"k": []}]
        assert [await sec.run(LINE, params) for params in several] == ["b"] * 3
        with pytest.raises(SagaUnwound):
            world.fail("do b", ActionFailed("no"))
            await sec.run(LINE, {"k": 1})
