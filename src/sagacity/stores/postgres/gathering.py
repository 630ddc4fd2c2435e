"""Whole sagas, several in one round trip: while some are read the next gather.

A worker that claims a thousand sagas reads a thousand logs, and so does whoever waits for
many. Each by itself would cost a round trip, and both sides more than the reading does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from sagacity.errors import NoSuchSaga, StoreCorrupt, StoreError
from sagacity.stores.postgres import reads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias
    from uuid import UUID

    from sagacity.ports.store import StoredSaga
    from sagacity.stores.postgres.pool import Pool

    Waiting: TypeAlias = tuple[UUID, asyncio.Future[StoredSaga]]

MAX_SAGAS: Final = 32
"""Of one round trip: logs can be large, and all of them are in memory at once."""


class Reader:
    """The queue of reads, and who empties it."""

    def __init__(self, pool: Pool) -> None:
        self._pool: Final = pool
        self._waiting: Final[deque[Waiting]] = deque()
        self._something: Final = asyncio.Event()
        self._ended = False

    async def read(self, saga_id: UUID) -> StoredSaga:
        """Return a saga whole, as it was at some moment after the call.

        Raises:
            NoSuchSaga: it is not there.
            StoreCorrupt: a part of it is damaged.
        """
        if self._ended:
            raise _not_open()
        answer: asyncio.Future[StoredSaga] = asyncio.get_running_loop().create_future()
        self._waiting.append((saga_id, answer))
        self._something.set()
        return await answer

    async def run(self) -> None:
        """Read what is asked for until cancelled; any number may do this at once."""
        taken: Sequence[Waiting] = ()
        try:
            while True:
                while not self._waiting:
                    self._something.clear()
                    await self._something.wait()
                taken = self._take()
                await self._answer(taken)
        finally:
            self._ended = True
            for _, answer in (*taken, *self._waiting):
                if not answer.done():
                    answer.set_exception(_not_open())
            self._waiting.clear()

    def _take(self) -> Sequence[Waiting]:
        taken: list[Waiting] = []
        while self._waiting and len(taken) < MAX_SAGAS:
            waiting = self._waiting.popleft()
            if not waiting[1].done():
                taken.append(waiting)
        return taken

    async def _answer(self, taken: Sequence[Waiting]) -> None:
        ids = [saga_id for saga_id, _ in taken]
        try:
            found: Mapping[UUID, StoredSaga | StoreError] = await self._pool.call(
                partial(reads.sagas, ids=ids), changes=False
            )
        except StoreCorrupt as error:
            # A damaged page of the database: the sagas on other pages can be read.
            if len(taken) > 1:
                for each in taken:
                    await self._answer([each])
                return
            found = dict.fromkeys(ids, error)
        except StoreError as error:
            found = dict.fromkeys(ids, error)
        for saga_id, answer in taken:
            stored = found.get(saga_id) or NoSuchSaga(saga_id)
            if answer.done():
                continue
            if isinstance(stored, StoreError):
                # A new one for each: one that is raised twice collects the traces of both.
                answer.set_exception(type(stored)(*stored.args))
            elif isinstance(stored, NoSuchSaga):
                answer.set_exception(stored)
            else:
                answer.set_result(stored)


def _not_open() -> StoreError:
    return StoreError("this store is not open")
