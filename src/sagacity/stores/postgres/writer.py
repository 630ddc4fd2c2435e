"""When writes are written: while one commit is under way the next batch gathers.

One connection writes. Whoever writes waits for the answer, so a batch is never larger than
what is in flight; and it is bounded in rows and bytes. It has half of what is in flight,
so that the one half is at work while the other is written. Kinds take turns. Who comes
alone, as the one before did, writes by himself: to wake another task for it takes longer
than all else here.

What the server says about the whole (no space, no right) is told to all. What fails one
write alone does not harm the others: then each is tried alone. When the connection is
lost nobody knows whether the batch is in: it is sent again on a new connection, where a
write that is in already is refused (its sequence has gone by, its id is in use); then the
log is read, and what is found there as it was sent is accepted. Never is anything written
because it is merely not seen yet.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from sagacity.errors import StoreError
from sagacity.stores.postgres.batch import Kind, Verdict, has_landed, settle
from sagacity.stores.postgres.connecting import close_session, open_session
from sagacity.stores.postgres.driver import ERRORS, sqlstate_of
from sagacity.stores.postgres.failures import FOR_ALL, Answer, answer_to, store_error
from sagacity.stores.postgres.pool import AGAIN_TRIES, RECONNECT_TRIES, Try, delay_seconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence
    from typing import TypeAlias

    from sagacity.stores.postgres.address import Address
    from sagacity.stores.postgres.batch import Write
    from sagacity.stores.postgres.driver import Connection
    from sagacity.stores.postgres.telling import Teller

    Outcome: TypeAlias = Verdict | StoreError | ValueError
    Waiting: TypeAlias = tuple[Write, asyncio.Future[Verdict]]

NO_DEFINITION: Final = "23503"
"""The only foreign key that a write can break."""
LATE: Final = {Verdict.NOT_CURRENT, Verdict.NOT_NEW, Verdict.SENT_BEFORE}
"""Verdicts of what may be in already."""
MIN_ROWS: Final = 16
"""So few are not halved any more."""
MAX_ROWS: Final = 250
"""Of one batch (docs/decisions/0010-postgres-driver.md)."""
MAX_BYTES: Final = 8 * 1024 * 1024
"""Of one batch; a single write may be larger."""
MAX_QUEUED_BYTES: Final = 64 * 1024 * 1024
"""More has to wait before it is queued."""


class Writer:
    """The queue of writes, and the one who empties it."""

    def __init__(
        self, address: Address, queries: Mapping[str, str], channel: str, teller: Teller
    ) -> None:
        """`teller` tells others of what was written."""
        self._loop: Final = asyncio.get_running_loop()
        self._teller: Final = teller
        self._address: Final = address
        self._queries: Final = queries
        self._channel: Final = channel
        self._queues: Final[dict[Kind, deque[Waiting]]] = {kind: deque() for kind in Kind}
        self._queued_bytes = 0
        self._something: Final = asyncio.Event()
        self._room: Final = asyncio.Event()
        self._room.set()
        self._connection: Connection | None = None
        self._is_writing = False
        self._last_rows = 0
        """How many the batch before had."""
        self._last_of: Final = dict.fromkeys(Kind, 0)
        """And the one before of each kind: those who waited for it will soon write again."""
        self._closing = False
        self._ended: Final = asyncio.Event()

    def write(self, write: Write) -> Awaitable[Verdict]:
        """Write durably and return what came of it; to be awaited at once.

        Raises when awaited:
            StoreError: it could not be written, or nobody knows (the text says which).
        """
        if self._closing or self._queued_bytes > MAX_QUEUED_BYTES:
            return self._write_later(write)
        if self._last_rows <= 1 and not self._is_busy():
            return self._write_alone(write)
        answer: asyncio.Future[Verdict] = self._loop.create_future()
        self._queues[write.kind].append((write, answer))
        self._queued_bytes += write.size_bytes
        self._something.set()
        return answer

    async def run(self) -> None:
        """Write what is queued, until told to close and all is written."""
        try:
            while not self._closing or self._is_busy():
                if not self._is_writing:
                    for kind, queue in self._queues.items():
                        if queue:
                            await self._write_some(self._take(kind, queue))
                if self._is_writing or not (self._closing or self._is_busy()):
                    self._something.clear()
                    await self._something.wait()
        finally:
            self._closing = True
            self._fail_the_rest()
            try:
                if self._connection is not None:
                    await close_session(self._connection)
            finally:
                self._ended.set()

    async def close(self) -> None:
        """Take nothing more, and return when the rest is written."""
        self._closing = True
        self._something.set()
        self._room.set()
        await self._ended.wait()

    def _fail_the_rest(self) -> None:
        for queue in self._queues.values():
            while queue:
                _, answer = queue.popleft()
                if not answer.done():
                    answer.set_exception(self._not_open())
        self._room.set()

    def _not_open(self) -> StoreError:
        return StoreError(f"{self._address.shown}: this store is not open")

    def _is_busy(self) -> bool:
        return self._is_writing or any(self._queues.values())

    async def _write_later(self, write: Write) -> Verdict:
        while self._queued_bytes > MAX_QUEUED_BYTES:
            self._room.clear()
            await self._room.wait()
        if self._closing:
            raise self._not_open()
        return await self.write(write)

    async def _write_alone(self, write: Write) -> Verdict:
        # When it is cut short nobody asks what came of it; the connection is not used again.
        self._is_writing = True
        try:
            (outcome,) = await self._outcomes([write])
        finally:
            self._is_writing = False
            if self._closing or self._is_busy():
                self._something.set()
        if isinstance(outcome, Verdict):
            return outcome
        raise outcome

    async def _write_some(self, taken: Sequence[Waiting]) -> None:
        if not taken:
            return
        self._is_writing, self._last_rows = True, len(taken)
        try:
            outcomes = await self._outcomes([write for write, _ in taken])
        except BaseException as error:
            for _, answer in taken:
                if not answer.done():
                    answer.set_exception(
                        StoreError(f"{self._address.shown}: the store has ended: {error!r:.200}")
                    )
            raise
        finally:
            self._is_writing = False
        for (_, answer), outcome in zip(taken, outcomes, strict=True):
            if answer.done():
                continue
            if isinstance(outcome, Verdict):
                answer.set_result(outcome)
            else:
                answer.set_exception(outcome)

    def _take(self, kind: Kind, queue: deque[Waiting]) -> Sequence[Waiting]:
        taken: dict[int, Waiting] = {}
        size_bytes = 0
        in_flight = len(queue) + self._last_of[kind]
        most = min(MAX_ROWS, max(MIN_ROWS, in_flight // 2))
        while queue and len(taken) < most:
            write, answer = queue[0]
            if taken and (write.key in taken or size_bytes + write.size_bytes > MAX_BYTES):
                break
            queue.popleft()
            self._queued_bytes -= write.size_bytes
            if not answer.done():
                taken[write.key] = (write, answer)
                size_bytes += write.size_bytes
        self._room.set()
        self._last_of[kind] = len(taken)
        if kind is not Kind.SEND:
            # So that two processes lock rows in the same order.
            return [waiting for _, waiting in sorted(taken.items())]
        return [*taken.values()]

    async def _outcomes(self, batch: Sequence[Write]) -> Sequence[Outcome]:
        """Return what comes of a batch, however many tries that takes and are allowed."""
        again = reconnected = 0
        while True:
            try:
                connection = await self._connected()
            except ERRORS as error:
                reconnected += 1
                if answer_to(error) is not Answer.RECONNECT or reconnected >= RECONNECT_TRIES:
                    return self._failed(batch, error)
                await asyncio.sleep(delay_seconds(again + reconnected))
                continue
            except StoreError as error:
                return [StoreError(str(error)) for _ in batch]
            begun = Try(connection, self._queries, self._address.timeout_seconds)
            try:
                return await self._settle(begun, batch)
            except ERRORS as error:
                answer = answer_to(error)
                again += 1
                if sqlstate_of(error) == NO_DEFINITION and len(batch) == 1:
                    return [Verdict.NO_DEFINITION]
                if answer is Answer.RECONNECT or connection.is_closed():
                    self._drop()
                    reconnected += 1
                    for write in batch:
                        write.in_doubt = True
                elif answer is not Answer.AGAIN or sqlstate_of(error) == NO_DEFINITION:
                    if answer in FOR_ALL or len(batch) == 1:
                        return self._failed(batch, error)
                    return [outcome for write in batch for outcome in await self._outcomes([write])]
                if again >= AGAIN_TRIES or reconnected >= RECONNECT_TRIES:
                    return self._failed(batch, error)
            except BaseException:
                self._drop()
                raise
            await asyncio.sleep(delay_seconds(again + reconnected))

    async def _settle(self, begun: Try, batch: Sequence[Write]) -> Sequence[Verdict]:
        verdicts = await settle(begun, batch, self._channel, tells=False)
        if any(write.in_doubt for write in batch):
            verdicts = [
                Verdict.ACCEPTED
                if write.in_doubt and verdict in LATE and await has_landed(begun, write)
                else verdict
                for write, verdict in zip(batch, verdicts, strict=True)
            ]
        self._teller.note(batch)
        return verdicts

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await open_session(self._address, self._queries)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def _failed(self, batch: Sequence[Write], error: Exception) -> Sequence[Outcome]:
        # A new one for each: an exception that is raised twice collects the traces of both.
        return [store_error(error, self._address.shown, unknown=w.in_doubt) for w in batch]
