"""Two connections at one time: a row lock lets one of them through."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import psycopg
import pytest
from psycopg import IsolationLevel
from psycopg.errors import SerializationFailure

from sagacity.errors import TokenStale
from sagacity.participants import PSYCOPG, SQLITE, Request, Verdict
from tests.participants.services import (
    OnAsyncpg,
    OnPsycopg,
    OnSqlite,
    Reply,
    asyncpg,
    begun,
    carry_out,
    request,
)


@pytest.mark.parametrize("direction", ["do", "undo"])
def test_on_sqlite_a_second_writer_does_not_get_in(tmp_path: Path, direction: str) -> None:
    """BEGIN IMMEDIATE of a duplicate, or of the undo, waits (here: for no time) for the first."""
    path = str(tmp_path / "service.db")
    with begun(path) as connection:
        SQLITE.create(connection)
    with begun(path) as first, SQLITE.turn(first, request()) as turn:
        turn.finish("booked")
        with pytest.raises(sqlite3.OperationalError, match="locked"), begun(path, timeout=0):
            raise AssertionError
    with begun(path) as second, SQLITE.turn(second, request(direction)) as later:
        assert later.verdict is not Verdict.TOO_LATE
        if later.verdict is Verdict.CARRY_OUT:
            later.finish()

    assert (later.verdict, later.done) == {
        "do": (Verdict.REPEATED, None),
        "undo": (Verdict.CARRY_OUT, "booked"),
    }[direction]


def test_on_sqlite_a_transaction_that_read_before_cannot_have_a_second_effect(
    tmp_path: Path,
) -> None:
    """Begun without IMMEDIATE it may see an old state; then it cannot write, and must begin anew."""
    path = str(tmp_path / "service.db")
    with begun(path) as connection:
        SQLITE.create(connection)
        connection.execute("PRAGMA user_version = 1")
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.execute("BEGIN")
        old.execute("SELECT * FROM saga_requests").fetchall()
        with begun(path) as first, SQLITE.turn(first, request()) as turn:
            turn.finish()
        with (
            pytest.raises(sqlite3.OperationalError, match="locked"),
            SQLITE.turn(old, request()),
        ):
            raise AssertionError


async def test_many_threads_on_sqlite_book_once(tmp_path: Path) -> None:
    """Eight connections with the same request at one time."""
    service = OnSqlite(str(tmp_path / "service.db"))
    await service.create()
    together = Barrier(8)

    def ask(_: int) -> Reply:
        together.wait()
        with begun(service.place) as connection, SQLITE.turn(connection, request()) as turn:
            connection.execute(carry_out(turn, request()))
        return turn.verdict, turn.answer

    with ThreadPoolExecutor(8) as pool:
        replies = sorted(pool.map(ask, range(8)))

    assert replies == [(Verdict.CARRY_OUT, "booked")] + [(Verdict.REPEATED, "booked")] * 7
    assert len(await service.seats()) == 1


async def wait_until_blocked(url: str, process: int) -> None:
    """Return when the server says that a process of it waits for a lock of another one."""
    watcher = await asyncpg.connect(url)
    try:
        while not await watcher.fetchval("SELECT pg_blocking_pids($1)", process):
            pass
    finally:
        await watcher.close()


@pytest.mark.parametrize(
    ("later", "came_to"),
    [
        (request(token=2), "repeated"),
        (request("undo", token=2), "carry out"),
        (request(node="meal", token=1), "TokenStale"),
    ],
    ids=["duplicate", "undo", "stale owner"],
)
async def test_on_postgresql_the_second_waits_and_sees_what_the_first_did(
    postgres_url: str, later: Request, came_to: str
) -> None:
    """A duplicate, the undo, or a stale owner's do of another effect, while a do is carried out."""
    service = OnAsyncpg(postgres_url)
    await service.create()
    process: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def ask_later() -> str:
        try:
            async with service.transaction() as connection:
                process.set_result(connection.get_server_pid())
                async with service.turn(connection, later) as turn:
                    await service.run(connection, carry_out(turn, later))
        except TokenStale as stale:
            return type(stale).__name__
        return turn.verdict

    async with asyncio.TaskGroup() as group, service.transaction() as connection:
        async with service.turn(connection, request(token=2)) as turn:
            await service.run(connection, carry_out(turn, request()))
        second = group.create_task(ask_later())
        await wait_until_blocked(postgres_url, await process)

    assert second.result() == came_to
    assert len(await service.seats()) == (0 if later.undo else 1)


async def test_on_postgresql_a_row_that_is_in_use_is_not_forgotten(postgres_url: str) -> None:
    """An old key is asked for while old rows are removed: whoever removes it waits, and looks again."""
    service = OnAsyncpg(postgres_url)
    await service.create()
    await service.ask(request())
    process: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def forget() -> int:
        async with service.transaction() as connection:
            process.set_result(connection.get_server_pid())
            return await service.forget(connection, unseen_seconds=50, most=10)

    async with service.transaction() as connection:
        await service.run(connection, "UPDATE saga_requests SET seen_at = seen_at - 100")
    async with asyncio.TaskGroup() as group, service.transaction() as connection:
        async with service.turn(connection, request()) as turn:
            assert turn.verdict is Verdict.REPEATED
        removed = group.create_task(forget())
        await wait_until_blocked(postgres_url, await process)

    assert removed.result() == 0


@pytest.mark.parametrize("isolation", IsolationLevel)
async def test_many_on_postgresql_book_once_at_each_isolation(
    postgres_url: str, isolation: IsolationLevel
) -> None:
    """Eight at one time: who meets a serialization failure begins anew, as everywhere."""
    service = OnPsycopg(postgres_url)
    await service.create()
    together = Barrier(8)

    def ask(_: int) -> Reply:
        with psycopg.connect(postgres_url) as connection:
            connection.isolation_level = isolation
            together.wait()
            while True:
                try:
                    with connection.transaction(), PSYCOPG.turn(connection, request()) as turn:
                        connection.execute(carry_out(turn, request()).encode())
                except SerializationFailure:
                    continue
                return turn.verdict, turn.answer

    with ThreadPoolExecutor(8) as pool:
        replies = sorted(pool.map(ask, range(8)))

    assert replies == [(Verdict.CARRY_OUT, "booked")] + [(Verdict.REPEATED, "booked")] * 7
    assert len(await service.seats()) == 1
