"""The table of a participant on each database driver: a statement goes in, rows come out.

Nothing here begins, commits or gives up a transaction: that is the service's affair, and
so is the connection. What must stay true: a turn outside of a transaction is an error,
because the effect and its answer could then part. Drivers are not imported: whoever has
a connection has its driver.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar, final

from sagacity.participants.statements import (
    FORGET_POSTGRESQL,
    FORGET_SQLITE,
    INDEX,
    TABLE_POSTGRESQL,
    TABLE_SQLITE,
)
from sagacity.participants.turns import admission, ending

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence

    import psycopg

    from sagacity.participants.requests import Request
    from sagacity.participants.turns import Parameters, Row, Statement, Turn

    Rows: TypeAlias = Sequence[Row]

C = TypeVar("C")
R = TypeVar("R")

MOST_FORGOTTEN: Final = 10_000
"""The most rows that one call of `forget` removes."""

_NO_TRANSACTION: Final = (
    "this connection is not in a transaction: begin one first, so that the effect and its "
    "answer are committed together"
)


@final
class Table(Generic[C]):
    """The table of a participant that does not use asyncio."""

    def __init__(
        self,
        schema: str,
        forget: str,
        run: Callable[[C, str, Parameters], Rows],
        in_transaction: Callable[[C], bool],
    ) -> None:
        self._schema: Final = schema
        self._forget: Final = forget
        self._run: Final = run
        self._in_transaction: Final = in_transaction

    def create(self, connection: C) -> None:
        """Make the table, unless it is there."""
        self._run(connection, self._schema, {})
        self._run(connection, INDEX, {})

    @contextmanager
    def turn(self, connection: C, request: Request) -> Generator[Turn, None, None]:
        """Give `request` its turn in the transaction that `connection` is in.

        Waits while another transaction has a request with this key (or, at level fenced,
        of this saga). At the end of the block the answer is kept; commit after that.

        Raises:
            RequestRefused: it must not be carried out; give the transaction up.
            RuntimeError: there is no transaction, or the turn ended without an answer.
        """
        turn = self._drive(connection, admission(request))
        if not self._in_transaction(connection):
            raise RuntimeError(_NO_TRANSACTION)
        yield turn
        self._drive(connection, ending(turn))

    def forget(self, connection: C, *, unseen_seconds: int, most: int = 1_000) -> int:
        """Remove up to `most` rows that no request was about for so long; says how many.

        The time must be longer than any saga can be unfinished: see the page on participants.
        """
        return len(self._run(connection, self._forget, _forgetting(unseen_seconds, most)))

    def _drive(self, connection: C, steps: Generator[Statement, Row, R]) -> R:
        try:
            statement = next(steps)
            while True:
                [row] = self._run(connection, *statement)
                statement = steps.send(row)
        except StopIteration as end:
            given: R = end.value
            return given


@final
class AsyncTable(Generic[C]):
    """The table of a participant that uses asyncio; see `Table`, which it is but for `await`."""

    def __init__(
        self,
        run: Callable[[C, str, Parameters], Awaitable[Rows]],
        in_transaction: Callable[[C], bool],
    ) -> None:
        self._run: Final = run
        self._in_transaction: Final = in_transaction

    async def create(self, connection: C) -> None:
        """Make the table, unless it is there."""
        await self._run(connection, TABLE_POSTGRESQL, {})
        await self._run(connection, INDEX, {})

    @asynccontextmanager
    async def turn(self, connection: C, request: Request) -> AsyncGenerator[Turn, None]:
        """Give `request` its turn in the transaction that `connection` is in, as `Table.turn`."""
        turn = await self._drive(connection, admission(request))
        if not self._in_transaction(connection):
            raise RuntimeError(_NO_TRANSACTION)
        yield turn
        await self._drive(connection, ending(turn))

    async def forget(self, connection: C, *, unseen_seconds: int, most: int = 1_000) -> int:
        """Remove up to `most` rows that no request was about for so long, as `Table.forget`."""
        parameters = _forgetting(unseen_seconds, most)
        return len(await self._run(connection, FORGET_POSTGRESQL, parameters))

    async def _drive(self, connection: C, steps: Generator[Statement, Row, R]) -> R:
        try:
            statement = next(steps)
            while True:
                [row] = await self._run(connection, *statement)
                statement = steps.send(row)
        except StopIteration as end:
            given: R = end.value
            return given


def _forgetting(unseen_seconds: int, most: int) -> Parameters:
    if unseen_seconds < 0 or not 1 <= most <= MOST_FORGOTTEN:
        raise ValueError(
            f"unseen_seconds={unseen_seconds} must not be negative, "
            f"and most={most} must be within 1 .. {MOST_FORGOTTEN:,}"
        )
    return {"seconds": unseen_seconds, "most": most}


# --- the drivers: whatever the service has made of its rows, these are tuples ---


@cache
def _in_psycopg(sql: str) -> bytes:
    return re.sub(r":([a-z_]+)", r"%(\1)s", sql).encode()


@cache
def _in_asyncpg(sql: str) -> tuple[str, tuple[str, ...]]:
    names = tuple(dict.fromkeys(re.findall(r":([a-z_]+)", sql)))
    return re.sub(r":([a-z_]+)", lambda match: f"${names.index(match[1]) + 1}", sql), names


def _tuples(_: object) -> Callable[[Sequence[Any]], Row]:
    return tuple


def _run_sqlite(connection: sqlite3.Connection, sql: str, parameters: Parameters) -> Rows:
    cursor = connection.cursor()
    cursor.row_factory = None
    return cursor.execute(sql, parameters).fetchall()


def _run_psycopg(connection: psycopg.Connection[Any], sql: str, parameters: Parameters) -> Rows:
    with connection.cursor(row_factory=_tuples) as cursor:
        cursor.execute(_in_psycopg(sql), parameters)
        return cursor.fetchall() if cursor.description else []


async def _run_psycopg_async(
    connection: psycopg.AsyncConnection[Any], sql: str, parameters: Parameters
) -> Rows:
    async with connection.cursor(row_factory=_tuples) as cursor:
        await cursor.execute(_in_psycopg(sql), parameters)
        return await cursor.fetchall() if cursor.description else []


async def _run_asyncpg(connection: Any, sql: str, parameters: Parameters) -> Rows:
    text, names = _in_asyncpg(sql)
    rows = await connection.fetch(text, *(parameters[name] for name in names))
    return [tuple(row.values()) for row in rows]


def _psycopg_in_transaction(
    connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any],
) -> bool:
    return bool(connection.info.transaction_status)  # IDLE is 0


SQLITE: Final[Table[sqlite3.Connection]] = Table(
    TABLE_SQLITE, FORGET_SQLITE, _run_sqlite, lambda connection: connection.in_transaction
)
PSYCOPG: Final[Table[psycopg.Connection[Any]]] = Table(
    TABLE_POSTGRESQL, FORGET_POSTGRESQL, _run_psycopg, _psycopg_in_transaction
)
PSYCOPG_ASYNC: Final[AsyncTable[psycopg.AsyncConnection[Any]]] = AsyncTable(
    _run_psycopg_async, _psycopg_in_transaction
)
# asyncpg has no types, and a pool's connection is of another class than its own: either will do.
ASYNCPG: Final[AsyncTable[Any]] = AsyncTable(
    _run_asyncpg, lambda connection: connection.is_in_transaction()
)
