"""Errors as Steno writes them (`ActionError`, `UndoActionError`), to and from ours.

What Steno wrote is written again as it was (messages over our limit are cut): what the
message alone would lose is kept in `data`, and variants that we have no kind for under a
class name that nothing of ours has. Of an undo's error Steno keeps the text only, with
the number of the call in front; ours is told in the same words.
"""

from __future__ import annotations

from typing import Any, Final

from sagacity.core.events import MAX_MESSAGE_CHARS, ErrorKind, ErrorRecord
from sagacity.core.values import decode, encode
from sagacity.errors import NotSteno
from sagacity.steno.reading import member_of, object_at, text_at, value_at, variant_of

_INJECTED: Final = "error injected"
_SUBSAGA_CLASS: Final = "steno.SubsagaCreateFailed"
_UNDO_CLASS: Final = "steno.UndoActionError"

_MESSAGE_VARIANTS: Final = {
    "DeserializeFailed": (ErrorKind.INPUT, ""),
    "SerializeFailed": (ErrorKind.OUTPUT, ""),
    "SubsagaCreateFailed": (ErrorKind.ACTION_FAILED, _SUBSAGA_CLASS),
}
"""Steno's variants that hold a message and nothing else."""


def from_steno(document: Any, where: str) -> ErrorRecord:
    """Read an action's error.

    Raises:
        NotSteno: it is none, or holds a value that no log of ours may hold.
    """
    if document == "InjectedError":
        return ErrorRecord(ErrorKind.INJECTED, _INJECTED)
    variant, body = variant_of(document)
    if variant == "ActionFailed":
        place = f"{where}.ActionFailed"
        source = member_of(object_at(body, place), "source_error", place)
        data = value_at(source, f"{place}.source_error")
        # Text that fits is all there is to say; anything else is kept as it is.
        if isinstance(source, str) and len(source) <= MAX_MESSAGE_CHARS:
            return ErrorRecord(ErrorKind.ACTION_FAILED, source)
        return ErrorRecord(ErrorKind.ACTION_FAILED, _message_of(source), data=data)
    if variant in _MESSAGE_VARIANTS:
        place = f"{where}.{variant}"
        message = text_at(member_of(object_at(body, place), "message", place), f"{place}.message")
        kind, class_name = _MESSAGE_VARIANTS[variant]
        return ErrorRecord(kind, message[:MAX_MESSAGE_CHARS], class_name)
    variants = ", ".join(['"InjectedError"', "ActionFailed", *_MESSAGE_VARIANTS])
    raise NotSteno(f"{where}: {document!r:.80} is no error of an action; Steno has {variants}")


def to_steno(error: ErrorRecord) -> Any:
    """Write an action's error: what its author attached, or else the message."""
    match error.kind:
        case ErrorKind.INJECTED:
            return "InjectedError"
        case ErrorKind.INPUT:
            return {"DeserializeFailed": {"message": error.message}}
        case ErrorKind.OUTPUT:
            return {"SerializeFailed": {"message": error.message}}
        case _ if error.class_name == _SUBSAGA_CLASS:
            return {"SubsagaCreateFailed": {"message": error.message}}
        case _:
            source = error.message if error.data is None else decode(error.data)
            return {"ActionFailed": {"source_error": source}}


def undo_from_steno(document: Any, where: str) -> ErrorRecord:
    """Read an undo's error.

    Raises:
        NotSteno: it is none, or holds a value that no log of ours may hold.
    """
    variant, body = variant_of(document)
    if variant != "PermanentFailure":
        raise NotSteno(
            f"{where}: {document!r:.80} is no error of an undo; Steno has PermanentFailure"
        )
    place = f"{where}.PermanentFailure"
    source = member_of(object_at(body, place), "source_error", place)
    data = value_at(source, f"{place}.source_error")
    return ErrorRecord(ErrorKind.ACTION_FAILED, _message_of(source), _UNDO_CLASS, data)


def undo_to_steno(error: ErrorRecord) -> Any:
    """Write an undo's error; its data is lost, as that of Steno's own is."""
    if error.class_name == _UNDO_CLASS and error.data is not None:
        return {"PermanentFailure": {"source_error": decode(error.data)}}
    text = _INJECTED if error.kind is ErrorKind.INJECTED else error.message
    # The number counts the calls that an injected repetition asks for; there is one otherwise.
    message = f"undo action attempt 1: {text}"
    return {"PermanentFailure": {"source_error": {"message": message}}}


def _message_of(source: Any) -> str:
    """Return what a person should read of an error that may be any value."""
    match source:
        case str(text) | {"message": str(text)}:
            pass
        case _:
            text = encode(source).decode()
    return text[:MAX_MESSAGE_CHARS]
