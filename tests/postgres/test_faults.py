"""What PostgreSQL and the network can do to a store, on a real server through a real socket."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from sagacity.errors import NotOwner, StoreError, TransactionFailed
from sagacity.stores.postgres import PostgresStore
from sagacity.testing._promises._making import (
    SUCCEEDED,
    append_to,
    command,
    create_many,
    new_saga,
    order,
    saga_id,
)
from tests.engine.world import spawn, turns
from tests.postgres.proxy import Proxy

WAITS_FOR_A_LOCK = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""

END_ALL_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
async def proxy(postgres_url: str) -> AsyncGenerator[Proxy]:
    async with Proxy(postgres_url) as made:
        yield made


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[PostgresStore]:
    store = PostgresStore(url)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def store(proxy: Proxy) -> AsyncGenerator[PostgresStore]:
    async with opened(f"{proxy.url}?timeout=1") as made:
        yield made


@pytest.fixture
def beside(postgres_url: str) -> Iterator[psycopg.Connection]:
    """A connection that does not go through the proxy."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


async def records_of(store: PostgresStore, number: int = 1) -> list[bytes]:
    stored = await store.read(saga_id(number))
    assert stored.head.sequence == len(stored.records)
    return [record for _, record in stored.records]


async def test_an_append_whose_answer_is_lost_is_in_once(
    store: PostgresStore, proxy: Proxy
) -> None:
    """It was committed: the store finds it in the log, and neither fails nor writes it again."""
    await create_many(store, new_saga(1), new_saga(2))
    proxy.cut_after(b"lost-answer")
    await asyncio.gather(
        store.append(append_to(1, record=b'["lost-answer"]')),
        store.append(append_to(2, record=b'["another"]')),
    )
    assert proxy.cuts == 1
    assert await records_of(store, 1) == [b'["created"]', b'["lost-answer"]']
    assert await records_of(store, 2) == [b'["created"]', b'["another"]']


async def test_an_append_whose_answer_is_lost_is_refused_if_it_was_stale(
    store: PostgresStore, proxy: Proxy
) -> None:
    """The log has another record at its place: that is somebody else's, and not taken for its own."""
    await store.create(new_saga())
    await store.append(append_to(1, record=b'["faster"]'))
    proxy.cut_after(b"too-late")
    with pytest.raises(NotOwner):
        await store.append(append_to(1, record=b'["too-late"]'))
    assert proxy.cuts == 1
    assert await records_of(store) == [b'["created"]', b'["faster"]']


async def test_a_summary_whose_answer_is_lost_is_in(store: PostgresStore, proxy: Proxy) -> None:
    """An append without events has no record to be found by; the head tells."""
    await store.create(new_saga())
    proxy.cut_after(b"no-events")
    await store.append(append_to(1, events=0, record=b'["no-events"]', updated_ms=7_777))
    assert proxy.cuts == 1
    assert (await store.read(saga_id(1))).head.updated_ms == 7_777


async def test_a_create_whose_answer_is_lost_is_in_once(store: PostgresStore, proxy: Proxy) -> None:
    """Its own saga is not taken for one that was there before."""
    await store.create(new_saga(1))
    proxy.cut_after(b"lost-create")
    assert await store.create(new_saga(2, record=b'["lost-create"]')) is None
    assert proxy.cuts == 1
    assert await records_of(store, 2) == [b'["lost-create"]']
    assert await store.create(new_saga(2, record=b'["lost-create"]')) is not None


async def test_a_command_whose_answer_is_lost_is_sent_once(
    store: PostgresStore, proxy: Proxy
) -> None:
    """It is not taken for one that was sent before."""
    await store.create(new_saga())
    proxy.cut_after(b"lost-command")
    assert await store.send(command(1, arguments=b'"lost-command"'))
    assert proxy.cuts == 1
    assert len(await store.take()) == 1


async def test_an_order_whose_answer_is_lost_is_kept(store: PostgresStore, proxy: Proxy) -> None:
    """It is its own order that is there, and nobody was faster."""
    for version in (1, 2):
        proxy.cut_after(b"lost-order")
        assert await store.keep_order(order(version=version, document=b'"lost-order"'))
        assert proxy.cuts == version


async def test_an_adoption_whose_commit_is_lost_is_known(
    store: PostgresStore, proxy: Proxy
) -> None:
    """Sagas that it owns and does not know of would stand still until its lease ends."""
    epoch = await store.acquire("me", wait=False)
    await create_many(store, *(new_saga(number) for number in range(1, 6)))
    proxy.cut_after(b"COMMIT")
    heads = await store.adopt("me", epoch, limit=3)
    assert proxy.cuts == 1
    assert [head.id for head in heads] == [saga_id(number) for number in (1, 2, 3)]
    assert [head.id for head in await store.adopt("me", epoch)] == [saga_id(4), saga_id(5)]


