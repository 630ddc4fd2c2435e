"""When writes are written: on the spot while there is one, together when there are many.

Theory of operation. There is one connection that writes, used by the event loop's
thread or by the writer's own, never by both. Writes that are asked for while it is in
use, or within one turn of the event loop, are gathered and written as one batch.

* A single write, when nobody else wants to write, is written on the spot, on the event
  loop's thread: on a good disk a commit takes less than to hand it to a thread and back.
* A few writes are written there as well, at the end of the turn.
* A larger batch is the thread's: while it waits for the disk the event loop goes on.
* When the disk is slow, or another process holds the lock, everything is the thread's.

The figures behind this are in docs/decisions/0003-sqlite-writer.md.

A caller that is cancelled takes its write out of the batch if that has not begun; if it
has, the write is whole, and nobody waits for the answer.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

from sagacity.errors import StoreError
from sagacity.stores._threads import run_in_thread
from sagacity.stores._whole import whole
from sagacity.stores.sqlite.batch import MAX_BYTES, MAX_ROWS, Verdict, settle, settle_at_once
from sagacity.stores.sqlite.connecting import PAGE_BYTES
from sagacity.stores.sqlite.failures import store_error
from sagacity.stores.sqlite.files import QUERIES
from sagacity.stores.sqlite.transactions import MAX_OPERATIONS, carry_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

    from sagacity.stores.sqlite.batch import Outcome
    from sagacity.stores.sqlite.rows import Write
    from sagacity.stores.sqlite.transactions import Operation, Result

P = ParamSpec("P")
T = TypeVar("T")

A_FEW: Final = 16
"""So many writes are written on the event loop's thread."""
SLOW_SECONDS: Final = 0.001
"""A commit of a few writes that takes longer than this is not for the event loop's thread."""
WEIGHT_OF_NEWEST: Final = 0.125
"""Of the newest commit, in the mean of what a commit on the event loop's thread takes."""
PATIENCE_FACTOR: Final = 100.0
"""On a slow disk one commit is tried there still after so many times what it took."""
MAX_QUEUED: Final = 16_384
MAX_QUEUED_BYTES: Final = 64 * 1024 * 1024
"""Callers above these limits wait for room before their write is queued."""
CHECKPOINT_PAGES: Final = 1_000
"""With so many pages in the log, by estimate, they are moved to the file."""
PAGES_OF_OPERATION: Final = 4


