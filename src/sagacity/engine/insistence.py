"""The store, for as long as it makes trouble: what must be done is tried until it is.

A saga stands still meanwhile, each by itself. Every failure is reported. An error can
come after the effect (the answer to a commit was lost): whether it did is found out by
reading what is there, never guessed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sagacity.errors import NoSuchSaga, NotOwner, PayloadUnreadable, StoreCorrupt, StoreError
from sagacity.ports.transactions import Transactional

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sagacity.ports.store import Append, NewSaga, SagaStore, StoredSaga
    from sagacity.ports.transactions import Transaction

FIRST_RETRY_SECONDS: Final = 0.05
LONGEST_RETRY_SECONDS: Final = 5.0


class Insistence:
    """Repeats calls of one store."""

    def __init__(self, store: SagaStore, report: Callable[[UUID | None, Exception], None]) -> None:
        """`report` is told of each failure."""
        self._store: Final = store
        self._report: Final = report

    async def append(self, append: Append, error: StoreError) -> None:
        """Repeat an append that failed with `error`, until the store has it.

        Raises:
            NotOwner: another coordinator has the saga now.
        """
        if isinstance(error, NotOwner):
            raise error
        delay = FIRST_RETRY_SECONDS
        while True:
            self._report(append.saga_id, error)
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_RETRY_SECONDS)
            try:
                await self._store.append(append)
            except NotOwner:
                # Perhaps by our own doing: an error can come after the commit.
                if not await self._has(append):
                    raise
                return
            except StoreError as again:
                error = again
            else:
                return

    async def _has(self, append: Append) -> bool:
        """Whether the store holds exactly this append."""
        stored = await self.read(append.saga_id)
        written = (append.expected_sequence + 1, append.record)
        return stored.head.epoch == append.epoch and (
            written in stored.records or not append.event_count
        )

    async def has_created(self, saga: NewSaga) -> bool:
        """Whether the store holds exactly this saga, although creating it has failed."""
        try:
            stored = await self.read(saga.id)
        except (NoSuchSaga, StoreCorrupt, PayloadUnreadable):
            return False
        ours = stored.head.owner == saga.owner and stored.head.epoch == saga.epoch
        return ours and stored.records[0] == (1, saga.record)

    async def begin(self, saga_id: UUID) -> Transaction:
        """Begin a transaction for an attempt of a saga, however often it takes."""
        store, delay = self._store, FIRST_RETRY_SECONDS
        assert isinstance(store, Transactional)  # it was looked at when the store was opened
        while True:
            try:
                return await store.begin()
            except StoreError as error:
                self._report(saga_id, error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_RETRY_SECONDS)

    async def read(self, saga_id: UUID) -> StoredSaga:
        """Return one saga, however often it takes.

        Raises:
            NoSuchSaga: it does not exist.
            StoreCorrupt: it is damaged.
            PayloadUnreadable: its codec is not here.
        """
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                return await self._store.read(saga_id)
            except (StoreCorrupt, PayloadUnreadable):
                raise
            except StoreError as error:
                self._report(saga_id, error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_RETRY_SECONDS)
