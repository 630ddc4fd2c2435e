"""Whatever a service has made of its connection: a turn works on it, or says what is missing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from sagacity.errors import TokenStale
from sagacity.participants import ASYNCPG, PSYCOPG, PSYCOPG_ASYNC, SQLITE, Verdict
from tests.participants.services import Service, asyncpg, request

DICTS: Any = dict_row
NO_TRANSACTION = pytest.raises(RuntimeError, match="not in a transaction: begin one first")


@pytest.fixture
def memory() -> Iterator[sqlite3.Connection]:
    """An empty database of SQLite, with the driver's own idea of transactions."""
    with closing(sqlite3.connect(":memory:")) as connection:
        SQLITE.create(connection)
        yield connection


def test_sqlite_without_a_transaction_is_refused(memory: sqlite3.Connection) -> None:
    """In autocommit the effect and its answer would be committed apart."""
    memory.isolation_level = None
    with NO_TRANSACTION, SQLITE.turn(memory, request()):
        raise AssertionError

    with memory:
        memory.execute("BEGIN IMMEDIATE")
        with SQLITE.turn(memory, request()) as turn:
            assert turn.verdict is Verdict.CARRY_OUT  # the refused turn has left nothing
            turn.finish()


def test_sqlite_may_begin_by_itself(memory: sqlite3.Connection) -> None:
    """The driver begins a transaction before the first statement of a turn."""
    memory.row_factory = sqlite3.Row
    for expected in (Verdict.CARRY_OUT, Verdict.REPEATED):
        with memory, SQLITE.turn(memory, request()) as turn:
            if turn.verdict is Verdict.CARRY_OUT:
                turn.finish()
        assert turn.verdict is expected


def test_psycopg_in_autocommit_is_refused_without_a_transaction(postgres_url: str) -> None:
    """A block of `transaction()` is one; rows made dicts by the service do no harm."""
    with psycopg.connect(postgres_url, autocommit=True, row_factory=DICTS) as connection:
        PSYCOPG.create(connection)
        with NO_TRANSACTION, PSYCOPG.turn(connection, request()):
            raise AssertionError
        with connection.transaction(), PSYCOPG.turn(connection, request()) as turn:
            turn.finish()


async def test_async_psycopg_in_autocommit_is_refused_without_a_transaction(
    postgres_url: str,
) -> None:
    """The same with `await`."""
    async with await psycopg.AsyncConnection.connect(
        postgres_url, autocommit=True, row_factory=DICTS
    ) as connection:
        await PSYCOPG_ASYNC.create(connection)
        with NO_TRANSACTION:
            async with PSYCOPG_ASYNC.turn(connection, request()):
                raise AssertionError
        async with connection.transaction(), PSYCOPG_ASYNC.turn(connection, request()) as turn:
            turn.finish()


async def test_asyncpg_is_refused_without_a_transaction(postgres_url: str) -> None:
    """A connection of a pool will do, in a transaction."""
    async with (
        asyncpg.create_pool(postgres_url, min_size=1, max_size=1) as pool,
        pool.acquire() as connection,
    ):
        await ASYNCPG.create(connection)
        with NO_TRANSACTION:
            async with ASYNCPG.turn(connection, request()):
                raise AssertionError
        async with connection.transaction(), ASYNCPG.turn(connection, request()) as turn:
            turn.finish()


async def test_the_other_drivers_say_the_same(other_driver: Service[Any]) -> None:
    """A life of two effects: done, repeated, undone; undone first, late; stale; forgotten."""
    asked = [
        request(token=1),
        request(token=1),
        request("undo", token=2),
        request("undo", token=2),
        request("undo", token=2, node="meal"),
        request(token=2, node="meal"),
    ]
    replies = [await other_driver.ask(each) for each in asked]

    assert replies == [
        (Verdict.CARRY_OUT, "booked"),
        (Verdict.REPEATED, "booked"),
        (Verdict.CARRY_OUT, "cancelled what was booked"),
        (Verdict.REPEATED, "cancelled what was booked"),
        (Verdict.NOTHING_TO_UNDO, None),
        (Verdict.TOO_LATE, None),
    ]
    with pytest.raises(TokenStale):
        await other_driver.ask(request(token=1, node="bag"))
    assert await other_driver.seats() == []
    async with other_driver.transaction() as connection:
        await other_driver.run(connection, "UPDATE saga_requests SET seen_at = seen_at - 100")
        assert await other_driver.forget(connection, unseen_seconds=50, most=2) == 2
        assert await other_driver.forget(connection, unseen_seconds=50, most=2) == 1
