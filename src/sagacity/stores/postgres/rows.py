"""Rows to what the port speaks of, and back.

A row that this store cannot have written is `StoreCorrupt`, and the text names it. The
checksums: a record's goes over the record, and is seeded with the saga and the sequence,
so that a record in another's place is noticed; that of a saga goes over labels, constants
and params.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID
from zlib import crc32

import orjson

from sagacity.errors import StoreCorrupt
from sagacity.ports.store import InboxCommand, Order, StoredSaga
from sagacity.stores import _heads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagacity.core.values import Json
    from sagacity.ports.store import SagaHead
    from sagacity.stores.postgres.driver import Row

HEAD_COLUMNS: Final = 12
"""Of the query `shown`."""


def record_checksum(saga: int, first_sequence: int, record: Json) -> int:
    """Return the checksum of a record in its place; `saga` is the number that its id is."""
    return signed(crc32(record, (saga ^ first_sequence) & 0xFFFFFFFF))


def saga_checksum(labels: Json, constants: Json, params: Json) -> int:
    """Return the checksum of what never changes of a saga."""
    return signed(crc32(params, crc32(constants, crc32(labels))))


def checksum(document: Json) -> int:
    """Return the checksum of a definition or an order."""
    return signed(crc32(document))


def signed(number: int) -> int:
    """Return 32 bits as PostgreSQL's `integer` has them."""
    return number - (1 << 32) if number >= 1 << 31 else number


def labels_text(labels: Mapping[str, str]) -> Json:
    """Return labels as they are stored."""
    return orjson.dumps(dict(labels), option=orjson.OPT_SORT_KEYS)


def plain(found: UUID) -> UUID:
    """Return a UUID that is nothing but that: the driver's is of a class of its own."""
    return UUID(int=found.int)


def head_of(row: Row) -> SagaHead:
    """Return the head that a row of the query `shown` has.

    Raises:
        StoreCorrupt: naming the saga.
    """
    return _heads.head_of(plain(row[0]), row[1:HEAD_COLUMNS], ((2, "row"), (0, "definition")))


def stored_of(row: Row) -> StoredSaga:
    """Return the saga that a row of the query `stored` has, checked.

    Raises:
        StoreCorrupt: naming the saga and the part.
    """
    document, document_sum, constants, params, saga_sum, *log = row[:-HEAD_COLUMNS]
    head = head_of(row[-HEAD_COLUMNS:])
    if checksum(document) != document_sum:
        raise StoreCorrupt(f"the definition of saga {head.id} is damaged: {head.fingerprint}")
    if saga_checksum(labels_text(head.labels), constants, params) != saga_sum:
        raise StoreCorrupt(f"saga {head.id} is damaged: its labels, constants or params")
    if log[0] is None:
        raise StoreCorrupt(f"saga {head.id} is damaged: its log is lost")
    records: list[tuple[int, Json]] = []
    for first, each_sum, record in zip(*log, strict=True):
        if record_checksum(head.id.int, first, record) != each_sum:
            raise StoreCorrupt(f"saga {head.id} is damaged: its record at sequence {first}")
        records.append((first, record))
    return StoredSaga(
        head=head, document=document, constants=constants, params=params, records=tuple(records)
    )


def command_of(row: Row) -> InboxCommand:
    """Return the command that a row of the query `waiting_commands` has."""
    request, saga, verb, arguments, sent_ms = row
    return InboxCommand(plain(request), plain(saga), verb, arguments, sent_ms)


def order_of(row: Row) -> Order:
    """Return the order that a row of the query `orders` has.

    Raises:
        StoreCorrupt: naming it.
    """
    found, kind, version, document, found_sum = row
    order = Order(plain(found), kind, version, document)
    if checksum(document) != found_sum:
        raise StoreCorrupt(f"order {order.id} is damaged")
    return order
