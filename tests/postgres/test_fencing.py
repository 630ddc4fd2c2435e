"""Who may write: two connections at one saga, roles, and leases as the server sees them."""

import asyncio
from collections.abc import AsyncGenerator, Iterator

import psycopg
import pytest

from sagacity.errors import NotOwner
from sagacity.stores.postgres import PostgresStore
from sagacity.testing._promises._making import append_to, new_saga, saga_id, state_of
from tests.postgres.modes import weak_role


@pytest.fixture
async def store(postgres_store_url: str) -> AsyncGenerator[PostgresStore]:
    store = PostgresStore(postgres_store_url)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def beside(postgres_store_url: str) -> Iterator[psycopg.Connection]:
    """Another connection, in whose transactions a test does what another coordinator would."""
    url, _, schema = postgres_store_url.partition("?schema=")
    with psycopg.connect(url, options=f"-c search_path={schema}") as connection:
        yield connection


async def until_somebody_waits_for_a_lock(connection: psycopg.Connection) -> None:
    """Return when a session of this database waits for the lock that `connection` holds."""
    while True:
        found = connection.execute(
            "SELECT 1 FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        ).fetchone()
        if found:
            return
        await asyncio.sleep(0)


async def test_an_append_waits_for_a_takeover_and_is_refused(
    store: PostgresStore, beside: psycopg.Connection
) -> None:
    """The stale owner's snapshot is older than the takeover; the lock has it look again."""
    epoch = await store.acquire("me", wait=False)
    await store.create(new_saga(owner="me", epoch=epoch))
    before = await state_of(store)
    beside.execute("UPDATE head SET epoch = epoch + 1, owner = 'another'")
    async with asyncio.TaskGroup() as tasks:
        appending = tasks.create_task(refused(store, epoch))
        await until_somebody_waits_for_a_lock(beside)
        assert not appending.done()
        beside.commit()
    after = await state_of(store)
    assert (after.records, after.head.sequence) == (before.records, before.head.sequence)
    assert after.head.owner == "another"


async def refused(store: PostgresStore, epoch: int) -> None:
    with pytest.raises(NotOwner):
        await store.append(append_to(1, epoch=epoch))


async def test_a_takeover_waits_for_an_append(
    store: PostgresStore, beside: psycopg.Connection
) -> None:
    """Whoever takes the saga sees what was written until then: nothing comes later."""
    epoch = await store.acquire("me", wait=False)
    await store.create(new_saga())
    beside.execute("UPDATE head SET sequence = sequence + 1")
    beside.execute("INSERT INTO log SELECT saga, 2, 2, 0, 0, '[]' FROM head")
    async with asyncio.TaskGroup() as tasks:
        adopting = tasks.create_task(store.adopt("me", epoch, ids=[saga_id(1)]))
        await until_somebody_waits_for_a_lock(beside)
        beside.commit()
    (head,) = adopting.result()
    assert head.sequence == 2


async def test_what_another_is_writing_to_is_passed_over(
    store: PostgresStore, beside: psycopg.Connection
) -> None:
    """Who asks for whatever there is does not wait for anybody."""
    epoch = await store.acquire("me", wait=False)
    for number in (1, 2):
        await store.create(new_saga(number))
    beside.execute("SELECT 1 FROM head WHERE saga = %s FOR UPDATE", [saga_id(1)])
    assert [head.id for head in await store.adopt("me", epoch)] == [saga_id(2)]
    beside.rollback()
    assert [head.id for head in await store.adopt("me", epoch)] == [saga_id(1)]


async def test_who_is_renewing_is_not_retired(
    store: PostgresStore, beside: psycopg.Connection
) -> None:
    """Its lease has ended, but the renewal came first: its sagas stay its own."""
    epoch = await store.acquire("me", wait=False)
    await store.create(new_saga(owner="slow", epoch=0))
    beside.execute("INSERT INTO coordinator VALUES ('slow', 0, now() - interval '1 s')")
    beside.commit()
    beside.execute("UPDATE coordinator SET lease_until = now() + '9 s' WHERE owner = 'slow'")
    assert list(await store.adopt("me", epoch)) == []
    beside.commit()
    assert list(await store.adopt("me", epoch)) == []


async def test_a_renewal_finds_itself_retired(
    store: PostgresStore, beside: psycopg.Connection
) -> None:
    """It waits for whoever retires it, and is refused."""
    await store.acquire("me", wait=False)
    beside.execute("DELETE FROM coordinator")
    async with asyncio.TaskGroup() as tasks:
        renewing = tasks.create_task(not_renewed(store))
        await until_somebody_waits_for_a_lock(beside)
        assert not renewing.done()
        beside.commit()


async def test_a_coordinator_has_an_identity(store: PostgresStore) -> None:
    """Without a name it would be alive as the owner of all that nobody owns."""
    with pytest.raises(ValueError, match="identity"):
        await store.acquire("", wait=False)


async def not_renewed(store: PostgresStore) -> None:
    with pytest.raises(NotOwner):
        await store.renew()


@pytest.mark.parametrize(
    "forbidden",
    [
        "UPDATE sagacity.log SET record = '[]'",
        "DELETE FROM sagacity.log",
        "TRUNCATE sagacity.log",
        "UPDATE sagacity.saga SET params = '{}'",
        "DELETE FROM sagacity.saga",
        "DELETE FROM sagacity.head",
        "UPDATE sagacity.definition SET document = '{}'",
        "DROP TABLE sagacity.log",
        "CREATE TABLE sagacity.mine ()",
    ],
)
def test_the_role_of_the_engine_cannot_change_what_was_written(
    postgres_url: str, forbidden: str
) -> None:
    """The log is the truth: not even a mistake of the engine's may change it."""
    with (
        weak_role(postgres_url) as (url, _),
        psycopg.connect(url) as engine,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        engine.execute(forbidden.encode())
