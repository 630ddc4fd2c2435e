"""Structured logs: an observer that writes a line for everything that happens.

Each record has the facts as fields (`extra`), for whatever formats it, and none of them
holds what users' data may be: no params, outputs or texts of errors.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

from sagacity.ports.observer import Observer

if TYPE_CHECKING:
    from uuid import UUID

    from sagacity.ports.observer import Notice

_LEVELS: Final = {"stuck": logging.ERROR, "hung": logging.WARNING, "unwinding": logging.WARNING}
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class LogObserver(Observer):
    """Writes a log record for each notice: `Sec(..., observers=[LogObserver()])`.

    The fields are those of `Notice` that apply: `event`, `saga_id`, `saga_name`, `owner`,
    `epoch`, `node`, `action`, `attempt`, `detail`, `error_kind`, `error_class`, `took_ms`,
    `by`, `reason`. `ctx.log` has `saga_id`, `node` and `attempt` too. `stuck` is an error,
    `hung` and `unwinding` are warnings, all else is information.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        """Write to `logger`: "sagacity.events", unless it is said."""
        self._logger: Final = logger or logging.getLogger("sagacity.events")

    def _write(self, notice: Notice) -> None:
        level = _LEVELS.get(notice.event, logging.INFO)
        if not self._logger.isEnabledFor(level):
            return
        fields = {name: getattr(notice, name) for name in notice.__struct_fields__}
        fields = {name: value for name, value in fields.items() if value not in ("", None, 0)}
        fields["saga_id"] = str(notice.saga_id)
        node = f' node "{notice.node}"' if notice.node else ""
        attempt = f" attempt {notice.attempt}" if notice.attempt else ""
        detail = f": {notice.detail}" if notice.detail else ""
        self._logger.log(
            level,
            "saga %s (%s)%s: %s%s%s",
            notice.saga_id, notice.saga_name, node, notice.event, attempt, detail,
            extra=fields,
        )  # fmt: skip

    before_attempt = after_attempt = before_undo = after_undo = _write
    adopted = released = decided = stuck = hung = unwinding = finished = _write

    def trouble(self, saga_id: UUID | None, error: Exception) -> None:
        """Write nothing: the engine logs its own troubles."""


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON: time, level, logger, message, and its fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told: dict[str, Any] = {
            "time_ms": round(record.created * 1_000),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        told |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)
