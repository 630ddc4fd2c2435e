"""Transactional actions on a real PostgreSQL: effect and record together, exactly once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from sagacity import Context, NotOwner, Retry, SagaUnwound, Sec, action, open_store, saga
from sagacity.core.events import AttemptFailed, EventKind
from sagacity.errors import TransactionFailed
from sagacity.ports.transactions import Transaction, Transactional
from sagacity.stores.postgres import driver
from sagacity.testing.checkers import judge

TABLE = """
CREATE TABLE entry (text text PRIMARY KEY, of text REFERENCES entry DEFERRABLE INITIALLY DEFERRED)
"""


@pytest.fixture
async def entries(postgres_url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection of a bystander to the user's own table."""
    connection = await psycopg.AsyncConnection.connect(postgres_url, autocommit=True)
    async with connection:
        await connection.execute(TABLE)
        yield connection


async def texts(entries: psycopg.AsyncConnection[Any]) -> list[str]:
    cursor = await entries.execute("SELECT text FROM entry ORDER BY text")
    return [row[0] for row in await cursor.fetchall()]


@action(transaction=True, retry=Retry(attempts=2, backoff=0))
async def enter(ctx: Context[Any], text: str) -> str:
    parent = "nobody" if text == "bad" else None
    await ctx.connection.execute("INSERT INTO entry VALUES ($1, $2)", text, parent)
    return text


@enter.undo
async def strike(ctx: Context[Any], text: str) -> None:
    await ctx.connection.execute("DELETE FROM entry WHERE text = $1", text)


@saga
def fan() -> str:
    both = [enter.options(node=f"n{each}").node(str(each)) for each in range(3)]
    return enter.options(node="last", after=both).node("end")


@saga
def bad() -> str:
    first = enter.options(node="first").node("a")
    return enter.options(node="second", after=[first]).node("bad")


async def test_what_actions_write_is_there_with_their_records(
    postgres_url: str, entries: psycopg.AsyncConnection[Any]
) -> None:
    """Parallel ones included."""
    async with Sec(open_store(postgres_url), [fan]) as sec:
        assert await sec.run(fan) == "end"
    assert await texts(entries) == ["0", "1", "2", "end"]


async def test_what_the_database_refuses_at_the_commit_has_failed_without_effect(
    postgres_url: str, entries: psycopg.AsyncConnection[Any]
) -> None:
    """A deferred constraint: it is retried, then the saga unwinds, each undo in a transaction."""
    async with Sec(open_store(postgres_url), [bad]) as sec:
        handle = await sec.create(bad)
        await handle.start()
        with pytest.raises(SagaUnwound, match="violates foreign key"):
            await handle.result()
        view = await handle.view()
    assert await texts(entries) == []
    assert [each.event.effect for each in view.log if isinstance(each.event, AttemptFailed)] == [
        "none"
    ]
    assert judge(view.dag, view.log) == []


async def test_an_action_that_commits_by_itself_is_told_so(
    postgres_url: str, entries: psycopg.AsyncConnection[Any]
) -> None:
    """Nobody could say what belongs to what."""

    @action(transaction=True, no_undo="harmless")
    async def hasty(ctx: Context[Any]) -> None:
        await ctx.connection.execute("COMMIT")

    @saga
    def lone() -> None:
        return hasty.node()

    async with Sec(open_store(postgres_url), [lone]) as sec:
        with pytest.raises(SagaUnwound, match="has ended the transaction"):
            await sec.run(lone)


@pytest.mark.parametrize("landed", [True, False])
async def test_a_lost_answer_to_the_commit_is_looked_up(
    postgres_url: str,
    entries: psycopg.AsyncConnection[Any],
    monkeypatch: pytest.MonkeyPatch,
    landed: bool,
) -> None:
    """It runs again exactly if it was not committed."""
    store = open_store(postgres_url)
    assert isinstance(store, Transactional)
    begin, lost = store.begin, [True]

    async def begin_and_lose() -> Transaction:
        transaction: Any = await begin()
        if lost:
            lost.pop()
            connection = transaction.connection
            execute = connection.execute

            async def execute_and_lose(query: str, *args: Any, **options: Any) -> str:
                if query.strip() != "COMMIT":
                    return str(await execute(query, *args, **options))
                if landed:
                    await execute(query)
                raise ConnectionResetError("the answer is lost")

            transaction._begun.connection = _Other(connection, execute_and_lose)
        return transaction  # type: ignore[no-any-return]

    monkeypatch.setattr(store, "begin", begin_and_lose)
    async with Sec(store, [fan]) as sec:
        handle = await sec.create(fan)
        await handle.start()
        assert await handle.result() == "end"
        view = await handle.view()
    assert await texts(entries) == ["0", "1", "2", "end"]
    begun = [each for each in view.log if each.event.kind is EventKind.STARTED]
    assert len(begun) == (4 if landed else 5)
    assert judge(view.dag, view.log) == []


class _Other:
    """A connection with another `execute`."""

    def __init__(self, connection: Any, execute: Any) -> None:
        self._connection = connection
        self.execute = execute

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


async def test_the_fence_holds_for_what_the_action_wrote(
    postgres_url: str, entries: psycopg.AsyncConnection[Any]
) -> None:
    """A stale owner's transaction is taken back whole."""

    @action(transaction=True, no_undo="harmless")
    async def overtaken(ctx: Context[Any]) -> None:
        await ctx.connection.execute("INSERT INTO entry VALUES ('late')")
        await entries.execute("UPDATE sagacity.head SET epoch = epoch + 1, owner = 'another'")

    @saga
    def lone() -> None:
        return overtaken.node()

    async with Sec(open_store(postgres_url), [lone]) as sec:
        handle = await sec.create(lone)
        await handle.start()
        execution = sec._opened().driving.running(handle.id)
        assert execution is not None
        with pytest.raises((NotOwner, TransactionFailed)):
            await sec._opened().driving.waiters.add(handle.id)
    assert await texts(entries) == []


class Reversing:
    """A codec that can be seen."""

    name = "reversing"

    def encode(self, payload: bytes) -> bytes:
        return payload[::-1]

    def decode(self, payload: bytes) -> bytes:
        return payload[::-1]


async def test_records_in_transactions_are_encoded_too(
    postgres_url: str, entries: psycopg.AsyncConnection[Any]
) -> None:
    """Where there is a codec."""
    async with Sec(open_store(postgres_url, codec=Reversing()), [fan]) as sec:
        assert await sec.run(fan) == "end"
    cursor = await entries.execute("SELECT convert_from(record, 'UTF8') FROM sagacity.log")
    records = [row[0] for row in await cursor.fetchall()]
    assert records
    assert all("reversing" in each for each in records)


async def test_a_statement_of_an_action_does_not_wait_for_ever(
    postgres_url: str, entries: psycopg.AsyncConnection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the network swallows the answer, say; what was done before it is taken back."""
    monkeypatch.setattr(driver, "USER_SECONDS", 0.2)

    @action(transaction=True, no_undo="harmless")
    async def endless(ctx: Context[Any]) -> None:
        await ctx.connection.execute("INSERT INTO entry VALUES ('early')")
        await ctx.connection.execute("SELECT pg_sleep(600)")

    @saga
    def lone() -> None:
        return endless.node()

    async with Sec(open_store(postgres_url), [lone]) as sec:
        with pytest.raises(SagaUnwound):
            await sec.run(lone)
    assert await texts(entries) == []