async def test_an_adoption_whose_commit_comes_late_is_known(
    store: PostgresStore, proxy: Proxy, beside: psycopg.Connection
) -> None:
    """The server has it still to do: whether it did is asked when it has ended, and not before."""
    epoch = await store.acquire("me", wait=False)
    await create_many(store, *(new_saga(number) for number in range(1, 6)))
    proxy.delay(b"COMMIT")
    adopting = spawn(store.adopt("me", epoch, limit=3))
    while not adopting.done() and beside.execute(WAITS_FOR_A_LOCK).fetchone() != (1,):
        await turns()
    proxy.deliver()
    heads = await adopting
    assert [head.id for head in heads] == [saga_id(number) for number in (1, 2, 3)]
    assert [head.id for head in await store.adopt("me", epoch)] == [saga_id(4), saga_id(5)]


async def test_a_transaction_whose_commit_never_comes_is_soon_taken_back(
    store: PostgresStore, proxy: Proxy
) -> None:
    """Else it would keep the saga from its next owner, as would a worker that stands still there."""
    epoch = await store.acquire("me", wait=False)
    await store.create(new_saga(1, owner="me", epoch=epoch))
    transaction = await store.begin()
    proxy.delay(b"COMMIT")
    async with asyncio.timeout(30):
        with pytest.raises(TransactionFailed):
            await transaction.commit(append_to(1, epoch=epoch))
    assert len(await records_of(store)) == 1


async def test_who_is_cut_short_while_he_writes_alone_is_in_nobodys_way(
    store: PostgresStore, beside: psycopg.Connection
) -> None:
    """The connection that his write is under way on is not used again."""
    await create_many(store, new_saga(1), new_saga(2))
    with beside.transaction():
        beside.execute("LOCK TABLE sagacity.log")
        writing = spawn(store.append(append_to(1)))
        while beside.execute(WAITS_FOR_A_LOCK).fetchone() != (1,):
            await turns(1)
        waiting = spawn(store.append(append_to(2)))
        writing.cancel()
        await asyncio.wait([writing])
    await waiting
    assert writing.cancelled()
    assert len(await records_of(store, 2)) == 2
    assert len(await records_of(store, 1)) in {1, 2}


async def test_an_acquisition_whose_answer_is_lost_is_not_in_its_own_way(
    store: PostgresStore, proxy: Proxy
) -> None:
    """The identity that is alive is its own, of the try before."""
    proxy.cut_after(b"the-identity")
    epoch = await store.acquire("the-identity", wait=False)
    assert proxy.cuts == 1
    assert [each.epoch for each in await store.coordinators()] == [epoch]
    assert await store.renew() == 10.0


async def test_all_goes_on_when_connections_are_reset(store: PostgresStore, proxy: Proxy) -> None:
    """Each call opens a new one."""
    await create_many(store, *(new_saga(number) for number in range(20)))
    for at in range(1, 6):
        proxy.reset()
        await asyncio.gather(*(store.append(append_to(number, at=at)) for number in range(20)))
    assert all([await records_of(store, number) for number in range(20)])


async def test_a_network_that_swallows_everything_is_noticed(
    store: PostgresStore, proxy: Proxy
) -> None:
    """After the time-out a call fails, and says that its outcome is unknown; then all goes on."""
    await store.create(new_saga())
    proxy.black_hole()
    with pytest.raises(StoreError, match="unknown whether this was stored"):
        await store.append(append_to(1, record=b'["swallowed"]'))
    proxy.heal()
    await store.append(append_to(1, record=b'["swallowed"]'))
    assert await records_of(store) == [b'["created"]', b'["swallowed"]']


async def test_a_half_open_connection_is_noticed(store: PostgresStore, proxy: Proxy) -> None:
    """The server has forgotten it, and nobody told us: the time-out does."""
    await store.create(new_saga())
    proxy.half_open()
    await store.append(append_to())
    assert len(await records_of(store)) == 2


async def test_sessions_that_the_administrator_ends_are_replaced(
    store: PostgresStore, beside: psycopg.Connection
) -> None:
    """Wherever it strikes: nothing is lost and nothing is there twice."""
    await create_many(store, *(new_saga(number) for number in range(50)))

    async def write(number: int) -> None:
        for at in range(1, 11):
            await store.append(append_to(number, at=at))
            if number == 0:
                # While the others' appends are under way.
                await asyncio.to_thread(beside.execute, END_ALL_OTHERS)

    async with asyncio.TaskGroup() as writing:
        for number in range(50):
            writing.create_task(write(number))
    for number in range(50):
        assert len(await records_of(store, number)) == 11


async def test_who_waits_hears_of_what_came_while_the_connection_was_lost(
    store: PostgresStore, proxy: Proxy, postgres_url: str
) -> None:
    """And soon: a connection that is reset is noticed at once."""
    async with opened(postgres_url) as other:
        await other.create(new_saga())
        seen = -1
        while (mark := await store.wait_for_change(max(seen, 0), 0.3)) != seen:
            seen = mark
        begin = asyncio.get_running_loop().time()
        proxy.reset()
        await other.create(new_saga(2))
        assert await store.wait_for_change(seen, 30.0) != seen
        assert asyncio.get_running_loop().time() - begin < 4
        await listens_again(store)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(store.wait_for_end(saga_id(2), 30.0))
            await asyncio.sleep(0)
            await other.append(append_to(2, summary=SUCCEEDED))
        await waiting


async def listens_again(store: PostgresStore) -> None:
    assert store._opened is not None
    while not store._opened.listener.is_listening:
        await store.wait_for_end(saga_id(9), 0.05)
