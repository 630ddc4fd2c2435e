"""The rarer writes, one function each, inside a transaction that the caller began.

Each takes a few statements, however many sagas it is about (queries.sql says why). What
is refused is refused before anything is written: so several operations may share a
transaction, and the refusal of one leaves the others whole.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from zlib import crc32

from sagacity.errors import NotOwner, StoreCorrupt, StoreError
from sagacity.ports.store import MAX_ORDERS, PRIORITY_MS
from sagacity.stores.sqlite import reads
from sagacity.stores.sqlite.files import QUERIES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from uuid import UUID

    from sagacity.core.definition import Definition
    from sagacity.ports.store import Order, SagaHead, SagaStatus


def insert_definition(connection: sqlite3.Connection, definition: Definition) -> None:
    """Store a definition, unless one of its fingerprint is there."""
    document = definition.document
    row = (definition.fingerprint, str(document, "utf-8"), crc32(document))
    connection.execute(QUERIES["insert_definition"], row)


def begin_epoch(connection: sqlite3.Connection, owner: str) -> int:
    """Begin the epoch of a new coordinator and return it."""
    connection.execute(QUERIES["begin_epoch"], (owner,))
    return _coordinator_epoch(connection)


def adopt(
    connection: sqlite3.Connection,
    owner: str,
    epoch: int,
    ids: Sequence[UUID] | None,
    which: tuple[frozenset[SagaStatus], Sequence[str], int],
) -> Sequence[SagaHead]:
    """Take over sagas and return their heads, those that can be read.

    Without `ids`: in these states, not of these definitions, and at most so many.

    A damaged one is adopted too, because each page would begin with it otherwise; who
    reads it learns.

    Raises:
        NotOwner: the epoch is not the coordinator's.
    """
    current = _coordinator_epoch(connection)
    if current != epoch:
        raise NotOwner(f"epoch {epoch} is not the coordinator's, which is {current}")
    connection.execute(QUERIES["forget_chosen"])
    if ids is None:
        states, unfit, limit = which
        connection.execute(
            QUERIES["choose_adoptable"],
            (epoch, json.dumps(sorted(states)), json.dumps([*unfit]), PRIORITY_MS, limit),
        )
    else:
        _choose(connection, ids)
        connection.execute(QUERIES["forget_final"])
    connection.execute(QUERIES["adopt_chosen"], (owner, epoch))
    heads = reads.chosen_heads(connection)
    return heads if ids is not None else sorted(heads, key=_rank)


def _rank(head: SagaHead) -> tuple[int, UUID]:
    return head.rank_ms, head.id


def finish_commands(connection: sqlite3.Connection, request_ids: Sequence[UUID]) -> None:
    """Mark commands as done."""
    marks = ",".join("?" * len(request_ids))
    connection.execute(
        f"UPDATE inbox SET done = 1 WHERE request IN ({marks}) AND NOT done",  # noqa: S608
        [each.bytes for each in request_ids],
    )


def delete(connection: sqlite3.Connection, ids: Sequence[UUID]) -> int:
    """Remove what is final among `ids`, whole, and definitions that nobody uses then."""
    connection.execute(QUERIES["forget_chosen"])
    _choose(connection, ids)
    connection.execute(QUERIES["forget_unfinished"])
    connection.execute(QUERIES["forget_definitions"])
    connection.execute(QUERIES["choose_definitions"])
    for part in ("log", "commands", "labels", "sagas"):
        connection.execute(QUERIES[f"delete_{part}"])
    removed = connection.execute(QUERIES["delete_heads"]).rowcount
    connection.execute(QUERIES["delete_unused_definitions"])
    return removed


def keep_order(connection: sqlite3.Connection, order: Order) -> bool:
    """Insert or replace an order; False if another version is there.

    Raises:
        StoreError: there are too many.
    """
    document = order.document
    row = (order.id.bytes, order.kind, order.version, str(document, "utf-8"), crc32(document))
    if order.version > 1:
        return connection.execute(QUERIES["replace_order"], row).rowcount > 0
    if connection.execute(QUERIES["count_orders"]).fetchone()[0] < MAX_ORDERS:
        return connection.execute(QUERIES["insert_order"], row).rowcount > 0
    if connection.execute(QUERIES["is_kept"], row[:1]).fetchone() is not None:
        return False
    raise StoreError(f"{MAX_ORDERS:,} orders are kept already")


def drop_order(connection: sqlite3.Connection, order_id: UUID) -> None:
    """Remove an order."""
    connection.execute(QUERIES["drop_order"], (order_id.bytes,))


def _choose(connection: sqlite3.Connection, ids: Sequence[UUID]) -> None:
    if ids:
        marks = ",".join(["(?)"] * len(ids))
        connection.execute(
            f"INSERT OR IGNORE INTO chosen (saga) VALUES {marks}",  # noqa: S608 - marks only
            [each.bytes for each in ids],
        )


def _coordinator_epoch(connection: sqlite3.Connection) -> int:
    row: tuple[Any, ...] | None = connection.execute(QUERIES["coordinator"]).fetchone()
    if row is None:
        raise StoreCorrupt("the row of the coordinator is lost")
    epoch = row[0]
    assert isinstance(epoch, int)
    return epoch
