"""Events as lines of plain text: the log, and progress where there is no terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.cli.text import cut, moment, safe, safe_lines, shown_value, time_of_day
from sagacity.core.events import ErrorKind, EventKind

if TYPE_CHECKING:
    from sagacity.core.views import EventView

VALUE_CHARS: Final = 100
MESSAGE_CHARS: Final = 300
MORE_CHARS: Final = 10_000


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


def more_lines(event: EventView) -> list[str]:
    """Return all that an event says and its line shortens or leaves out."""
    if event.kind in _FAILURES:
        data, trace = event.data["data"], event.data["traceback"]
        attached = [] if data is None else [shown_value(data, MORE_CHARS)]
        message = safe_lines(_failure_of(event))
        long = len(message) > 1 or len(message[0]) > MESSAGE_CHARS
        return [*(message if long else ()), *attached, *(safe_lines(trace) if trace else ())]
    shown = event.data if event.kind is EventKind.SUCCEEDED else None
    if event.kind is EventKind.DECIDED:
        shown = event.data.get("value")
    text = "" if shown is None else shown_value(shown, MORE_CHARS)
    return [text] if len(text) > VALUE_CHARS or (event.kind is EventKind.DECIDED and text) else []


def _failure_of(event: EventView) -> str:
    data = event.data
    return failure_text(data["kind"], data["class"], data["message"])


def failure_text(kind: str, class_name: str, message: str) -> str:
    """Return what a failure says; of an exception, its class too."""
    message = str(message or kind)
    name = class_name if kind == ErrorKind.EXCEPTION else ""
    return f"{name}: {message}" if name and name != message else message


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
        return cut(safe(_failure_of(event)), MESSAGE_CHARS) + effect + again
    if event.kind is EventKind.DECIDED:
        because = f": {safe(data['reason'])}" if data["reason"] else ""
        verb = data["verb"].replace("_", " ")
        return cut(f"{verb}, by {safe(data['by'])}{because}", MESSAGE_CHARS)
    if event.kind is EventKind.ADOPTED and not isinstance(data, str):
        data = f"{data['owner']}, which has no code for it: {'; '.join(data['missing'])}"
    if event.kind in (EventKind.SUCCEEDED, EventKind.HEARTBEAT):
        return shown_value(data, VALUE_CHARS)
    return cut(safe(str(data)), MESSAGE_CHARS)
