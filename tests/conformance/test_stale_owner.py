"""A stale owner on a connection of its own: refused, also when it began before the adoption ended."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from sagacity.errors import NotOwner
from sagacity.ports.store import SagaStore
from sagacity.stores.postgres import PostgresStore
from sagacity.stores.sqlite import SqliteStore
from sagacity.testing._promises._making import append_to, create_many, new_saga, saga_id, state_of
from tests.engine.world import spawn, turns

WAITS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


class Pair(NamedTuple):
    """Two connections to one store: of who was the owner, and of who is."""

    stale: SagaStore
    heir: SagaStore


@pytest.fixture(params=["sqlite", "postgres"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    stores: list[SagaStore]
    if request.param == "sqlite":
        stores = [SqliteStore(tmp_path / "sagas.db") for _ in range(2)]
    else:
        url = request.getfixturevalue("postgres_url")
        stores = [PostgresStore(url) for _ in range(2)]
    async with AsyncExitStack() as stack:
        for store in stores:
            await store.open()
            stack.push_async_callback(store.close)
        yield Pair(*stores)


async def test_what_a_stale_owner_appends_is_refused(pair: Pair) -> None:
    """The fence is in the database, and not in who asks; what it has still is its own."""
    first = await pair.stale.acquire("stale", wait=False)
    await create_many(
        pair.stale,
        *(new_saga(number, owner="stale", epoch=first) for number in (1, 2)),
    )
    await pair.stale.release()
    second = await pair.heir.acquire("heir", wait=False)
    await pair.heir.adopt("heir", second, ids=[saga_id(1)])
    before = await state_of(pair.heir)
    with pytest.raises(NotOwner, match=f"epoch {second}"):
        await pair.stale.append(append_to(1, epoch=first))
    assert await state_of(pair.heir) == before
    await pair.heir.append(append_to(1, epoch=second))
    await pair.stale.append(append_to(2, epoch=first))


async def test_an_append_that_meets_an_adoption_waits_for_it_and_is_refused_postgres(
    postgres_url: str,
) -> None:
    """It saw the epoch before; the lock of the row lets it look again. So it is in SQLite, below."""
    store = PostgresStore(postgres_url)
    await store.open()
    try:
        epoch = await store.acquire("stale", wait=False)
        await store.create(new_saga(1, owner="stale", epoch=epoch))
        with (
            psycopg.connect(postgres_url) as heir,
            psycopg.connect(postgres_url, autocommit=True) as looking,
        ):
            heir.execute("UPDATE sagacity.head SET epoch = epoch + 1, owner = 'heir'")
            appending = spawn(store.append(append_to(1, epoch=epoch)))
            while looking.execute(WAITS).fetchone() != (1,):
                await turns()
            heir.commit()
            with pytest.raises(NotOwner):
                await appending
        assert (await store.read(saga_id(1))).head.sequence == 1
    finally:
        await store.close()


async def test_an_append_that_meets_an_adoption_waits_for_it_and_is_refused_sqlite(
    tmp_path: Path,
) -> None:
    """There is one writer at a time; who waits for its turn looks when it has it."""
    store = SqliteStore(tmp_path / "sagas.db")
    await store.open()
    try:
        epoch = await store.acquire("stale", wait=False)
        await store.create(new_saga(1, owner="stale", epoch=epoch))
        with closing(sqlite3.connect(tmp_path / "sagas.db", isolation_level=None)) as heir:
            heir.execute("BEGIN IMMEDIATE")
            heir.execute("UPDATE head SET epoch = epoch + 1, owner = 'heir'")
            appending = spawn(store.append(append_to(1, epoch=epoch)))
            await turns()
            assert not appending.done()
            heir.execute("COMMIT")
            with pytest.raises(NotOwner):
                await appending
        assert (await store.read(saga_id(1))).head.sequence == 1
    finally:
        await store.close()
