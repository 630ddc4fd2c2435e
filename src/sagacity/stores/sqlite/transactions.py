"""Operations in a transaction, several if several are waiting, and what comes of each."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sagacity.errors import SagacityError, StoreError
from sagacity.stores.sqlite.failures import code_of, is_of_the_surroundings, store_error
from sagacity.stores.sqlite.files import QUERIES
from sagacity.stores.sqlite.patience import patiently

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MAX_OPERATIONS: Final = 256
"""In one transaction."""

Operation: TypeAlias = "Callable[[sqlite3.Connection], Any]"

Result: TypeAlias = "tuple[Any, Exception | None]"
"""What an operation returned, or the error that it raised."""


def carry_out(
    connection: sqlite3.Connection, path: Path, operations: Sequence[Operation]
) -> Sequence[Result]:
    """Do all, and return what came of each, in the same order; what succeeded is durable.

    What an operation refuses (`operations`) leaves the others whole. When SQLite fails
    in the middle each is tried alone.
    """
    try:
        patiently(connection.execute, QUERIES["begin"])
        results = [_attempt(connection, operation) for operation in operations]
        connection.execute(QUERIES["commit"])
    except (sqlite3.Error, OverflowError, UnicodeError) as error:
        if connection.in_transaction:
            connection.execute(QUERIES["take_back"])
        if len(operations) > 1 and not is_of_the_surroundings(error):
            alone = [carry_out(connection, path, [each]) for each in operations]
            return [result for (result,) in alone]
        return [(None, _error(error, path)) for _ in operations]
    return results


def _attempt(connection: sqlite3.Connection, operation: Operation) -> Result:
    try:
        return operation(connection), None
    except SagacityError as error:
        return None, error


def _error(error: Exception, path: Path) -> Exception:
    found = store_error(error, path)
    if code_of(error) == sqlite3.SQLITE_IOERR:
        return StoreError(f"{found}; it is unknown whether this was stored: repeat the call")
    return found
