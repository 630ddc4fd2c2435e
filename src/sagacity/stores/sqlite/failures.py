"""Errors of SQLite in the words of the port.

Nothing of `sqlite3` gets past this file: who uses a store must not know its driver.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from sagacity.errors import StoreCorrupt, StoreError, StoreFull

if TYPE_CHECKING:
    from pathlib import Path

_PRIMARY: Final = 0xFF
"""The part of an error code that says what it is; the rest says where."""

BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

_OF_THE_SURROUNDINGS: Final = BUSY | {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_INTERRUPT,
}


def code_of(error: Exception) -> int:
    """Return SQLite's primary error code; 0 for errors that are not SQLite's."""
    code = getattr(error, "sqlite_errorcode", 0)
    assert isinstance(code, int)
    return code & _PRIMARY


def is_of_the_surroundings(error: Exception) -> bool:
    """Whether any write would have failed, not just this one: what it says is not to blame."""
    return code_of(error) in _OF_THE_SURROUNDINGS


def store_error(error: Exception, path: Path) -> StoreError | ValueError:
    """Return the error to raise: what happened, to which file, and what to do next."""
    match code_of(error):
        case sqlite3.SQLITE_FULL:
            return StoreFull(
                f"{path}: no space left ({error}); nothing of this was stored, and what was "
                f"acknowledged is safe: make room, and it goes on"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreError(
                f"{path}: another process holds the file's write lock and does not let go "
                f"({error}); find it with: fuser -v {path}"
            )
        case sqlite3.SQLITE_NOTADB:
            return StoreCorrupt(f"{path}: not an SQLite database ({error})")
        case sqlite3.SQLITE_CORRUPT:
            return StoreCorrupt(
                f"{path}: the file is damaged ({error}); see: sqlite3 {path} 'PRAGMA "
                f"integrity_check'"
            )
        case sqlite3.SQLITE_READONLY:
            return StoreError(f"{path}: this process may not write the file ({error})")
        case sqlite3.SQLITE_CANTOPEN:
            return StoreError(f"{path}: cannot be opened ({error})")
        case sqlite3.SQLITE_IOERR:
            return StoreError(f"{path}: the disk failed ({error}); look at the system's log")
        case 0 if not isinstance(error, sqlite3.Error):
            # A value that SQLite cannot hold, such as an integer over 64 bits.
            return ValueError(f"cannot be stored: {error}")
        case _:
            return StoreError(f"{path}: {error}")
