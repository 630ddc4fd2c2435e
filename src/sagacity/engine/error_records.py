"""What is stored of an error that the user's code has raised, whatever it is: storable, bounded."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

from sagacity.core.events import MAX_MESSAGE_CHARS, MAX_TRACEBACK_CHARS, ErrorKind, ErrorRecord
from sagacity.core.values import encode
from sagacity.engine.apart import Elsewhere
from sagacity.engine.watch import CutOffError
from sagacity.errors import ActionFailed, UndoFailed, ValueNotStorable

if TYPE_CHECKING:
    from sagacity.core.values import Json

MAX_ERROR_DATA_BYTES: Final = 64 * 1024


def error_record(kind: ErrorKind, error: BaseException) -> ErrorRecord:
    """Return what is stored of `error`."""
    if isinstance(error, Elsewhere):
        return error.record_as(kind)  # made by this function, in another process
    reported = error if isinstance(error, ActionFailed | UndoFailed) else None
    try:
        # Joined, so that what comes of it is a plain text, whatever class it had.
        message = "".join((str(error if reported is None else reported.message),))
        message = message or type(error).__name__
    except BaseException:  # noqa: BLE001 - an error that cannot be rendered is still an error
        message = "(this error cannot be shown as text)"
    data: Json | None = None
    if reported is not None and reported.data is not None:
        try:
            data = encode(reported.data, limit_bytes=MAX_ERROR_DATA_BYTES)
        except ValueNotStorable as reason:
            message = f"{message} (its data cannot be stored: {reason})"
        except Exception as reason:  # noqa: BLE001 - a border: it is an object of the user's
            message = f"{message} (its data cannot be stored: {type(reason).__name__})"
    # What the author has reported, and what we have cut off, was raised where all know it.
    tells_more = kind is not ErrorKind.ACTION_FAILED and not isinstance(error, CutOffError)
    return ErrorRecord(
        kind,
        _storable(message, MAX_MESSAGE_CHARS),
        _storable(type(error).__qualname__, 200),
        data,
        _traceback(error) if tells_more else "",
    )


def _traceback(error: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception(error, limit=-20))
    except BaseException:  # noqa: BLE001 - hostile __str__ in the chain of causes
        return "(this traceback cannot be shown as text)"
    return _storable(text[-MAX_TRACEBACK_CHARS:], MAX_TRACEBACK_CHARS)


def _storable(text: str, limit: int) -> str:
    safe = text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    return safe if len(safe) <= limit else f"{safe[: limit - 3]}..."
