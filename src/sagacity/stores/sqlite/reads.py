"""What is read, one function each, inside a transaction that the caller began: one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sagacity.errors import NoSuchSaga, StoreCorrupt
from sagacity.ports.store import SagaStatus
from sagacity.stores.sqlite.files import QUERIES
from sagacity.stores.sqlite.rows import command_of, head_of, stored_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from uuid import UUID

    from sagacity.ports.store import InboxCommand, SagaHead, SagaQuery, StoredSaga


def head(connection: sqlite3.Connection, key: bytes) -> SagaHead | None:
    """Return the head of the saga with this id, if there is one."""
    row = connection.execute(f"{QUERIES['heads']} WHERE head.saga = ?", (key,)).fetchone()
    return None if row is None else head_of(row)


def saga(connection: sqlite3.Connection, saga_id: UUID) -> StoredSaga:
    """Return a saga whole.

    Raises:
        NoSuchSaga: it is not there.
        StoreCorrupt: a part of it is damaged.
    """
    key = (saga_id.bytes,)
    head_row = connection.execute(f"{QUERIES['heads']} WHERE head.saga = ?", key).fetchone()
    if head_row is None:
        raise NoSuchSaga(saga_id)
    body = connection.execute(QUERIES["body"], key).fetchone()
    if body is None:
        raise StoreCorrupt(f"saga {saga_id} is damaged: its row is lost")
    return stored_of(head_row, body, connection.execute(QUERIES["records"], key).fetchall())


def position(connection: sqlite3.Connection, saga_id: UUID) -> tuple[int, int]:
    """Return `(sequence, epoch)` of a saga.

    Raises:
        NoSuchSaga: it is not there.
    """
    row: tuple[int, int] | None = connection.execute(
        QUERIES["position"], (saga_id.bytes,)
    ).fetchone()
    if row is None:
        raise NoSuchSaga(saga_id)
    return row


def coordinator(connection: sqlite3.Connection) -> str:
    """Return the name of the last coordinator."""
    row = connection.execute(QUERIES["coordinator"]).fetchone()
    return "" if row is None else str(row[1], "utf-8", "replace")


def nothing_to_adopt(connection: sqlite3.Connection, epoch: int) -> bool:
    """Whether the coordinator of this epoch drives all that there is to drive.

    False as well when the epoch is not the coordinator's: then `adopt` has to say so.
    """
    row = connection.execute(QUERIES["coordinator"]).fetchone()
    if row is None or row[0] != epoch:
        return False
    return connection.execute(QUERIES["adoptable"], (epoch, 1)).fetchone() is None


def heads(connection: sqlite3.Connection, query: SagaQuery) -> Sequence[SagaHead]:
    """Return the heads that match, ordered by id."""
    conditions, values = _conditions(query)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    text = f"{QUERIES['heads']}{where} ORDER BY head.saga LIMIT ?"
    return [head_of(row) for row in connection.execute(text, (*values, query.limit))]


def waiting_commands(connection: sqlite3.Connection, limit: int) -> Sequence[InboxCommand]:
    """Return the oldest commands that are not done."""
    return [command_of(row) for row in connection.execute(QUERIES["waiting_commands"], (limit,))]


_LABELLED: Final = "head.saga IN (SELECT label.saga FROM label WHERE name = ? AND value = ?)"


def _conditions(query: SagaQuery) -> tuple[Sequence[str], Sequence[Any]]:
    """Return the conditions of a query, from this fixed set of texts, and their values."""
    conditions: list[str] = []
    values: list[Any] = []
    if query.state is not None:
        conditions.append("head.state = ?")
        values.append(query.state.value)
        if query.state is not SagaStatus.SUCCEEDED:
            # Follows from the line before; said so that the partial index can serve.
            conditions.append("head.state <> 'succeeded'")
    if query.direction is not None:
        conditions.append("head.direction = ?")
        values.append(query.direction.value)
    if query.name is not None:
        conditions.append("saga.name = ?")
        values.append(query.name)
    for label in query.labels.items():
        conditions.append(_LABELLED)
        values.extend(label)
    if query.after is not None:
        conditions.append("head.saga > ?")
        values.append(query.after.bytes)
    return conditions, values
