"""Events as lines of plain text: the log, and progress where there is no terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.cli.text import cut, moment, safe, shown_value, time_of_day
from sagacity.core.events import EventKind

if TYPE_CHECKING:
    from sagacity.core.views import EventView

VALUE_CHARS: Final = 100
MESSAGE_CHARS: Final = 300


_FAILURES: Final = frozenset(
    {
        EventKind.ATTEMPT_FAILED,
        EventKind.FAILED,
        EventKind.UNDO_ATTEMPT_FAILED,
        EventKind.UNDO_FAILED,
    }
)


def event_text(event: EventView) -> str:
    """Return what an event says, in one line."""
    parts = [event.kind.value.replace("_", " ")]
    if event.node is not None:
        parts.insert(0, safe(event.node))
    if event.attempt is not None and event.attempt > 1:
        parts.append(f"(attempt {event.attempt})")
    told = _data_text(event)
    return f"{' '.join(parts)}: {told}" if told else " ".join(parts)


def log_line(event: EventView) -> str:
    """Return an event of the log, with its place, its time and its epoch."""
    return f"{event.sequence:>5}  {moment(event.time_ms)}  {event.epoch:>3}  {event_text(event)}"


def progress_line(event: EventView) -> str:
    """Return an event as it happens."""
    return f"{time_of_day(event.time_ms)}  {event_text(event)}"


def _data_text(event: EventView) -> str:
    data = event.data
    if data is None or data == "":
        return ""
    if event.kind in _FAILURES:
        effect = f" (effect {data['effect']})" if "effect" in data else ""
        again = f"; again at {time_of_day(data['retry_at_ms'])}" if "retry_at_ms" in data else ""
        return cut(safe(str(data["message"] or data["kind"])), MESSAGE_CHARS) + effect + again
    if event.kind is EventKind.DECIDED:
        because = f": {safe(data['reason'])}" if data["reason"] else ""
        verb = data["verb"].replace("_", " ")
        return cut(f"{verb}, by {safe(data['by'])}{because}", MESSAGE_CHARS)
    if event.kind is EventKind.SUCCEEDED:
        return shown_value(data, VALUE_CHARS)
    return cut(safe(str(data)), MESSAGE_CHARS)
