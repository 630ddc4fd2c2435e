"""The rarer writes, one function each, inside a transaction that the caller began.

What is refused is refused before anything is written: so several operations may share
a transaction, and the refusal of one leaves the others whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

from sagacity.errors import NoSuchSaga, NotOwner, StoreCorrupt, StoreError
from sagacity.ports.store import MAX_INBOX
from sagacity.stores.sqlite.files import QUERIES
from sagacity.stores.sqlite.reads import head

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sagacity.core.definition import Definition
    from sagacity.ports.store import InboxCommand, SagaHead


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
    limit: int,
) -> Sequence[SagaHead]:
    """Take over sagas and return their heads.

    A damaged saga is left as it is, so that the others are driven; who reads it learns.

    Raises:
        NotOwner: the epoch is not the coordinator's.
    """
    current = _coordinator_epoch(connection)
    if current != epoch:
        raise NotOwner(f"epoch {epoch} is not the coordinator's, which is {current}")
    keys: Iterable[bytes]
    if ids is None:
        rows = connection.execute(QUERIES["adoptable"], (epoch, limit))
        keys = [key for (key,) in rows.fetchall()]
    else:
        keys = sorted({saga_id.bytes for saga_id in ids})
    adopted: list[SagaHead] = []
    for key in keys:
        if connection.execute(QUERIES["adopt_if_unfinished"], (owner, epoch, key)).rowcount:
            try:
                found = head(connection, key)
            except StoreCorrupt:
                continue
            assert found is not None
            adopted.append(found)
    return adopted


def send(connection: sqlite3.Connection, command: InboxCommand) -> bool:
    """Put a command into the inbox, unless it was sent before.

    Raises:
        NoSuchSaga: it is for a saga that is not there.
        StoreError: the inbox is full.
    """
    request, saga = command.request_id.bytes, command.saga_id.bytes
    if connection.execute(QUERIES["position"], (saga,)).fetchone() is None:
        raise NoSuchSaga(command.saga_id)
    if connection.execute(QUERIES["command_sent"], (request,)).fetchone() is not None:
        return False
    # Counting takes long when it matters; the span is as good until there are holes in it.
    if (
        _number(connection, "inbox_span") >= MAX_INBOX
        and _number(connection, "inbox_count") >= MAX_INBOX
    ):
        raise StoreError(f"the inbox is full: {MAX_INBOX:,} commands wait for a coordinator")
    arguments = str(command.arguments, "utf-8")
    row = (request, saga, command.verb, arguments, command.sent_ms)
    connection.execute(QUERIES["insert_command"], row)
    return True


def finish_commands(connection: sqlite3.Connection, request_ids: Sequence[UUID]) -> None:
    """Mark commands as done."""
    connection.executemany(QUERIES["finish_command"], [(each.bytes,) for each in request_ids])


def delete(connection: sqlite3.Connection, ids: Sequence[UUID]) -> int:
    """Remove what is final among `ids`, whole, and definitions that nobody uses then."""
    definitions: set[int] = set()
    removed = 0
    for saga_id in ids:
        key = (saga_id.bytes,)
        row = connection.execute(QUERIES["definition_if_final"], key).fetchone()
        if row is None:
            continue
        definitions.add(row[0])
        for part in ("log", "commands", "labels", "head", "saga"):
            connection.execute(QUERIES[f"delete_{part}"], key)
        removed += 1
    for definition in definitions:
        connection.execute(QUERIES["delete_definition_if_unused"], (definition,))
    return removed


def _coordinator_epoch(connection: sqlite3.Connection) -> int:
    row: tuple[int, bytes] | None = connection.execute(QUERIES["coordinator"]).fetchone()
    if row is None:
        raise StoreCorrupt("the row of the coordinator is lost")
    return row[0]


def _number(connection: sqlite3.Connection, query: str) -> int:
    number: Any = connection.execute(QUERIES[query]).fetchone()[0]
    assert isinstance(number, int)
    return number
