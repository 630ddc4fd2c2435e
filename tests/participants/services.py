"""A service that books seats, on each driver: one handler, and the driver's own words for it."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from importlib import import_module
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

import psycopg

from sagacity.participants import (
    ASYNCPG,
    PSYCOPG,
    PSYCOPG_ASYNC,
    SQLITE,
    Level,
    Request,
    Turn,
    Verdict,
    headers_for,
    read_request,
)
from sagacity.testing import context

Reply: TypeAlias = tuple[Verdict, Any]
C = TypeVar("C")

asyncpg: Any = import_module("asyncpg")  # it has no types


def request(
    direction: str = "do",
    token: int = 1,
    *,
    node: str = "seat",
    saga: int = 1,
    content: bytes = b"12A",
    level: Level = Level.FENCED,
) -> Request:
    """Return what a request of a saga is to its participant, by way of the headers."""
    ctx = context(node=node, undo=direction == "undo", saga_id=UUID(int=saga), fencing_token=token)
    return read_request(headers_for(ctx), content, level)


def carry_out(turn: Turn, request: Request, *, sold_out: bool = False) -> str:
    """Say what the turn comes to, and return the statement that makes it true."""
    if turn.verdict is not Verdict.CARRY_OUT:
        return "SELECT 1"
    if sold_out:
        turn.refuse("sold out")
        return "SELECT 1"
    if request.undo:
        turn.finish(f"cancelled what was {turn.done}")
        return f"DELETE FROM seats WHERE effect = '{request.effect}'"
    turn.finish("booked")
    return f"INSERT INTO seats VALUES ('{request.effect}')"


class Service(ABC, Generic[C]):
    """Books at most one seat for each effect, in the transaction of the turn."""

    def __init__(self, place: str) -> None:
        self.place = place

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[C]:
        """Open a connection and begin; commit at the end of the block."""

    @abstractmethod
    def turn(self, connection: C, request: Request) -> AbstractAsyncContextManager[Turn]: ...

    @abstractmethod
    async def run(self, connection: C, sql: str) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    async def create_table(self, connection: C) -> None: ...

    @abstractmethod
    async def forget(self, connection: C, unseen_seconds: int, most: int) -> int: ...

    async def create(self) -> None:
        async with self.transaction() as connection:
            await self.create_table(connection)
            await self.create_table(connection)  # as each start of the service does
            await self.run(connection, "CREATE TABLE seats (effect TEXT NOT NULL)")

    async def ask(self, request: Request, *, sold_out: bool = False) -> Reply:
        async with self.transaction() as connection, self.turn(connection, request) as turn:
            await self.run(connection, carry_out(turn, request, sold_out=sold_out))
        return turn.verdict, turn.answer

    async def seats(self) -> list[str]:
        async with self.transaction() as connection:
            return [effect for (effect,) in await self.run(connection, "SELECT effect FROM seats")]


class OnSqlite(Service[sqlite3.Connection]):
    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[sqlite3.Connection, None]:
        with begun(self.place) as connection:
            yield connection

    @asynccontextmanager
    async def turn(
        self, connection: sqlite3.Connection, request: Request
    ) -> AsyncGenerator[Turn, None]:
        with SQLITE.turn(connection, request) as turn:
            yield turn

    async def run(self, connection: sqlite3.Connection, sql: str) -> list[tuple[Any, ...]]:
        return connection.execute(sql).fetchall()

    async def create_table(self, connection: sqlite3.Connection) -> None:
        SQLITE.create(connection)

    async def forget(self, connection: sqlite3.Connection, unseen_seconds: int, most: int) -> int:
        return SQLITE.forget(connection, unseen_seconds=unseen_seconds, most=most)


@contextmanager
def begun(path: str, timeout: float = 30.0) -> Generator[sqlite3.Connection, None, None]:
    """Open a connection in a transaction that writes, and commit at the end of the block."""
    with closing(sqlite3.connect(path, timeout=timeout, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            yield connection


class OnPsycopg(Service[psycopg.Connection[Any]]):
    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[psycopg.Connection[Any], None]:
        with psycopg.connect(self.place) as connection:
            yield connection

    @asynccontextmanager
    async def turn(
        self, connection: psycopg.Connection[Any], request: Request
    ) -> AsyncGenerator[Turn, None]:
        with PSYCOPG.turn(connection, request) as turn:
            yield turn

    async def run(self, connection: psycopg.Connection[Any], sql: str) -> list[tuple[Any, ...]]:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []

    async def create_table(self, connection: psycopg.Connection[Any]) -> None:
        PSYCOPG.create(connection)

    async def forget(
        self, connection: psycopg.Connection[Any], unseen_seconds: int, most: int
    ) -> int:
        return PSYCOPG.forget(connection, unseen_seconds=unseen_seconds, most=most)


class OnPsycopgAsync(Service[psycopg.AsyncConnection[Any]]):
    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[psycopg.AsyncConnection[Any], None]:
        async with await psycopg.AsyncConnection.connect(self.place) as connection:
            yield connection

    def turn(
        self, connection: psycopg.AsyncConnection[Any], request: Request
    ) -> AbstractAsyncContextManager[Turn]:
        return PSYCOPG_ASYNC.turn(connection, request)

    async def run(
        self, connection: psycopg.AsyncConnection[Any], sql: str
    ) -> list[tuple[Any, ...]]:
        cursor = await connection.execute(sql.encode())
        return await cursor.fetchall() if cursor.description else []

    async def create_table(self, connection: psycopg.AsyncConnection[Any]) -> None:
        await PSYCOPG_ASYNC.create(connection)

    async def forget(
        self, connection: psycopg.AsyncConnection[Any], unseen_seconds: int, most: int
    ) -> int:
        return await PSYCOPG_ASYNC.forget(connection, unseen_seconds=unseen_seconds, most=most)


class OnAsyncpg(Service[Any]):
    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Any, None]:
        connection = await asyncpg.connect(self.place)
        try:
            async with connection.transaction():
                yield connection
        finally:
            await connection.close()

    def turn(self, connection: Any, request: Request) -> AbstractAsyncContextManager[Turn]:
        return ASYNCPG.turn(connection, request)

    async def run(self, connection: Any, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await connection.fetch(sql)]

    async def create_table(self, connection: Any) -> None:
        await ASYNCPG.create(connection)

    async def forget(self, connection: Any, unseen_seconds: int, most: int) -> int:
        return await ASYNCPG.forget(connection, unseen_seconds=unseen_seconds, most=most)
