"""Rows to what the port speaks of, and back.

A row that this store cannot have written is `StoreCorrupt`, and the text names it. The
checksums: a record's goes over the record, and is seeded with the saga and the sequence,
so that a record in another's place is noticed; that of a saga goes over name, labels,
constants, params and priority.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID
from zlib import crc32

import orjson

from sagacity.core.agenda import Direction
from sagacity.core.immutable import Immutable
from sagacity.errors import StoreCorrupt
from sagacity.ports.store import (
    MAX_INBOX,
    InboxCommand,
    Order,
    SagaStatus,
    StoredSaga,
)
from sagacity.stores import _heads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sagacity.core.values import Json
    from sagacity.ports.store import Append, NewSaga, SagaHead

Row: TypeAlias = "Sequence[Any]"

WIDTH: Final = 20
"""The columns of `pending`. Some of their places:"""
AT_MS: Final = 7
NAME: Final = 10
PARAMS: Final = 14
REQUEST: Final = 17
MAX_INBOX_PLACE: Final = 18
UNUSED: Final = 0
"""In columns that a kind of write does not use, and in rows that fill up a batch. Not None:
sqlite3 takes a slow way for whatever is not exactly an int, float, str or bytearray."""
_NOTHING_ELSE: Final = (UNUSED,) * (WIDTH - NAME)

# A plain str for each: sqlite3 takes a slow way for a str of another type, even a StrEnum.
_STATES: Final = {state: str(state.value) for state in SagaStatus}
_DIRECTIONS: Final = {direction: str(direction.value) for direction in Direction}


class Write(Immutable):
    """A row of `pending`, and its size."""

    row: tuple[Any, ...]
    size_bytes: int


def write_of_append(append: Append) -> Write:
    """Return what an append writes."""
    saga_id, sequence, record = append.saga_id, append.expected_sequence, append.record
    return Write(
        (
            "append" if append.event_count else "summary",
            bytearray(saga_id.bytes),
            append.epoch,
            sequence,
            append.event_count,
            _STATES[append.summary.state],
            _DIRECTIONS[append.summary.direction],
            append.updated_ms,
            str(record, "utf-8"),
            record_checksum(saga_id, sequence + 1, record),
            *_NOTHING_ELSE,
        ),
        len(record),
    )


def write_of_create(saga: NewSaga) -> Write:
    """Return what a create writes."""
    labels = _labels_text(saga.labels)
    return Write(
        (
            "create",
            bytearray(saga.id.bytes),
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
            saga_checksum(saga.name.encode(), labels, saga.constants, saga.params, saga.priority),
            UNUSED,
            UNUSED,
            saga.priority,
        ),
        len(saga.record) + len(saga.constants) + len(saga.params) + len(labels),
    )


def write_of_command(command: InboxCommand) -> Write:
    """Return what a command writes."""
    row: list[Any] = [UNUSED] * WIDTH
    row[:2] = "command", command.saga_id.bytes
    row[AT_MS] = command.sent_ms
    row[NAME] = command.verb
    row[PARAMS] = str(command.arguments, "utf-8")
    row[REQUEST : MAX_INBOX_PLACE + 1] = command.request_id.bytes, MAX_INBOX
    return Write(tuple(row), len(command.arguments))


def record_checksum(saga_id: UUID, first_sequence: int, record: Json) -> int:
    """Return the checksum of a record in its place."""
    return crc32(record, (saga_id.int ^ first_sequence) & 0xFFFFFFFF)


def saga_checksum(name: bytes, labels: Json, constants: Json, params: Json, priority: int) -> int:
    """Return the checksum of what never changes of a saga."""
    checksum = crc32(params, crc32(constants, crc32(labels, crc32(name))))
    return crc32(b"%d" % priority, checksum) if priority else checksum


def head_of(row: Row) -> SagaHead:
    """Return the head that a row of the view `shown` has.

    Raises:
        StoreCorrupt: naming the saga.
    """
    return _heads.head_of(UUID(hex=row[0]), row[1:], ((0, "row"), (1, "definition"), (5, "log")))


def stored_of(head: SagaHead, body: Row, records: Sequence[Row]) -> StoredSaga:
    """Return a saga whole, checked.

    Raises:
        StoreCorrupt: naming the saga and the part.
    """
    document, document_checksum, constants, params, checksum = body
    if crc32(document) != document_checksum:
        raise StoreCorrupt(f"the definition of saga {head.id} is damaged: {head.fingerprint}")
    labels = _labels_text(head.labels)
    own = saga_checksum(head.name.encode(), labels, constants, params, head.priority)
    if own != checksum:
        raise StoreCorrupt(
            f"saga {head.id} is damaged: its name, labels, constants, params or priority"
        )
    for first, record, each_checksum in records:
        if record_checksum(head.id, first, record) != each_checksum:
            raise StoreCorrupt(f"saga {head.id} is damaged: its record at sequence {first}")
    return StoredSaga(
        head=head,
        document=document,
        constants=constants,
        params=params,
        records=tuple(sorted([(first, record) for first, record, _ in records])),
    )


def command_of(row: Row) -> InboxCommand:
    """Return the command that a row of the query `waiting_commands` has."""
    _, request, saga, verb, arguments, sent_ms = row
    return InboxCommand(
        request_id=UUID(hex=request),
        saga_id=UUID(hex=saga),
        verb=verb,
        arguments=arguments.encode(),
        sent_ms=sent_ms,
    )


def order_of(row: Row) -> Order:
    """Return the order that a row of the query `orders` has.

    Raises:
        StoreCorrupt: naming it.
    """
    hex_id, kind, version, text, checksum = row
    order = Order(UUID(hex=hex_id), kind, version, text.encode())
    if crc32(order.document) != checksum:
        raise StoreCorrupt(f"order {order.id} is damaged")
    return order


def _labels_text(labels: Mapping[str, str]) -> Json:
    return orjson.dumps(dict(labels), option=orjson.OPT_SORT_KEYS)
