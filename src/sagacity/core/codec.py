"""Events to stored records and back.

One append is one record: `[format, time_ms, epoch, [event, ...]]`, canonical JSON.
An event is an array that begins with its kind; outputs and error data stand in it
as they are. Reading trusts nothing: what this engine cannot have written is
`LogCorrupt`, whatever its form, and a record cannot choose how it is decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson
from msgspec import Raw
from msgspec.json import Encoder

from sagacity.core.events import (
    Adopted,
    AttemptFailed,
    Created,
    Decided,
    Effect,
    ErrorKind,
    ErrorRecord,
    Failed,
    FinalState,
    Finished,
    Heartbeat,
    How,
    Released,
    Started,
    StartRequested,
    Succeeded,
    UndoAttemptFailed,
    UndoFailed,
    UndoFinished,
    UndoStarted,
    Unwinding,
)
from sagacity.core.immutable import Immutable
from sagacity.core.sealed import refuse_sealed
from sagacity.core.values import encode_again
from sagacity.errors import LogCorrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sagacity.core.events import Event
    from sagacity.core.values import Json

FORMAT: Final = 1

_Document: TypeAlias = "tuple[Any, ...]"
_encode: Final = Encoder().encode


class LoggedEvent(Immutable):
    """An event as the log tells it: with its place, when, and by whom it was written.

    `time_ms` is for people, milliseconds since the Unix epoch, UTC.
    """

    sequence: int
    time_ms: int
    epoch: int
    owner: str
    event: Event


def encode_record(events: Sequence[Event], *, time_ms: int, epoch: int) -> Json:
    """Return the record of one append."""
    documents: list[_Document] = []
    for event in events:
        documents.append(_DOCUMENTS[type(event)](event))  # noqa: PERF401 - dearer: mostly two
    return _encode((FORMAT, time_ms, epoch, documents))


def decode_record(record: Json) -> tuple[int, int, list[Event]]:
    """Return `(time_ms, epoch, events)` of a record.

    Raises:
        LogCorrupt: it is damaged, or of a format that this build does not know.
        PayloadUnreadable: a codec wrote it, and it was read without.
    """
    try:
        document = orjson.loads(record)
        match document:  # not `int()`: a bool would pass, and is no number
            case [int(form), *_] if form != FORMAT:
                raise LogCorrupt(f"record of format {form}; this build reads format {FORMAT}")
            case [form, time_ms, epoch, [_, *_] as events] if (
                type(form) is type(time_ms) is type(epoch) is int
            ):
                return time_ms, epoch, [_decode(event) for event in events]
            case _:
                refuse_sealed(document)
                raise LogCorrupt(f"not a record: {record!r:.100}")
    except orjson.JSONDecodeError as error:
        raise LogCorrupt(f"record is not JSON: {error}") from error
    except RecursionError as error:
        raise LogCorrupt("record is nested deeper than any of ours") from error


def decode_log(records: Iterable[tuple[int, Json]]) -> Iterator[LoggedEvent]:
    """Yield the events of `(first_sequence, record)` pairs, in order.

    Raises:
        LogCorrupt: a record is damaged or missing; the text names its sequence.
    """
    sequence, owner = 0, ""
    for first, record in records:
        if first != sequence + 1:
            raise LogCorrupt(f"record at sequence {first}: expected sequence {sequence + 1}")
        try:
            time_ms, epoch, events = decode_record(record)
        except LogCorrupt as error:
            raise LogCorrupt(f"record at sequence {first}: {error}") from error
        for event in events:
            sequence += 1
            if isinstance(event, Created | Adopted):
                owner = event.owner
            yield LoggedEvent(sequence, time_ms, epoch, owner, event)


def _error_document(error: ErrorRecord) -> _Document:
    data = None if error.data is None else Raw(error.data)
    return (error.kind, error.message, error.class_name, error.data is not None, data,
            error.traceback)  # fmt: skip


def _error(document: Any) -> ErrorRecord:
    match document:
        case [str(kind), str(message), str(class_name), bool(has_data), data, str(traceback)]:
            stored = encode_again(data) if has_data else None
            return ErrorRecord(ErrorKind(kind), message, class_name, stored, traceback)
        case _:
            raise LogCorrupt(f"not an error: {document!r:.100}")


def _begun_document(kind: str, event: Started | UndoStarted) -> _Document:
    if event.expected_ms:
        return (kind, event.node, event.attempt, event.deadline_ms, event.expected_ms)
    if event.deadline_ms:
        return (kind, event.node, event.attempt, event.deadline_ms)
    return (kind, event.node, event.attempt)


def _decision_document(event: Decided) -> _Document:
    document = ("decided", event.verb, event.node, event.by, event.reason, event.request)
    return document if event.value is None else (*document, Raw(event.value))


_DOCUMENTS: Final[dict[type[Any], Callable[[Any], _Document]]] = {
    Created: lambda event: (
        ("created", event.owner, event.by) if event.by else ("created", event.owner)
    ),
    StartRequested: lambda event: (
        ("start_requested", event.deadline_ms) if event.deadline_ms else ("start_requested",)
    ),
    Adopted: lambda event: (
        ("adopted", event.owner, event.missing) if event.missing else ("adopted", event.owner)
    ),
    Decided: _decision_document,
    Released: lambda _: ("released",),
    Unwinding: lambda event: ("unwinding", event.reason),
    Finished: lambda event: ("finished", event.outcome),
    Started: lambda event: _begun_document("started", event),
    Heartbeat: lambda event: (
        ("heartbeat", event.node)
        if event.detail is None
        else ("heartbeat", event.node, Raw(event.detail))
    ),
    Succeeded: lambda event: ("succeeded", event.node, Raw(event.output)),
    Failed: lambda event: ("failed", event.node, event.effect, _error_document(event.error)),
    AttemptFailed: lambda event: (
        "attempt_failed",
        event.node,
        event.effect,
        _error_document(event.error),
        event.retry_at_ms,
    ),
    UndoStarted: lambda event: _begun_document("undo_started", event),
    UndoFinished: lambda event: ("undo_finished", event.node, event.how),
    UndoAttemptFailed: lambda event: (
        "undo_attempt_failed",
        event.node,
        _error_document(event.error),
        event.retry_at_ms,
    ),
    UndoFailed: lambda event: ("undo_failed", event.node, _error_document(event.error)),
}


def _are_started(numbers: list[Any]) -> bool:
    """Whether they are a node, an attempt and perhaps a deadline and an expected time."""
    return 2 <= len(numbers) <= 4 and all(type(each) is int for each in numbers)  # noqa: PLR2004


def _are_texts(members: list[Any]) -> bool:
    """Whether there is nothing, or one list of texts."""
    match members:
        case []:
            return True
        case [[*texts]]:
            return all(isinstance(each, str) for each in texts)
        case _:
            return False


def _decode(document: Any) -> Event:
    try:
        match document:
            case ["created", str(owner)]:
                return Created(owner)
            case ["created", str(owner), str(by)]:
                return Created(owner, by)
            case ["start_requested"]:
                return StartRequested()
            case ["start_requested", deadline_ms] if type(deadline_ms) is int:
                return StartRequested(deadline_ms)
            case ["adopted", str(owner), *missing] if _are_texts(missing):
                return Adopted(owner, *map(tuple, missing))
            case ["released"]:
                return Released()
            case ["unwinding", str(reason)]:
                return Unwinding(reason)
            case ["decided", str(verb), node, str(by), str(reason), str(request), *value] if (
                type(node) is int and len(value) <= 1
            ):
                stored = encode_again(value[0]) if value else None
                return Decided(verb, node, by, reason, request, stored)
            case ["finished", str(outcome)]:
                return Finished(FinalState(outcome))
            case _:
                return _decode_of_node(document)
    except ValueError as error:
        raise LogCorrupt(f"not an event: {error}") from error


def _decode_of_node(document: Any) -> Event:
    match document:
        case ["started", *numbers] if _are_started(numbers):
            return Started(*numbers)
        case ["heartbeat", node, *detail] if type(node) is int and len(detail) <= 1:
            return Heartbeat(node, encode_again(detail[0]) if detail else None)
        case ["succeeded", node, output] if type(node) is int:
            return Succeeded(node, encode_again(output))
        case ["failed", node, str(effect), error] if type(node) is int:
            return Failed(node, _error(error), Effect(effect))
        case ["attempt_failed", node, str(effect), error, retry_at_ms] if (
            type(node) is type(retry_at_ms) is int
        ):
            return AttemptFailed(node, _error(error), Effect(effect), retry_at_ms)
        case ["undo_started", *numbers] if _are_started(numbers):
            return UndoStarted(*numbers)
        case ["undo_attempt_failed", node, error, retry_at_ms] if (
            type(node) is type(retry_at_ms) is int
        ):
            return UndoAttemptFailed(node, _error(error), retry_at_ms)
        case ["undo_finished", node, str(how)] if type(node) is int:
            return UndoFinished(node, How(how))
        case ["undo_failed", node, error] if type(node) is int:
            return UndoFailed(node, _error(error))
        case _:
            raise LogCorrupt(f"not an event: {document!r:.100}")
