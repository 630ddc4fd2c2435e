"""What is read, one function each. Each asks one thing of SQLite, which is of one moment.

Many rows come as one JSON text (queries.sql says why). When that is no JSON, a text in
one of the rows is not UTF-8 any more; then they are gone through, to name it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson

from sagacity.errors import NoSuchSaga, StoreCorrupt
from sagacity.ports.store import Coordinator, SagaStatus
from sagacity.stores.sqlite.files import QUERIES
from sagacity.stores.sqlite.rows import command_of, head_of, order_of, stored_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from sagacity.ports.store import InboxCommand, Order, SagaHead, SagaQuery, StoredSaga
    from sagacity.stores.sqlite.rows import Row

_SHOWN: Final = QUERIES["shown"]


def head(connection: sqlite3.Connection, saga_id: UUID) -> SagaHead | None:
    """Return the head of a saga, if it is there."""
    rows = _rows(connection, f"{_SHOWN} WHERE saga = ?", (saga_id.bytes,))
    return head_of(rows[0]) if rows else None


def heads(connection: sqlite3.Connection, query: SagaQuery) -> Sequence[SagaHead]:
    """Return the heads that match, ordered by id."""
    where, values = conditions_of(query)
    rows = _rows(connection, f"{_SHOWN}{where} ORDER BY saga LIMIT ?", (*values, query.limit))
    return [head_of(row) for row in rows]


def newest(connection: sqlite3.Connection, name: str, limit: int) -> Sequence[SagaHead]:
    """Return the heads of the sagas of a name with the highest ids, those first."""
    query = f"{_SHOWN} WHERE saga IN ({QUERIES['newest']})"
    return [head_of(row) for row in reversed(_rows(connection, query, (name, limit)))]


def chosen_heads(connection: sqlite3.Connection) -> Sequence[SagaHead]:
    """Return the heads of the sagas that an operation has chosen, but for the damaged."""
    query = f"{_SHOWN} WHERE saga IN (SELECT saga FROM chosen)"  # noqa: S608 - our own
    found: list[SagaHead] = []
    for row in _rows(connection, query, (), leave_out_damaged=True):
        try:
            found.append(head_of(row))
        except StoreCorrupt:
            continue
    return found


def saga(connection: sqlite3.Connection, saga_id: UUID) -> StoredSaga:
    """Return a saga whole.

    Raises:
        NoSuchSaga: it is not there.
        StoreCorrupt: a part of it is damaged.
    """
    found = connection.execute(QUERIES["stored"], (saga_id.bytes,)).fetchone()
    if found is None:
        raise NoSuchSaga(saga_id)
    head_row, *body, log = found
    try:
        found_head = head_of(orjson.loads(head_row))
    except orjson.JSONDecodeError as error:
        raise StoreCorrupt(f"the head of saga {saga_id} is damaged: {error}") from error
    try:
        records = orjson.loads(log)
    except orjson.JSONDecodeError:
        rows = connection.execute(QUERIES["records"], (saga_id.bytes,)).fetchall()
        return stored_of(found_head, body, rows)
    return stored_of(
        found_head, body, [(first, text.encode(), crc) for first, text, crc in records]
    )


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


def coordinator(connection: sqlite3.Connection) -> Coordinator:
    """Return the last coordinator."""
    row = connection.execute(QUERIES["coordinator"]).fetchone()
    if row is None:
        return Coordinator("", 0)
    return Coordinator(str(row[1], "utf-8", "replace"), row[0])


def is_all_adopted(connection: sqlite3.Connection, epoch: int) -> bool:
    """Whether the coordinator of this epoch drives all that there is to drive.

    False as well when the epoch is not the coordinator's: then adopting has to say so.
    """
    return bool(connection.execute(QUERIES["is_all_adopted"], (epoch,)).fetchone()[0])


def waiting_commands(connection: sqlite3.Connection, limit: int) -> Sequence[InboxCommand]:
    """Return the oldest commands that are not done."""
    rows = _rows(connection, QUERIES["waiting_commands"], (limit,), what="command")
    return [command_of(row) for row in rows]


def orders(connection: sqlite3.Connection, kind: str) -> Sequence[Order]:
    """Return the orders of a kind.

    Raises:
        StoreCorrupt: one is damaged; the text names it.
    """
    return [order_of(row) for row in _rows(connection, QUERIES["orders"], (kind,), what="order")]


def conditions_of(query: SagaQuery) -> tuple[str, Sequence[Any]]:
    """Return the WHERE of a query, made of this fixed set of texts, and its values."""
    conditions: list[str] = []
    values: list[Any] = []
    if query.state is not None:
        conditions.append("state = ?")
        values.append(query.state.value)
        if query.state is not SagaStatus.SUCCEEDED:
            # Follows from the line before; said so that the partial index can serve.
            conditions.append("state <> 'succeeded'")
    if query.states:
        states = sorted(state.value for state in query.states)
        conditions.append(f"state IN ({','.join('?' * len(states))})")
        values.extend(states)
        if SagaStatus.SUCCEEDED not in query.states:
            conditions.append("state <> 'succeeded'")
    if query.direction is not None:
        conditions.append("direction = ?")
        values.append(query.direction.value)
    if query.name is not None:
        conditions.append("name = ?")
        values.append(query.name)
    for label in query.labels.items():
        conditions.append(
            "saga IN (SELECT label.saga FROM label WHERE label.name = ? AND value = ?)"
        )
        values.extend(label)
    if query.after is not None:
        conditions.append("saga > ?")
        values.append(query.after.bytes)
    return f" WHERE {' AND '.join(conditions)}" if conditions else "", values


def _id_in(row: bytes) -> UUID | str:
    """Return the first id in a row that is no JSON any more."""
    found = re.search(rb'"([0-9A-F]{32})"', row)
    return UUID(hex=found[1].decode()) if found else "without an id"


def _rows(
    connection: sqlite3.Connection,
    query: str,
    values: Sequence[Any],
    *,
    what: str = "saga",
    leave_out_damaged: bool = False,
) -> Sequence[Row]:
    """Return the rows of a query for JSON texts, ordered by their first members."""
    joined = f"SELECT '[' || group_concat(row) || ']' FROM ({query})"  # noqa: S608 - our own
    (text,) = connection.execute(joined, values).fetchone()
    if text is None:
        return []
    rows: list[Row]
    try:
        rows = orjson.loads(text)
    except orjson.JSONDecodeError:
        rows = []
        for (each,) in connection.execute(query, values).fetchall():
            try:
                rows.append(orjson.loads(each))
            except orjson.JSONDecodeError as error:
                if not leave_out_damaged:
                    raise StoreCorrupt(f"{what} {_id_in(each)} is damaged: {error}") from error
    # SQLite promises no order of what is joined.
    rows.sort(key=lambda row: row[0])
    return rows
