"""Changes of a store, counted, and those who wait for the next one.

A change that somebody must act on (a command, a saga that nobody drives) wakes the
waiters at once. The rest, above all the appends of the coordinator itself, wakes
them once in a while: else a busy coordinator would wake itself with each append.
"""

from __future__ import annotations

import asyncio
from typing import Final

CALM_SECONDS: Final = 0.1
"""How long a change that nobody must act on may go unnoticed."""


class Changes:
    """A count of changes to wait on, for as long as the store object lives.

    It belongs to one event loop at a time: to that of those who wait.
    """

    __slots__ = ("_alarm", "_count", "_urgent", "_waiters")

    def __init__(self) -> None:
        self._count = 0
        self._urgent = 0
        self._waiters: set[asyncio.Future[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def count(self) -> int:
        """Of the changes so far."""
        return self._count

    def note(self) -> None:
        """Something changed; waiters hear of it within `CALM_SECONDS`."""
        self._count += 1
        if self._waiters and self._alarm is None:
            self._set_alarm()

    def note_now(self) -> None:
        """Something changed that somebody must act on; waiters hear of it at once."""
        self._count += 1
        self._urgent = self._count
        self._wake()

    async def wait(self, seen: int, timeout_seconds: float) -> int:
        """Return the count as soon as waiters hear that it is not `seen`, or after the time-out."""
        if self._urgent > seen:
            return self._count
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            if self._count > seen and self._alarm is None:
                self._set_alarm()
            async with asyncio.timeout(timeout_seconds):
                await waiter
        except TimeoutError:
            pass
        finally:
            self._waiters.discard(waiter)
        return self._count

    def _set_alarm(self) -> None:
        self._alarm = asyncio.get_running_loop().call_later(CALM_SECONDS, self._wake)

    def _wake(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
