"""Watches a call of the user's code: that it ends in time, and that it is heard of.

A watch only tells; whoever waits for the call decides what becomes of it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from sagacity.core.events import ErrorKind

if TYPE_CHECKING:
    from sagacity.engine.clock import Alarm, Clock
    from sagacity.engine.heartbeats import Pulse


class CutOffError(Exception):
    """Ours: the call was given up, or lost. `lingering` is its end, None if it has ended."""

    kind: ErrorKind

    def __init__(self, message: str) -> None:
        self.lingering: asyncio.Future[Any] | None = None
        super().__init__(message)


class TimedOutError(CutOffError):
    """Ours: the call took longer than it may."""

    kind = ErrorKind.TIMED_OUT


class HeartbeatLostError(CutOffError):
    """Ours: the call was silent for longer than it may."""

    kind = ErrorKind.HEARTBEAT_LOST


class ProcessDiedError(CutOffError):
    """Ours: the process of the call ended, and nobody knows what the call was in the middle of."""

    kind = ErrorKind.PROCESS_DIED


class Watch:
    """How long a call may take (`seconds`) and be silent (`silence`); None: without end."""

    def __init__(
        self, clock: Clock, seconds: float | None, silence: float | None, pulse: Pulse | None
    ) -> None:
        """Begin with nothing to watch; `pulse` has the heartbeats of the call."""
        self._clock: Final = clock
        self._seconds: Final = seconds
        self._silence: Final = silence
        self._pulse: Final = pulse
        self._alarm: Alarm | None = None
        self._next_look: Alarm | None = None
        self.expired: Final[asyncio.Future[CutOffError]] = (
            asyncio.get_running_loop().create_future()
        )
        """What has happened to the call, once it has."""

    def start(self) -> None:
        """The call begins now."""
        now_ms = self._clock.now_ms()
        if self._seconds is not None:
            at_ms = now_ms + round(self._seconds * 1_000)
            self._alarm = self._clock.call_at(at_ms, self._time_out)
        if self._pulse is not None and self._silence is not None:
            self._pulse.last_ms = now_ms
            self._listen(self._pulse, self._silence)

    def stop(self) -> None:
        """Nobody is interested any more."""
        for alarm in (self._alarm, self._next_look):
            if alarm is not None:
                alarm.cancel()
        self._alarm = self._next_look = None  # they call us: nobody else is to hold us now

    def _time_out(self) -> None:
        self._expire(TimedOutError(f"it took longer than {self._seconds:g} s"))

    def _listen(self, pulse: Pulse, silence: float) -> None:
        """Look again when the heartbeat that is the last one now has become too old."""
        silent_at_ms = pulse.last_ms + round(silence * 1_000)
        if silent_at_ms <= self._clock.now_ms():
            self._expire(HeartbeatLostError(f"no heartbeat for {silence:g} s"))
        else:
            self._next_look = self._clock.call_at(
                silent_at_ms, lambda: self._listen(pulse, silence)
            )

    def _expire(self, error: CutOffError) -> None:
        if not self.expired.done():
            self.expired.set_result(error)
