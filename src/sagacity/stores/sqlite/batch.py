"""Many writes in one statement, and what comes of each.

A batch is one INSERT into the view `pending` (pending.sql says what that does), in
autocommit: one transaction and, for the thread that runs it, one wait for the disk
during which others run. It is durable when `settle` returns.

A write that is refused, or that SQLite cannot hold, or that meets a damaged page, is one
saga's trouble: then the batch is done again, row by row in one transaction, and the
others are written. Only what would fail any write (no space, no disk) fails all.
"""

from __future__ import annotations

import sqlite3
from enum import StrEnum
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sagacity.errors import StoreError
from sagacity.stores.sqlite.failures import code_of, is_of_the_surroundings, store_error
from sagacity.stores.sqlite.files import HERE, QUERIES
from sagacity.stores.sqlite.patience import patiently
from sagacity.stores.sqlite.rows import REQUEST, UNUSED, WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sagacity.stores.sqlite.rows import Write

MAX_ROWS: Final = 1_024
"""Of one batch. 19 columns each, and SQLite allows 32,766 values in a statement."""
MAX_BYTES: Final = 8 * 1024 * 1024
"""Of one batch; a single write may be larger."""


class Verdict(StrEnum):
    """What the triggers say of a row, in their words."""

    ACCEPTED = "accepted"
    NOT_CURRENT = "not current"
    NOT_NEW = "not new"
    NO_SUCH_SAGA = "no such saga"
    SENT_BEFORE = "sent before"
    INBOX_FULL = "inbox full"


Outcome: TypeAlias = "Verdict | StoreError | ValueError"

_STEADY: Final = QUERIES["append_if_steady"]
STEADY_COLUMNS: Final = 10
MOST_STEADY: Final = "running"
"""The state that appends leave as it is; what goes to another is seldom tried in vain."""

_FAILURES: Final = (sqlite3.Error, OverflowError, UnicodeError)
"""What a statement can raise: SQLite's errors, and values that it cannot take."""

_PENDING: Final = (HERE / "pending.sql").read_text(encoding="utf-8")


def prepare(connection: sqlite3.Connection) -> None:
    """Make a connection fit for batches."""
    connection.executescript(_PENDING)


def settle(
    connection: sqlite3.Connection, path: Path, writes: Sequence[Write]
) -> Sequence[Outcome]:
    """Write all and return what came of each, in the same order.

    While another process holds the lock it blocks the thread, for a bounded time.
    """
    try:
        patiently(_insert, connection, writes)
    except _FAILURES as error:
        if len(writes) > 1 and not is_of_the_surroundings(error):
            return _settle_row_by_row(connection, path, writes)
        return _outcomes_of_failure(connection, path, writes, error)
    return [Verdict.ACCEPTED] * len(writes)


def settle_at_once(
    connection: sqlite3.Connection, path: Path, writes: Sequence[Write]
) -> Sequence[Outcome] | None:
    """Do as `settle` if nothing is in the way; else return None, and nothing was written.

    It waits for the disk alone, never for another process.
    """
    try:
        _insert(connection, writes)
    except _FAILURES as error:
        if code_of(error) == sqlite3.SQLITE_IOERR:
            return _look(connection, path, writes, error)
        return None
    return [Verdict.ACCEPTED] * len(writes)


def _insert(connection: sqlite3.Connection, writes: Sequence[Write]) -> None:
    if len(writes) == 1:
        row = writes[0].row
        if not (
            row[0] == "append"
            and row[5] == MOST_STEADY
            and connection.execute(_STEADY, row[:STEADY_COLUMNS]).rowcount
        ):
            connection.execute(_statement(1), row)
        return
    size = 1 << (len(writes) - 1).bit_length()
    values: list[Any] = list(chain.from_iterable([write.row for write in writes]))
    # Rows of nothing, which no trigger takes: so there are eleven statements to
    # prepare, and not one for each number of writes.
    values.extend([UNUSED] * (WIDTH * (size - len(writes))))
    connection.execute(_statement(size), values)


@cache
def _statement(size: int) -> str:
    assert size <= MAX_ROWS, size
    row = f"({','.join('?' * WIDTH)})"
    return f"INSERT INTO pending VALUES {','.join([row] * size)}"  # noqa: S608 - marks only


def _settle_row_by_row(
    connection: sqlite3.Connection, path: Path, writes: Sequence[Write]
) -> Sequence[Outcome]:
    """Do as `settle`, one statement for each write; those that fail take back themselves."""
    outcomes: list[Outcome] = []
    try:
        patiently(connection.execute, QUERIES["begin"])
        for write in writes:
            try:
                connection.execute(_statement(1), write.row)
                outcomes.append(Verdict.ACCEPTED)
            except _FAILURES as error:
                if not connection.in_transaction or is_of_the_surroundings(error):
                    raise
                outcomes.append(_outcome_of_failure(error, path))
        connection.execute(QUERIES["commit"])
    except _FAILURES as error:
        if connection.in_transaction:
            connection.execute(QUERIES["take_back"])
        if is_of_the_surroundings(error):
            return _outcomes_of_failure(connection, path, writes, error)
        # The damage is such that SQLite gave up the transaction, and all others with it.
        return [outcome for write in writes for outcome in settle(connection, path, [write])]
    return outcomes


def _outcomes_of_failure(
    connection: sqlite3.Connection, path: Path, writes: Sequence[Write], error: Exception
) -> Sequence[Outcome]:
    if code_of(error) == sqlite3.SQLITE_IOERR:
        return _look(connection, path, writes, error)
    # A new one for each: an exception that is raised twice collects the traces of both.
    return [_outcome_of_failure(error, path) for _ in writes]


def _outcome_of_failure(error: Exception, path: Path) -> Outcome:
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
        return Verdict(str(error))
    return store_error(error, path)


def _look(
    connection: sqlite3.Connection, path: Path, writes: Sequence[Write], error: Exception
) -> Sequence[Outcome]:
    """Return what came of writes when the disk failed: only the file can tell."""
    try:
        return [
            Verdict.ACCEPTED if _has_landed(connection, write) else store_error(error, path)
            for write in writes
        ]
    except sqlite3.Error as again:
        text = f"{path}: the disk failed ({error}), and it is unknown whether this was stored"
        return [StoreError(f"{text}: looking failed too ({again})") for _ in writes]


def _has_landed(connection: sqlite3.Connection, write: Write) -> bool:
    kind, saga, _, sequence, _, state, direction, at_ms, record = write.row[:9]
    match kind:
        case "summary":
            found: Any = connection.execute(QUERIES["summary_of"], (saga,)).fetchone()
            return bool(found == (state.encode(), direction.encode(), at_ms))
        case "command":
            request = write.row[REQUEST]
            return connection.execute(QUERIES["request_of"], (request,)).fetchone() is not None
        case _:
            place = (saga, sequence + 1)
            found = connection.execute(QUERIES["record_at"], place).fetchone()
            return bool(found == (record.encode(),))
