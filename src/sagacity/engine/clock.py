"""The clock of a coordinator: what time it is, and waking up at a time.

Wall time, because what is due must survive a restart. A clock that jumps makes a
retry early or late and nothing else: correctness never hangs on it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from sagacity.engine.system import wall_ms

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_SLEEP_SECONDS: Final = 3_600.0
"""Then it looks at the wall clock again, which may have been set meanwhile."""


class Alarm(Protocol):
    """Something that will happen, unless it is cancelled."""

    def cancel(self) -> None:
        """Let it not happen."""
        ...


class Clock(Protocol):
    """Tells the time, and calls back at a time. Belongs to the running event loop."""

    def now_ms(self) -> int:
        """Return milliseconds since the Unix epoch, UTC."""
        ...

    def call_at(self, when_ms: int, callback: Callable[[], None]) -> Alarm:
        """Have `callback` called in the event loop once it is `when_ms`."""
        ...


class SystemClock:
    """The machine's."""

    now_ms = staticmethod(wall_ms)  # itself, as each append asks

    def call_at(self, when_ms: int, callback: Callable[[], None]) -> Alarm:
        """Have `callback` called in the event loop once it is `when_ms`."""
        return _SystemAlarm(when_ms, callback)


class _SystemAlarm:
    __slots__ = ("_callback", "_handle", "_loop", "_when_ms")

    def __init__(self, when_ms: int, callback: Callable[[], None]) -> None:
        self._when_ms: Final = when_ms
        self._callback: Final = callback
        self._loop: Final = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = self._sleep()

    def _sleep(self) -> asyncio.TimerHandle:
        left_seconds = (self._when_ms - wall_ms()) / 1_000
        return self._loop.call_later(min(max(left_seconds, 0), LONGEST_SLEEP_SECONDS), self._wake)

    def _wake(self) -> None:
        self._handle = None  # it calls us: else only the cyclic collector would free either
        if wall_ms() >= self._when_ms:
            self._callback()
        else:
            self._handle = self._sleep()

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
