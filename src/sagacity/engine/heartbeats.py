"""Heartbeats of attempts: heard at once, and written into the log now and then.

    ctx.heartbeat(detail) -> Pulse (any thread) -> Heartbeats (the event loop) -> the log

Each heartbeat counts for whoever watches the attempt. The log has of several within
`STORED_EVERY_SECONDS` only the last, so a body may tell as many as it likes: one of a
node waits to be written, at the most. What waits when the attempt fails is written
with its outcome; a crash of the coordinator loses it.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from sagacity.core.events import Heartbeat, Succeeded, UndoFinished
from sagacity.core.transitions import NodeStatus

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sagacity.core.events import Event
    from sagacity.core.state import SagaState
    from sagacity.core.values import Json
    from sagacity.engine.clock import Alarm, Clock
    from sagacity.engine.journal import Journal

STORED_EVERY_SECONDS: Final = 10.0
"""How old the detail that is in the log can be, while the attempt goes on."""


class Listening(Protocol):
    """The saga whose attempts are heard."""

    @property
    def state(self) -> SagaState:
        """What its log adds up to now."""
        ...

    def hear_heartbeat(self, pulse: Pulse) -> None:
        """Take what `pulse` has to tell, in the event loop."""
        ...


class Pulse:
    """The heartbeats of one attempt."""

    __slots__ = ("_clock", "_detail", "_loop", "_saga", "_waits", "attempt", "before", "last_ms",
                 "node", "undo")  # fmt: skip

    def __init__(
        self,
        saga: Listening,
        node: int,
        attempt: int,
        *,
        undo: bool,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Begin to listen; made by any thread."""
        self._saga: Final = saga
        self._clock: Final = clock
        self._loop: Final = loop
        self.node: Final = node
        self.attempt: Final = attempt
        self.undo: Final = undo
        heartbeats = saga.state.heartbeats
        self.before: Final = None if heartbeats is None else heartbeats.get(node)
        """The last detail of the attempts before."""
        self.last_ms = clock.now_ms()
        self._detail: Json | None = None
        self._waits = False

    def beat(self, detail: Json | None) -> None:
        """Be alive. Of an attempt that has ended this does nothing. Called by any thread."""
        self.last_ms = self._clock.now_ms()
        if detail is not None:
            self._detail = detail
        if not self._waits:  # else what is to be told is told with what waits
            self._waits = True
            with suppress(RuntimeError):  # the loop is closed, and the attempt over
                self._loop.call_soon_threadsafe(self.tell)

    def tell(self) -> None:
        """Hand over what waits, if anything does."""
        if self._waits:
            self._saga.hear_heartbeat(self)

    def take(self) -> Json | None:
        """Return the detail that waits, once."""
        self._waits = False  # before it is read: what comes between is told again, not lost
        detail, self._detail = self._detail, None
        return detail

    def is_current(self) -> bool:
        """Whether the attempt is in flight."""
        state, node = self._saga.state, self.node
        counts = state.undo_attempts if self.undo else state.attempts
        return (
            node in state.in_flight
            and counts.get(node) == self.attempt
            and (state.status[node] is NodeStatus.UNDO_STARTED) is self.undo
        )


class Heartbeats:
    """What the attempts of one saga have told and the log has not yet."""

    __slots__ = ("_alarms", "_clock", "_journal", "_pulses", "_stored_ms", "_wake", "ready")

    def __init__(self, journal: Journal, clock: Clock, wake: Callable[[], None]) -> None:
        """`wake` is called when something is to be recorded in `journal`."""
        self._journal: Final = journal
        self._clock: Final = clock
        self._wake: Final = wake
        self._pulses: dict[int, Pulse] = {}
        """Of the nodes that have told something."""
        self._alarms: dict[int, Alarm] = {}
        self._stored_ms: dict[int, int] = {}
        self.ready: dict[int, None] = {}
        """Nodes whose heartbeat is to be recorded now."""

    def hear(self, pulse: Pulse) -> None:
        """Take a heartbeat, to be recorded at once if the last one was long enough ago."""
        node = pulse.node
        if not pulse.is_current() or node in self._pulses:
            return
        self._pulses[node] = pulse
        stored_ms = self._stored_ms.get(node)
        at_ms = 0 if stored_ms is None else stored_ms + round(STORED_EVERY_SECONDS * 1_000)
        if at_ms <= self._clock.now_ms():
            self._ring(node)
        else:
            self._alarms[node] = self._clock.call_at(at_ms, partial(self._ring, node))

    def _ring(self, node: int) -> None:
        self._alarms.pop(node, None)
        self.ready[node] = None
        self._wake()

    def record(self) -> None:
        """Record all that are ready."""
        ready, self.ready = self.ready, {}
        for node in ready:
            self._record(node)

    def end(self, node: int, outcome: Event) -> None:
        """The attempt of `node` has an outcome, about to be recorded: nothing of it waits on."""
        failed = not isinstance(outcome, Succeeded | UndoFinished)
        alarm = self._alarms.pop(node, None)
        if alarm is not None:
            alarm.cancel()
        if failed and node in self._pulses:
            self._record(node)
        self._pulses.pop(node, None)
        self.ready.pop(node, None)
        self._stored_ms.pop(node, None)

    def _record(self, node: int) -> None:
        pulse = self._pulses.pop(node)
        detail = pulse.take()
        if pulse.is_current():
            self._stored_ms[node] = self._clock.now_ms()
            self._journal.record(Heartbeat(node, detail))

    def stop(self) -> None:
        """Nothing is recorded any more."""
        for alarm in self._alarms.values():
            alarm.cancel()
        self._alarms.clear()
        self._pulses.clear()
        self.ready.clear()
