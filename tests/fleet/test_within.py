"""Starting a saga within the user's own transaction: it exists exactly if that commits."""

from __future__ import annotations

import importlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
import sqlalchemy
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from sagacity import (
    Client,
    Context,
    NoSuchSaga,
    SagaExists,
    Sec,
    action,
    open_store,
    saga,
    start_within,
    start_within_async,
)
from tests.fleet.test_transactions import Reversing

ID = UUID(int=7)
connect_asyncpg: Any = importlib.import_module("asyncpg").connect  # it has no types


@action(no_undo="harmless")
async def greet(ctx: Context[Any], name: str) -> str:
    return f"hello {name}"


@saga
def greeting(name: str) -> str:
    return greet.node(name)


@pytest.fixture
async def url(postgres_url: str) -> str:
    """A database that has the tables."""
    async with Client(open_store(postgres_url)):
        return postgres_url


def with_driver(url: str, driver: str) -> str:
    return url.replace("postgresql://", f"postgresql+{driver}://")


@contextmanager
def plain_psycopg(url: str) -> Generator[Any]:
    factory: Any = dict_row  # rows as the user wants them are none of ours
    with psycopg.connect(url, row_factory=factory) as connection:
        yield connection


@contextmanager
def core_connection(url: str) -> Generator[Any]:
    engine = sqlalchemy.create_engine(with_driver(url, "psycopg"))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@contextmanager
def orm_session(url: str) -> Generator[Any]:
    engine = sqlalchemy.create_engine(with_driver(url, "psycopg"))
    with Session(engine) as session:
        yield session
    engine.dispose()


@asynccontextmanager
async def async_psycopg(url: str) -> AsyncGenerator[tuple[Any, Callable[[], Awaitable[Any]]]]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        yield connection, connection.commit


@asynccontextmanager
async def plain_asyncpg(url: str) -> AsyncGenerator[tuple[Any, Callable[[], Awaitable[Any]]]]:
    connection = await connect_asyncpg(url)
    transaction = connection.transaction()
    await transaction.start()
    yield connection, transaction.commit
    await connection.close()


@asynccontextmanager
async def async_sqlalchemy(
    url: str, driver: str
) -> AsyncGenerator[tuple[Any, Callable[[], Awaitable[Any]]]]:
    engine = create_async_engine(with_driver(url, driver))
    async with AsyncSession(engine) as session:
        yield session, session.commit
    await engine.dispose()


BLOCKING: list[Any] = [plain_psycopg, core_connection, orm_session]
ASYNC: list[Any] = [
    async_psycopg,
    plain_asyncpg,
    partial(async_sqlalchemy, driver="psycopg"),
    partial(async_sqlalchemy, driver="asyncpg"),
]


async def exists(url: str, saga_id: UUID) -> bool:
    async with Client(open_store(url)) as client:
        try:
            await client.get(saga_id)
        except NoSuchSaga:
            return False
        return True


@pytest.mark.parametrize("connecting", BLOCKING)
async def test_with_a_connection_that_blocks_it_exists_from_the_commit_on(
    url: str, connecting: Any
) -> None:
    """And runs; what was rolled back was never there."""
    with connecting(url) as connection:
        start_within(connection, greeting, "nobody", id=ID)
        connection.rollback()
        assert not await exists(url, ID)
        start_within(connection, greeting, "you", id=ID, labels={"a": "b"}, priority=3)
        assert not await exists(url, ID)
        connection.commit()
    async with Sec(open_store(url), [greeting]) as sec:
        assert await sec.handle(ID).result() == "hello you"
        summary = (await sec.list(labels={"a": "b"})).items[0]
        assert summary.id == ID


@pytest.mark.parametrize("connecting", ASYNC)
async def test_with_a_connection_of_asyncio_it_exists_from_the_commit_on(
    url: str, connecting: Any
) -> None:
    """A worker that waits hears of it."""
    async with AsyncExitStack() as stack:
        sec = await stack.enter_async_context(Sec(open_store(url), [greeting]))
        connection, commit = await stack.enter_async_context(connecting(url))
        saga_id = await start_within_async(connection, greeting, "you")
        assert not await exists(url, saga_id)
        await commit()
        assert await sec.handle(saga_id).result() == "hello you"


async def test_an_id_that_exists_is_the_same_saga_or_refused(url: str) -> None:
    """As everywhere."""
    with psycopg.connect(url) as connection:
        start_within(connection, greeting, "you", id=ID, codec=Reversing())
        connection.commit()
        assert start_within(connection, greeting, "you", id=ID, codec=Reversing()) == ID
        with pytest.raises(SagaExists):
            start_within(connection, greeting, "me", id=ID, codec=Reversing())


async def test_what_is_no_connection_or_in_no_transaction_is_refused(url: str) -> None:
    """Before anything is asked of it."""
    with pytest.raises(TypeError, match="is not a connection of psycopg 3, asyncpg"):
        start_within(object(), greeting, "you")
    with psycopg.connect(url, autocommit=True) as connection:
        with pytest.raises(ValueError, match="begin one first"):
            start_within(connection, greeting, "you")
        with connection.transaction():
            start_within(connection, greeting, "you")
        with pytest.raises(TypeError, match=r"Connection: use start_within\("):
            await start_within_async(connection, greeting, "you")
    connection = await connect_asyncpg(url)
    with pytest.raises(TypeError, match="await start_within_async"):
        start_within(connection, greeting, "you")
    with pytest.raises(ValueError, match="begin one first"):
        await start_within_async(connection, greeting, "you")
    await connection.close()
    with psycopg.connect(url) as blocking, pytest.raises(ValueError, match="schema="):
        start_within(blocking, greeting, "you", schema='x"; DROP')
