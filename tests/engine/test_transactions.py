"""Actions that are transactions: effect and record become durable together, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from sagacity import (
    ActionFailed,
    Context,
    DagError,
    NoSuchInput,
    Retry,
    SagaUnwound,
    Sec,
    TransactionFailed,
    action,
    saga,
)
from sagacity.core.events import AttemptFailed, Effect
from sagacity.ports.store import Append
from sagacity.stores.memory import MemoryStore
from sagacity.testing import context


class Books(MemoryStore):
    """A store in a database that has a list of entries, too."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[str] = []
        self.ends: list[str] = []
        self.refused: list[Exception] = []
        """What the next commits raise."""

    async def begin(self) -> Entry:
        return Entry(self)


@dataclass
class Entry:
    """A transaction; its connection is the list of what it will enter."""

    books: Books
    connection: list[str] = field(default_factory=list[str])
    is_open: bool = True

    async def commit(self, append: Append) -> None:
        self.is_open = False
        if self.books.refused:
            self.books.ends.append("refused")
            raise self.books.refused.pop(0)
        await self.books.append(append)
        self.books.entries += self.connection
        self.books.ends.append("committed")

    async def take_back(self) -> None:
        if self.is_open:
            self.is_open = False
            self.books.ends.append("taken back")


@action(transaction=True, retry=Retry(attempts=2, backoff=0))
async def enter(ctx: Context[Any], text: str) -> str:
    ctx.connection.append(f"+{text}")
    if text == "bad":
        raise ActionFailed("no such entry")
    await asyncio.sleep(0)
    return text


@enter.undo
async def strike(ctx: Context[Any], text: str) -> None:
    ctx.connection.append(f"-{text}")


@saga
def line() -> str:
    first = enter.options(node="first").node("a")
    return enter.options(node="second", after=[first]).node("b")


@saga
def fan() -> str:
    both = [enter.options(node=f"n{each}").node(str(each)) for each in range(3)]
    return enter.options(node="last", after=both).node("end")


@saga
def bad() -> str:
    first = enter.options(node="first").node("a")
    return enter.options(node="second", after=[first]).node("bad")


async def test_effect_and_record_are_committed_together() -> None:
    """Also of the node whose output is the saga's."""
    books = Books()
    async with Sec(books, [line]) as sec:
        assert await sec.run(line) == "b"
    assert (books.entries, books.ends) == (["+a", "+b"], ["committed"] * 2)


async def test_transactions_of_parallel_nodes_are_committed_each_by_itself() -> None:
    """At most one append of a saga is in flight."""
    books = Books()
    async with Sec(books, [fan]) as sec:
        assert await sec.run(fan) == "end"
    assert sorted(books.entries) == ["+0", "+1", "+2", "+end"]
    assert books.entries[-1] == "+end"


async def test_what_fails_is_taken_back_and_what_was_done_is_undone_in_transactions() -> None:
    """A failure has no effect, whatever was written before it."""
    books = Books()
    async with Sec(books, [bad]) as sec:
        with pytest.raises(SagaUnwound):
            await sec.run(bad)
    assert books.entries == ["+a", "-a"]
    assert books.ends == ["committed", "taken back", "taken back", "committed"]


async def test_a_commit_that_the_database_refuses_is_a_failed_attempt_without_effect() -> None:
    """A deferred constraint, say: it is retried as any other failure."""
    books = Books()
    books.refused = [TransactionFailed("a constraint is violated")]
    async with Sec(books, [line]) as sec:
        handle = await sec.create(line)
        await handle.start()
        assert await handle.result() == "b"
        view = await handle.view()
    assert books.ends == ["refused", "committed", "committed"]
    (failed,) = [each.event for each in view.log if isinstance(each.event, AttemptFailed)]
    assert (failed.error.message, failed.effect) == ("a constraint is violated", Effect.NONE)


async def test_the_same_holds_for_an_undo() -> None:
    """It is patient, as all undos are."""
    books = Books()

    class RefusesFirstUndo(Entry):
        async def commit(self, append: Append) -> None:
            if self.connection == ["-a"] and "refused" not in books.ends:
                books.refused = [TransactionFailed("not now")]
            await super().commit(append)

    books.begin = lambda: _made(RefusesFirstUndo(books))  # type: ignore[method-assign]
    async with Sec(books, [bad]) as sec:
        handle = await sec.create(bad)
        await handle.start()
        await _until(lambda: "refused" in books.ends)
        await handle.retry(by="test")
        await handle.wait()
    assert books.entries == ["+a", "-a"]


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - there is nothing to listen to
            await asyncio.sleep(0)


async def _made(entry: Entry) -> Entry:
    return entry


async def test_a_saga_that_is_lost_before_the_commit_leaves_nothing() -> None:
    """The fence holds for what the action wrote, too."""
    books = Books()
    inside, go_on = asyncio.Event(), asyncio.Event()

    @action(transaction=True, no_undo="harmless")
    async def slow(ctx: Context[Any]) -> int:
        ctx.connection.append("slow")
        inside.set()
        await go_on.wait()
        return 1

    @saga
    def lone() -> int:
        return slow.node()

    async with Sec(books, [lone]) as sec:
        handle = await sec.create(lone)
        await handle.start()
        await inside.wait()
        books._sagas[handle.id.int].epoch += 1
        go_on.set()
        await _until(lambda: not sec._opened().driving.active)
    assert books.entries == []


async def test_a_transaction_that_is_cut_short_is_taken_back() -> None:
    """Draining leaves no transaction open."""
    books = Books()
    inside = asyncio.Event()

    @action(transaction=True, no_undo="harmless")
    async def endless(ctx: Context[Any]) -> None:
        inside.set()
        await asyncio.Event().wait()

    @saga
    def lone() -> None:
        return endless.node()

    async with Sec(books, [lone]) as sec:
        await (await sec.create(lone)).start()
        await inside.wait()
        await sec.drain(0)
    assert books.ends == ["taken back"]


async def test_a_store_without_transactions_refuses_such_actions() -> None:
    """At the start, and not in the middle of a saga."""
    with pytest.raises(TransactionFailed, match=r'action "enter".*postgresql://'):
        async with Sec(MemoryStore(), [line]):
            pass


def test_only_coroutine_functions_can_be_transactions() -> None:
    """A connection is not for other threads."""

    @action(transaction=True, no_undo="harmless")
    def blocking(ctx: Context[Any]) -> int:
        return 1

    with pytest.raises(DagError, match="must be async def"):

        @saga
        def wrong() -> int:
            return blocking.node()


async def test_a_connection_is_for_transactions_only() -> None:
    """In a unit test it is what the test gives."""
    entries: list[str] = []
    assert await enter(context(connection=entries), "x") == "x"
    assert entries == ["+x"]
    with pytest.raises(NoSuchInput, match="transaction=True"):
        _ = context().connection
