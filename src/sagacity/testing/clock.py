"""A clock for tests: it stands still until it is moved."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

START_MS: Final = 1_700_000_000_000


class ManualClock:
    """For `Sec(..., clock=ManualClock())`: retries and time-outs come when the test says so."""

    def __init__(self, start_ms: int = START_MS) -> None:
        """Stand at `start_ms`, milliseconds since the Unix epoch."""
        self._now_ms = start_ms
        self._alarms: list[tuple[int, int, _ManualAlarm]] = []
        self._numbers: Final = count()
        self._watchers: list[asyncio.Future[None]] = []

    def now_ms(self) -> int:
        """Return milliseconds since the Unix epoch, UTC."""
        return self._now_ms

    def call_at(self, when_ms: int, callback: Callable[[], None]) -> _ManualAlarm:
        """Have `callback` called when the clock is moved to `when_ms` or beyond."""
        alarm = _ManualAlarm(callback)
        heapq.heappush(self._alarms, (when_ms, next(self._numbers), alarm))
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(None)
        self._watchers.clear()
        return alarm

    @property
    def next_ms(self) -> int | None:
        """When the next thing is due; None if nothing is."""
        while self._alarms and self._alarms[0][2].callback is None:
            heapq.heappop(self._alarms)
        return self._alarms[0][0] if self._alarms else None

    async def until_awaited(self) -> None:
        """Wait until somebody waits for the clock."""
        while self.next_ms is None:
            watcher = asyncio.get_running_loop().create_future()
            self._watchers.append(watcher)
            await watcher

    def move(self, seconds: float) -> None:
        """Let so many seconds pass: what falls due is called back, in order."""
        end_ms = self._now_ms + round(seconds * 1_000)
        while (due_ms := self.next_ms) is not None and due_ms <= end_ms:
            _, _, alarm = heapq.heappop(self._alarms)
            self._now_ms = max(self._now_ms, due_ms)
            callback, alarm.callback = alarm.callback, None
            if callback is not None:
                callback()
        self._now_ms = end_ms


class _ManualAlarm:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Let it not happen."""
        self.callback = None
