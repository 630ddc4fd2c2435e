"""Rows to what the port speaks of, and back.

A row that this store cannot have written is `StoreCorrupt`, and the text names it.
Text is read as bytes: what is not UTF-8 any more is damage to one row, and must not
fail the whole query. The checksums: a record's goes over the record, and is seeded
with the saga and the sequence, so that a record in another's place is noticed; that of
a saga goes over name, labels, constants and params.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID
from zlib import crc32

import orjson

from sagacity.core.state import Direction
from sagacity.errors import StoreCorrupt
from sagacity.ports.store import InboxCommand, SagaHead, SagaStatus, StoredSaga

if TYPE_CHECKING:
    from sagacity.core.values import Json
    from sagacity.ports.store import Append, NewSaga

Row: TypeAlias = "tuple[Any, ...]"

WIDTH: Final = 17
"""The columns of `pending`."""

# A plain str for each: sqlite3 takes a slow way for a str of another type, even a StrEnum.
_STATES: Final = {state: str(state.value) for state in SagaStatus}
_DIRECTIONS: Final = {direction: str(direction.value) for direction in Direction}


class Write:
    """A row of `pending`, and its size."""

    __slots__ = ("row", "size_bytes")

    def __init__(self, row: Row, size_bytes: int) -> None:
        self.row: Final = row
        self.size_bytes: Final = size_bytes


def write_of_append(append: Append) -> Write:
    """Return what an append writes."""
    saga_id, epoch, sequence, record, events, summary, updated_ms = append
    return Write(
        (
            "append" if events else "summary",
            saga_id.bytes,
            epoch,
            sequence,
            events,
            _STATES[summary.state],
            _DIRECTIONS[summary.direction],
            updated_ms,
            str(record, "utf-8"),
            record_checksum(saga_id, sequence + 1, record),
            None,
            None,
            None,
            None,
            None,
            None,
            None,
        ),
        len(record),
    )


def write_of_create(saga: NewSaga) -> Write:
    """Return what a create writes."""
    labels = orjson.dumps(dict(saga.labels), option=orjson.OPT_SORT_KEYS)
    return Write(
        (
            "create",
            saga.id.bytes,
            saga.epoch,
            0,
            saga.event_count,
            _STATES[saga.summary.state],
            _DIRECTIONS[saga.summary.direction],
            saga.created_ms,
            str(saga.record, "utf-8"),
            record_checksum(saga.id, 1, saga.record),
            saga.name,
            saga.owner,
            saga.definition.fingerprint,
            str(saga.constants, "utf-8"),
            str(saga.params, "utf-8"),
            str(labels, "utf-8"),
            saga_checksum(saga.name.encode(), labels, saga.constants, saga.params),
        ),
        len(saga.record) + len(saga.constants) + len(saga.params) + len(labels),
    )


def record_checksum(saga_id: UUID, first_sequence: int, record: Json) -> int:
    """Return the checksum of a record in its place."""
    return crc32(record, (saga_id.int ^ first_sequence) & 0xFFFFFFFF)


def saga_checksum(name: bytes, labels: Json, constants: Json, params: Json) -> int:
    """Return the checksum of what never changes of a saga."""
    return crc32(params, crc32(constants, crc32(labels, crc32(name))))


def head_of(row: Row) -> SagaHead:
    """Return the head that a row of the query `heads` shows.

    Raises:
        StoreCorrupt: naming the saga.
    """
    (saga, name, fingerprint, labels, state, direction, *numbers) = row
    saga_id = UUID(bytes=saga)
    sequence, owner, epoch, created_ms, updated_ms = numbers
    for part, what in ((name, "row"), (fingerprint, "definition"), (sequence, "log")):
        if part is None:
            raise StoreCorrupt(f"saga {saga_id} is damaged: its {what} is lost")
    try:
        return SagaHead(
            id=saga_id,
            name=str(name, "utf-8"),
            fingerprint=str(fingerprint, "utf-8"),
            labels=orjson.loads(labels),
            state=SagaStatus(str(state, "utf-8")),
            direction=Direction(str(direction, "utf-8")),
            sequence=sequence,
            owner=str(owner, "utf-8"),
            epoch=epoch,
            created_ms=created_ms,
            updated_ms=updated_ms,
        )
    except ValueError as error:
        raise StoreCorrupt(f"the head of saga {saga_id} is damaged: {error}") from error


def stored_of(head_row: Row, body: Row, records: list[Row]) -> StoredSaga:
    """Return a saga whole, checked.

    Raises:
        StoreCorrupt: naming the saga and the part.
    """
    head = head_of(head_row)
    document, document_checksum, constants, params, checksum = body
    if crc32(document) != document_checksum:
        raise StoreCorrupt(f"the definition of saga {head.id} is damaged: {head.fingerprint}")
    if saga_checksum(head.name.encode(), head_row[3], constants, params) != checksum:
        raise StoreCorrupt(f"saga {head.id} is damaged: its name, labels, constants or params")
    for first, record, each_checksum in records:
        if record_checksum(head.id, first, record) != each_checksum:
            raise StoreCorrupt(f"saga {head.id} is damaged: its record at sequence {first}")
    return StoredSaga(
        head=head,
        document=document,
        constants=constants,
        params=params,
        records=tuple([(first, record) for first, record, _ in records]),
    )


def command_of(row: Row) -> InboxCommand:
    """Return the command that a row of the query `waiting_commands` shows.

    Raises:
        StoreCorrupt: naming the request.
    """
    request, saga, verb, arguments, sent_ms = row
    request_id = UUID(bytes=request)
    try:
        return InboxCommand(
            request_id=request_id,
            saga_id=UUID(bytes=saga),
            verb=str(verb, "utf-8"),
            arguments=arguments,
            sent_ms=sent_ms,
        )
    except ValueError as error:
        raise StoreCorrupt(f"command {request_id} is damaged: {error}") from error
