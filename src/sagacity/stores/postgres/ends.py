"""Who waits for the end of which saga, in this process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID


class Ends:
    """Waiters by saga."""

    def __init__(self) -> None:
        self._waiters: Final[dict[UUID, set[asyncio.Future[None]]]] = {}

    async def wait(self, saga_id: UUID, timeout_seconds: float) -> None:
        """Return when the saga may have ended, or after the time-out."""
        waiter = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(saga_id, set())
        waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout_seconds):
                await waiter
        except TimeoutError:
            pass
        finally:
            waiters.discard(waiter)
            if not waiters:
                self._waiters.pop(saga_id, None)

    def tell(self, saga_id: UUID) -> None:
        """A saga may have ended."""
        for waiter in self._waiters.get(saga_id, ()):
            if not waiter.done():
                waiter.set_result(None)

    def tell_all(self) -> None:
        """Any may have ended: something was missed."""
        for saga_id in [*self._waiters]:
            self.tell(saga_id)

    def tell_some(self, saga_ids: Iterable[UUID]) -> None:
        """Several may have ended."""
        for saga_id in saga_ids:
            self.tell(saga_id)