class Writer:
    """The one connection that writes. It belongs to the event loop that it was made in."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, thread: ThreadPoolExecutor
    ) -> None:
        """Take over `connection`, which nobody else may use from now on."""
        self._connection: Final = connection
        self._path: Final = path
        self._loop: Final = asyncio.get_running_loop()
        self._thread: Final = thread
        self._writes: Final[deque[tuple[Write, asyncio.Future[Verdict]]]] = deque()
        self._queued_bytes = 0
        self._room: Final = asyncio.Event()
        self._operations: Final[deque[tuple[Operation, asyncio.Future[Any]]]] = deque()
        self._operations_came_last = False
        self._in_thread = False
        """Whether the connection is the thread's now."""
        self._due = False
        """Whether `_begin` will run at the end of this turn of the event loop."""
        self._in_turn = 0
        """Writes made on the spot in this turn."""
        self._first_in_turn: asyncio.Task[Any] | None = None
        """Who made them: in a turn it is one task's, so that two share a commit."""
        self._crowded = False
        """Whether more than one wanted to write in the last turn with a write."""
        self._commit_seconds = 0.0
        self._try_again_at = 0.0
        """When a disk that was slow may be tried on the event loop's thread once more."""
        self._log_pages = 0
        self._data_version = _data_version(connection)
        self._closing = False
        self._when_idle: asyncio.Future[None] | None = None

    # -- what is asked for -----------------------------------------------------

    def write_on_the_spot(self, write: Write) -> Verdict | None:
        """Write now and return the verdict; None when now is not the time.

        Raises:
            StoreError: the disk failed.
        """
        if (
            self._crowded
            or self._in_thread
            or self._due
            or self._log_pages >= CHECKPOINT_PAGES
            or self._closing
            or not self._is_quick()
        ):
            return None
        task = asyncio.current_task(self._loop)
        if self._in_turn and (task is not self._first_in_turn or self._in_turn >= A_FEW):
            return None
        outcomes = self._settle_here((write,))
        if outcomes is None:
            return None
        if not self._in_turn:
            self._first_in_turn = task
            self._loop.call_soon(self._end_turn)
        self._in_turn += 1
        outcome = outcomes[0]
        if isinstance(outcome, Verdict):
            return outcome
        raise outcome

    async def write(self, write: Write) -> Verdict:
        """Write along with others, and return the verdict.

        Raises:
            StoreError: it could not be written.
            ValueError: SQLite cannot hold a value of it.
        """
        while len(self._writes) >= MAX_QUEUED or self._queued_bytes >= MAX_QUEUED_BYTES:
            self._room.clear()
            await self._room.wait()
        self._check_open()
        answer: asyncio.Future[Verdict] = self._loop.create_future()
        self._writes.append((write, answer))
        self._queued_bytes += write.size_bytes
        self._schedule()
        return await answer

    async def transact(
        self,
        operation: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Return what `operation` returns, when what it wrote is durable.

        Raises:
            SagacityError: what it raised, or that SQLite could not do it.
        """
        self._check_open()
        answer: asyncio.Future[T] = self._loop.create_future()
        self._operations.append((lambda each: operation(each, *args, **kwargs), answer))
        self._schedule()
        return await answer

    async def others_have_written(self) -> bool:
        """Whether another connection has changed the file since this was last asked.

        Raises:
            StoreError: SQLite could not tell.
        """
        self._check_open()
        if self._in_thread or self._due:
            version = await self.transact(_data_version)
        else:
            try:
                version = _data_version(self._connection)
            except sqlite3.Error as error:
                raise store_error(error, self._path) from error
        changed = version != self._data_version
        self._data_version = version
        return changed

    async def close(self) -> None:
        """Finish what was asked for, and close the connection. Called once."""
        self._closing = True
        if self._in_thread or self._due:
            self._when_idle = self._loop.create_future()
            await self._when_idle
        await whole(run_in_thread(self._thread, self._connection.close))

    def _check_open(self) -> None:
        if self._closing:
            raise StoreError(f"{self._path}: this store is not open: it was closed meanwhile")

    # -- a turn of the event loop ------------------------------------------------

    def _schedule(self) -> None:
        if not self._due and not self._in_thread:
            self._due = True
            self._loop.call_soon(self._begin)

    def _go_on(self) -> None:
        # Only if there is something to do: a turn that is due is no time for a write on
        # the spot, and one lonely saga would never get back to that.
        if self._writes or self._operations or self._when_idle is not None:
            self._schedule()

    def _end_turn(self) -> None:
        if not self._due:
            self._in_turn, self._first_in_turn = 0, None

    def _begin(self) -> None:
        """Begin what comes next; nothing uses the connection now."""
        self._due = False
        if self._log_pages >= CHECKPOINT_PAGES:
            self._log_pages = 0
            self._give_to_thread(partial(_checkpoint, self._connection), _nobody)
        elif self._operations and not (self._writes and self._operations_came_last):
            self._operations_came_last = True
            self._begin_operations()
        elif self._writes:
            self._operations_came_last = False
            self._begin_batch()
        elif self._when_idle is not None and not self._when_idle.done():
            self._when_idle.set_result(None)
        self._in_turn, self._first_in_turn = 0, None

    def _begin_operations(self) -> None:
        count = min(len(self._operations), MAX_OPERATIONS)
        taken = [self._operations.popleft() for _ in range(count)]
        operations = [operation for operation, answer in taken if not answer.done()]
        answers = [answer for _, answer in taken if not answer.done()]
        self._log_pages += PAGES_OF_OPERATION * len(operations)
        self._give_to_thread(
            partial(carry_out, self._connection, self._path, operations),
            partial(_answer_operations, answers),
        )

    def _begin_batch(self) -> None:
        writes, answers = self._take_batch()
        self._crowded = len(writes) + self._in_turn > 1
        if len(writes) <= A_FEW and self._is_quick():
            outcomes = self._settle_here(writes) if writes else ()
            if outcomes is not None:
                _answer(answers, outcomes)
                self._go_on()
                return
        self._log_pages += _pages(writes)
        self._give_to_thread(
            partial(settle, self._connection, self._path, writes),
            partial(_answer_batch, answers),
        )

    def _take_batch(self) -> tuple[Sequence[Write], Sequence[asyncio.Future[Verdict]]]:
        writes: list[Write] = []
        answers: list[asyncio.Future[Verdict]] = []
        size_bytes = 0
        queue = self._writes
        while queue and len(writes) < MAX_ROWS:
            write, answer = queue[0]
            if writes and size_bytes + write.size_bytes > MAX_BYTES:
                break
            queue.popleft()
            self._queued_bytes -= write.size_bytes
            if not answer.done():
                size_bytes += write.size_bytes
                writes.append(write)
                answers.append(answer)
        self._room.set()
        return writes, answers

    # -- on this thread or the other -----------------------------------------------

    def _is_quick(self) -> bool:
        return self._commit_seconds <= SLOW_SECONDS or self._loop.time() >= self._try_again_at

    def _settle_here(self, writes: Sequence[Write]) -> Sequence[Outcome] | None:
        began = perf_counter()
        outcomes = settle_at_once(self._connection, self._path, writes)
        if outcomes is not None:
            self._note_commit(perf_counter() - began)
            self._log_pages += _pages(writes)
        return outcomes

    def _note_commit(self, seconds: float) -> None:
        # Only commits of this thread are measured: those of the other include its waits
        # for Python's lock, which say nothing of the disk.
        if self._commit_seconds > SLOW_SECONDS:
            self._commit_seconds = seconds
        else:
            # Bounded: one hiccup is not a slow disk.
            newest = min(seconds, 4 * SLOW_SECONDS)
            self._commit_seconds += WEIGHT_OF_NEWEST * (newest - self._commit_seconds)
        if self._commit_seconds > SLOW_SECONDS:
            self._try_again_at = self._loop.time() + PATIENCE_FACTOR * seconds

    def _give_to_thread(
        self, work: Callable[[], T], answer: Callable[[asyncio.Future[T]], None]
    ) -> None:
        self._in_thread = True

        def finish(done: asyncio.Future[T]) -> None:
            self._in_thread = False
            answer(done)
            self._go_on()

        run_in_thread(self._thread, work).add_done_callback(finish)


def _answer_batch(
    answers: Sequence[asyncio.Future[Verdict]], done: asyncio.Future[Sequence[Outcome]]
) -> None:
    error = done.exception()
    if error is not None:
        _fail(answers, error)
    else:
        _answer(answers, done.result())


def _answer(answers: Iterable[asyncio.Future[Verdict]], outcomes: Iterable[Outcome]) -> None:
    for answer, outcome in zip(answers, outcomes, strict=True):
        if answer.done():
            continue
        if isinstance(outcome, Verdict):
            answer.set_result(outcome)
        else:
            answer.set_exception(outcome)


def _answer_operations(
    answers: Sequence[asyncio.Future[Any]], done: asyncio.Future[Sequence[Result]]
) -> None:
    error = done.exception()
    if error is not None:
        _fail(answers, error)
        return
    for answer, (value, refusal) in zip(answers, done.result(), strict=True):
        if answer.done():
            continue
        if refusal is None:
            answer.set_result(value)
        else:
            answer.set_exception(refusal)


def _fail(answers: Iterable[asyncio.Future[Any]], error: BaseException) -> None:
    """Pass on an error that is a mistake of ours: SQLite's are among the outcomes."""
    for answer in answers:
        if not answer.done():
            answer.set_exception(error)


def _nobody(done: asyncio.Future[None]) -> None:
    done.result()


def _pages(writes: Sequence[Write]) -> int:
    """Return about how many pages a batch adds to the log; many writes share theirs."""
    count = len(writes)
    if count == 1:
        return 2 + writes[0].size_bytes // PAGE_BYTES
    return min(2 * count, 96 + count // 4) + sum([w.size_bytes for w in writes]) // PAGE_BYTES


def _data_version(connection: sqlite3.Connection) -> int:
    version = connection.execute(QUERIES["data_version"]).fetchone()[0]
    assert isinstance(version, int)
    return version


def _checkpoint(connection: sqlite3.Connection) -> None:
    try:
        connection.execute(QUERIES["checkpoint"]).fetchall()
    except sqlite3.Error:
        # Nothing is lost: it stays in the log, and the next checkpoint tries again. What
        # is wrong (a full disk) is told to the next write that it keeps from its work.
        return
