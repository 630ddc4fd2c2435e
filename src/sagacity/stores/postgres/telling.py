"""Telling other processes what was written: soon after it is durable, and not with it.

A transaction that notifies takes a lock of the whole server when it commits and holds it
until it is on the disk, so no two of them share a flush. So the batches of a coordinator
do not notify. What they have to tell is gathered for a moment and told in a transaction
that writes nothing and waits for no disk. If the process dies in between, those who wait
look for themselves before long.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from sagacity.errors import StoreError
from sagacity.stores.postgres.batch import payloads
from sagacity.stores.postgres.columns import hex_of

if TYPE_CHECKING:
    from sagacity.stores.postgres.batch import Batch
    from sagacity.stores.postgres.pool import Pool, Try

_logger: Final = logging.getLogger(__name__)

GATHER_SECONDS: Final = 0.01
MAX_ENDED: Final = 100_000
"""More that nobody could be told of are forgotten."""


class Teller:
    """What is to be told, and who tells it."""

    def __init__(self, pool: Pool, channel: str, *, is_heard: bool) -> None:
        """`is_heard`: the server can tell others at all."""
        self._is_heard: Final = is_heard
        self._pool: Final = pool
        self._channel: Final = channel
        self._ended: dict[str, None] = {}
        self._wakes = False
        self._something: Final = asyncio.Event()

    def note(self, batch: Batch) -> None:
        """Tell of a batch that is durable."""
        if not self._is_heard:
            return
        for write in batch:
            if write.ends and len(self._ended) < MAX_ENDED:
                self._ended[hex_of(write.key)] = None
            self._wakes = self._wakes or write.wakes
        if self._ended or self._wakes:
            self._something.set()

    async def run(self) -> None:
        """Tell for as long as the store is open."""
        while True:
            await self._something.wait()
            if not self._wakes:
                await asyncio.sleep(GATHER_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Tell now what is to be told."""
        self._something.clear()
        ended, self._ended = self._ended, {}
        wakes, self._wakes = self._wakes, False
        told = payloads(list(ended), wakes=wakes)
        if told:
            try:
                await self._pool.call(partial(_tell, channel=self._channel, told=told))
            except StoreError as error:
                _logger.warning("cannot tell others of what was written: %s", error)


async def _tell(begun: Try, channel: str, told: list[str]) -> None:
    await begun.rows("tell_all", channel, told)
