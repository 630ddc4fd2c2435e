"""What becomes of a store when its server is full, killed, or replaced by another."""

import asyncio
import random
import subprocess
from collections.abc import Generator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from sagacity.engine.insistence import Insistence
from sagacity.errors import StoreError, StoreFull
from sagacity.ports.store import Append
from sagacity.stores.postgres import PostgresStore
from sagacity.testing._promises._making import append_to, create_many, new_saga, saga_id
from tests.postgres.server import Server


@pytest.fixture
def server() -> Generator[Server]:
    made = Server()
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture
def small_disk(server: Server) -> Generator[Path]:
    """A folder with room for a few tables."""
    folder = server.new_folder("small")
    # Owned and closed as it was before.
    owner = folder.stat()
    options = f"size=4m,uid={owner.st_uid},gid={owner.st_gid},mode=0700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        server.stop()
        subprocess.run(["umount", folder], check=True)


def enlarge(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)


def nobody(_saga_id: UUID | None, _error: Exception) -> None:
    """Hears of trouble."""


async def insist(store: PostgresStore, append: Append) -> None:
    """Append as the engine does: until the store has it."""
    try:
        await store.append(append)
    except StoreError as error:
        await Insistence(store, nobody).append(append, error)


async def test_a_full_disk_refuses_and_takes_more_when_there_is_room(
    server: Server, small_disk: Path
) -> None:
    """Nothing of what is refused is stored, and nothing that was acknowledged is lost."""
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute(f"CREATE TABLESPACE small LOCATION '{small_disk}'".encode())
        admin.execute("ALTER DATABASE postgres SET default_tablespace = small")
    store = PostgresStore(server.url())
    await store.open()
    stored = 0
    params = random.Random(1).randbytes(100_000).hex().encode()  # not to be compressed
    with pytest.raises(StoreFull, match="no space left"):
        while True:
            await store.create(new_saga(stored, params=params))
            stored += 1
    assert stored
    for number in range(stored):
        assert (await store.read(saga_id(number))).params == params
    await asyncio.to_thread(enlarge, small_disk)
    assert await store.create(new_saga(stored, params=params)) is None
    await store.close()


async def test_a_killed_server_comes_back_with_all_that_was_acknowledged(server: Server) -> None:
    """Writers go on trying; each record is there once, whatever was said of it."""
    store = PostgresStore(f"{server.url()}?timeout=2")
    await store.open()
    await create_many(store, *(new_saga(number) for number in range(20)))
    kills = 3

    async def write(number: int) -> None:
        for at in range(1, 8):
            append = append_to(number, at=at, record=f'["{at}"]'.encode())
            await insist(store, append)
            if number == 0 and at % 2 == 0 and at // 2 <= kills:
                await asyncio.to_thread(server.kill)
                server.start()

    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(write(number))
    for number in range(20):
        records = [record for _, record in (await store.read(saga_id(number))).records]
        assert records == [b'["created"]', *(f'["{at}"]'.encode() for at in range(1, 8))]
    await store.close()


async def test_after_a_failover_the_other_server_is_used(server: Server) -> None:
    """A URL with both hosts finds the one that takes writes, before and after."""
    with psycopg.connect(server.url(), autocommit=True) as admin:
        replica = Server(replica_of=server)
        try:
            replica.start()
            both = server.url().replace(
                f"127.0.0.1:{server.port}", f"127.0.0.1:{replica.port},127.0.0.1:{server.port}"
            )
            store = PostgresStore(f"{both}?timeout=2")
            await store.open()
            await store.create(new_saga())
            await store.append(append_to(1, at=1))
            written = admin.execute("SELECT pg_current_wal_lsn()").fetchone()
            with psycopg.connect(replica.url(), autocommit=True) as there:
                while True:
                    seen = there.execute(
                        "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written
                    ).fetchone()
                    if seen == (True,):
                        break
                server.kill()
                there.execute("SELECT pg_promote()")
            await insist(store, append_to(1, at=2))
            assert (await store.read(saga_id(1))).head.sequence == 3
            await store.close()
        finally:
            replica.remove()
