"""`SqliteStore`: the port over one SQLite file, which any number of processes have open.

What is where: this file says what each method of the port is made of; `writer` decides
when to write, `batch` and `operations` what, `reads` what to read, `rows` turns rows
into what the port speaks of, and the SQL is in `queries.sql` and `pending.sql`.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sagacity.errors import NoSuchSaga, NotOwner, StoreBusy, StoreError
from sagacity.ports.store import DRIVEN, MAX_INBOX, MAX_PAGE
from sagacity.stores._changes import Changes
from sagacity.stores._limits import (
    check_adoption,
    check_append,
    check_command,
    check_ids,
    check_limit,
    check_new,
    check_order,
    check_query,
)
from sagacity.stores._threads import run_in_thread
from sagacity.stores._whole import whole
from sagacity.stores.sqlite import operations, reads
from sagacity.stores.sqlite.batch import Verdict
from sagacity.stores.sqlite.connecting import open_writer
from sagacity.stores.sqlite.coordinator_lock import CoordinatorLock
from sagacity.stores.sqlite.readers import Readers
from sagacity.stores.sqlite.rows import write_of_append, write_of_command, write_of_create
from sagacity.stores.sqlite.writer import Writer

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Sequence
    from uuid import UUID

    from sagacity.ports.store import (
        Append,
        Coordinator,
        InboxCommand,
        NewSaga,
        Order,
        SagaHead,
        SagaQuery,
        SagaStatus,
        StoredSaga,
    )

POLL_SECONDS: Final = 0.075
"""Between two looks at whether another process has written."""
TURN_SECONDS: Final = 0.05
"""Between two tries of a coordinator that waits for its turn."""
MAX_KNOWN_DEFINITIONS: Final = 10_000
CREATE_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class _Opened:
    """What there is while the store is open."""

    thread: ThreadPoolExecutor
    writer: Writer
    readers: Readers


class SqliteStore:
    """Sagas in one file (and, beside it, SQLite's own two and the coordinator's lock)."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Name the file; nothing is touched before `open`."""
        self._path: Final = Path(path)
        self._lock: Final = CoordinatorLock(self._path)
        self._opened: _Opened | None = None
        self._changes: Final = Changes()
        self._known_definitions: Final[set[str]] = set()
        """Fingerprints that were in the file: their documents need not be sent again."""
        self._definitions_in_hand: Final[dict[str, asyncio.Event]] = {}
        """Fingerprints that somebody is storing just now, and the end of that."""

    async def open(self) -> None:
        if self._opened is not None:
            return
        thread = ThreadPoolExecutor(1, thread_name_prefix="sagacity-writer")
        work = run_in_thread(thread, self._open_files)
        try:
            connection, readers = await whole(work)
        except BaseException:
            if work.exception() is None:
                _close_files(*work.result())
            thread.shutdown()
            raise
        self._opened = _Opened(thread, Writer(connection, self._path, thread), readers)

    async def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is None:
            return
        self._changes.note_now()
        try:
            await opened.writer.close()
            await whole(run_in_thread(opened.thread, opened.readers.close))
        finally:
            # Not before the last write: nobody else drives while this one still writes.
            self._lock.release()
            opened.thread.shutdown()

    async def acquire(self, owner: str, *, wait: bool) -> int:
        opened = self._now_open()
        while not self._lock.take():
            # Not held by a coordinator: somebody looked just now, or it has just ended.
            if not wait and self._lock.is_held():
                holder = await opened.readers.read(reads.coordinator)
                raise StoreBusy(f'{self._path}: coordinator "{holder.owner}" drives this store')
            await asyncio.sleep(TURN_SECONDS)
            opened = self._now_open()
        try:
            return await opened.writer.transact(operations.begin_epoch, owner)
        except BaseException:
            self._lock.release()
            raise

    async def release(self) -> None:
        self._lock.release()

    async def renew(self) -> None:
        self._now_open()
        if not self._lock.is_mine:
            raise NotOwner(f"{self._path}: this is not the coordinator")

    async def coordinators(self) -> Sequence[Coordinator]:
        readers = self._now_open().readers
        return (await readers.read(reads.coordinator),) if self._lock.is_held() else ()

    async def create(self, saga: NewSaga) -> SagaHead | None:
        opened = self._now_open()
        check_new(saga)
        write = write_of_create(saga)
        for _ in range(CREATE_TRIES):
            await self._make_known(opened, saga)
            verdict = opened.writer.write_on_the_spot(write)
            if verdict is None:
                verdict = await opened.writer.write(write)
            if verdict is Verdict.ACCEPTED:
                if saga.owner:
                    self._changes.note()
                else:
                    self._changes.note_now()
                return None
            existing = await opened.readers.read(reads.head, saga.id)
            if existing is not None:
                return existing
            # Somebody deleted the definition with its last saga, or the saga itself.
            self._known_definitions.discard(saga.definition.fingerprint)
        raise StoreError(f"saga {saga.id} comes and goes: somebody deletes it all the time")

    async def append(self, append: Append) -> None:
        opened = self._opened
        if opened is None:
            opened = self._now_open()
        check_append(append)
        write = write_of_append(append)
        verdict = opened.writer.write_on_the_spot(write)
        if verdict is None:
            verdict = await opened.writer.write(write)
        if verdict is not Verdict.ACCEPTED:
            sequence, epoch = await opened.readers.read(reads.position, append.saga_id)
            raise NotOwner(
                f"saga {append.saga_id} is at sequence {sequence} of epoch {epoch}; this "
                f"append expected {append.expected_sequence} of epoch {append.epoch}"
            )
        self._changes.note()

    async def adopt(
        self,
        owner: str,
        epoch: int,
        *,
        ids: Sequence[UUID] | None = None,
        states: frozenset[SagaStatus] = DRIVEN,
        unfit: Sequence[str] = (),
        limit: int = MAX_PAGE,
    ) -> Sequence[SagaHead]:
        opened = self._now_open()
        check_adoption(states, unfit, limit)
        if ids is not None:
            check_ids(ids)
        elif await opened.readers.read(reads.is_all_adopted, epoch):
            # Asked for often; this spares a transaction each time.
            return ()
        which = states, unfit, limit
        adopted = await opened.writer.transact(operations.adopt, owner, epoch, ids, which)
        self._changes.note()
        return adopted

    async def disown(self, owner: str, ids: Sequence[UUID]) -> None:
        del owner
        self._now_open()
        check_ids(ids)

    async def read(self, saga_id: UUID) -> StoredSaga:
        return await self._now_open().readers.read(reads.saga, saga_id)

    async def list(self, query: SagaQuery) -> Sequence[SagaHead]:
        check_query(query)
        return await self._now_open().readers.read(reads.heads, query)

    async def newest(self, name: str, *, limit: int = 100) -> Sequence[SagaHead]:
        check_limit(limit)
        return await self._now_open().readers.read(reads.newest, name, limit)

    async def send(self, command: InboxCommand) -> bool:
        opened = self._now_open()
        check_command(command)
        write = write_of_command(command)
        verdict = opened.writer.write_on_the_spot(write)
        if verdict is None:
            verdict = await opened.writer.write(write)
        match verdict:
            case Verdict.NO_SUCH_SAGA:
                raise NoSuchSaga(command.saga_id)
            case Verdict.INBOX_FULL:
                raise StoreError(f"the inbox is full: {MAX_INBOX:,} commands wait to be taken")
            case _:
                self._changes.note_now()
                return verdict is Verdict.ACCEPTED

    async def take(
        self, *, owner: str | None = None, limit: int = MAX_PAGE
    ) -> Sequence[InboxCommand]:
        del owner  # there is no other coordinator
        check_limit(limit)
        return await self._now_open().readers.read(reads.waiting_commands, limit)

    async def done(self, request_ids: Sequence[UUID]) -> None:
        opened = self._now_open()
        check_ids(request_ids)
        await opened.writer.transact(operations.finish_commands, request_ids)
        self._changes.note()

    async def delete(self, ids: Sequence[UUID]) -> int:
        opened = self._now_open()
        check_ids(ids)
        removed = await opened.writer.transact(operations.delete, ids)
        self._changes.note()
        return removed

    async def keep_order(self, order: Order) -> bool:
        opened = self._now_open()
        check_order(order)
        kept = await opened.writer.transact(operations.keep_order, order)
        self._changes.note_now()
        return kept

    async def orders(self, kind: str) -> Sequence[Order]:
        return await self._now_open().readers.read(reads.orders, kind)

    async def drop_order(self, order_id: UUID) -> None:
        await self._now_open().writer.transact(operations.drop_order, order_id)
        self._changes.note_now()

    async def wait_for_change(self, seen: int, timeout_seconds: float) -> int:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + timeout_seconds
        while True:
            if await self._now_open().writer.others_have_written():
                self._changes.note_now()
            left_seconds = max(0, give_up_at - loop.time())
            mark = await self._changes.wait(seen, min(POLL_SECONDS, left_seconds))
            self._now_open()
            if mark != seen or left_seconds <= POLL_SECONDS:
                return mark

    async def wait_for_end(self, saga_id: UUID, timeout_seconds: float) -> None:
        del saga_id
        await self.wait_for_change(self._changes.count, timeout_seconds)

    def _now_open(self) -> _Opened:
        if self._opened is None:
            raise StoreError(f"{self._path}: this store is not open")
        return self._opened

    def _open_files(self) -> tuple[sqlite3.Connection, Readers]:
        connection = open_writer(self._path)
        try:
            return connection, Readers(self._path)
        except BaseException:
            connection.close()
            raise

    async def _make_known(self, opened: _Opened, saga: NewSaga) -> None:
        fingerprint = saga.definition.fingerprint
        while fingerprint not in self._known_definitions:
            in_hand = self._definitions_in_hand.get(fingerprint)
            if in_hand is not None:
                # Looked at again afterwards: who had it in hand may have been cancelled.
                await in_hand.wait()
                continue
            in_hand = self._definitions_in_hand[fingerprint] = asyncio.Event()
            try:
                await opened.writer.transact(operations.insert_definition, saga.definition)
                if len(self._known_definitions) >= MAX_KNOWN_DEFINITIONS:
                    self._known_definitions.clear()
                self._known_definitions.add(fingerprint)
            finally:
                del self._definitions_in_hand[fingerprint]
                in_hand.set()


def _close_files(connection: sqlite3.Connection, readers: Readers) -> None:
    connection.close()
    readers.close()
