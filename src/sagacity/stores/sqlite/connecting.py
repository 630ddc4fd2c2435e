"""Opening a file so that what is promised can be kept, or saying why it cannot.

Checked at each opening, because each can be lost without an error: write-ahead log
(readers do not wait for writers), `synchronous=FULL` (an acknowledged commit survives a
loss of power; NORMAL loses some), a file system that locks, and a schema that we know.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any, Final

from sagacity.errors import StoreError
from sagacity.stores._migrate import load_migrations, missing, statements
from sagacity.stores.sqlite.batch import prepare
from sagacity.stores.sqlite.failures import store_error
from sagacity.stores.sqlite.files import HERE, QUERIES
from sagacity.stores.sqlite.mounts import network_file_system
from sagacity.stores.sqlite.patience import patiently

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

APPLICATION_ID: Final = 0x53414741  # "SAGA"
OLDEST_SQLITE: Final = (3, 37, 0)  # STRICT tables
PAGE_BYTES: Final = 2_048
"""Half of the usual: a lonely append writes one page, and that whole (decision 0003)."""
CACHE_KIB: Final = 16_384
LONGEST_IDLE_LOG_BYTES: Final = 64 * 1024 * 1024

_SHOWN: Final = (HERE / "shown.sql").read_text(encoding="utf-8")
MIGRATIONS: Final = load_migrations(HERE / "schema")


def open_writer(path: Path) -> sqlite3.Connection:
    """Return a connection that writes, to a file that is ours and of our schema.

    Raises:
        StoreError: it cannot be used; the text says why, and what would help.
        SchemaVersionError: it was written by a newer schema.
    """
    _check_place(path)
    return _open(
        path, _check_owner, _choose_settings, _choose_durability, _migrate, _show, _make_ready
    )


def open_reader(path: Path) -> sqlite3.Connection:
    """Return a connection that only reads, to a file that `open_writer` has opened before.

    Raises:
        StoreError: it cannot be opened.
    """
    return _open(path, _choose_settings, _show, _forbid_writing)


def _check_place(path: Path) -> None:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise StoreError(
            f"SQLite {sqlite3.sqlite_version} is too old: sagacity needs {oldest} or newer"
        )
    if path.is_dir():
        raise StoreError(f"{path}: a directory; name a file in it")
    if not path.parent.is_dir():
        raise StoreError(f"{path}: the directory {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK):
        raise StoreError(
            f"{path}: the directory {path.parent} cannot be written (its permissions, or a "
            f"read-only file system), and SQLite keeps its log beside the file; to look at it, "
            f"copy it elsewhere, with {path.name}-wal if there is one"
        )
    if kind := network_file_system(path):
        raise StoreError(
            f"{path}: on a network file system ({kind}), where SQLite's locks and shared "
            f"memory cannot be trusted; use a local disk"
        )


def _open(path: Path, *steps: Callable[[sqlite3.Connection, Path], None]) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            path,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=64,
        )
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    connection.text_factory = bytes
    try:
        for step in steps:
            # Each may be done again: another process may hold the lock at any of them.
            patiently(step, connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise store_error(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _show(connection: sqlite3.Connection, _path: Path) -> None:
    connection.executescript(_SHOWN)


def _choose_settings(connection: sqlite3.Connection, _path: Path) -> None:
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    # Sorting and the triggers' own pages are not to wait for a disk.
    connection.execute("PRAGMA temp_store = MEMORY")


def _forbid_writing(connection: sqlite3.Connection, _path: Path) -> None:
    connection.execute("PRAGMA query_only = ON")


def _make_ready(connection: sqlite3.Connection, _path: Path) -> None:
    # Checkpoints are the writer's: one in the middle of a commit would hold up the loop.
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute(f"PRAGMA journal_size_limit = {LONGEST_IDLE_LOG_BYTES}")
    prepare(connection)


def _check_owner(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse the database of another program before anything is changed in it."""
    # As of one moment: another process may be making the file ours just now.
    connection.execute(QUERIES["begin_reading"])
    try:
        application = _pragma(connection, "application_id")
        version = _pragma(connection, "user_version")
        objects = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    finally:
        connection.execute(QUERIES["take_back"])
    if application != APPLICATION_ID and (application or version or objects):
        raise StoreError(f"{path}: an SQLite database of another program; name another file")
    missing(MIGRATIONS, version, str(path))


def _choose_durability(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    mode = _pragma(connection, "journal_mode = WAL")
    if mode != b"wal":
        raise StoreError(
            f"{path}: no write-ahead log can be kept here (journal mode {mode.decode()}); "
            f"use a file on a local disk that this process may write"
        )
    connection.execute("PRAGMA synchronous = FULL")
    # On macOS a plain fsync leaves the data in the drive; elsewhere this means nothing.
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute("PRAGMA checkpoint_fullfsync = ON")
    found = _pragma(connection, "synchronous")
    if found != 2:  # noqa: PLR2004 - FULL, as SQLite shows it
        raise StoreError(f"{path}: SQLite does not wait for the disk (synchronous = {found})")


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to date, each migration with its number in one transaction."""
    while missing(MIGRATIONS, _pragma(connection, "user_version"), str(path)):
        connection.execute(QUERIES["begin"])
        try:
            # Looked at again: another process may have come first.
            for migration in missing(MIGRATIONS, _pragma(connection, "user_version"), str(path))[
                :1
            ]:
                for statement in statements(migration):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {migration.number}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(QUERIES["commit"])
        except BaseException:
            if connection.in_transaction:
                connection.execute(QUERIES["take_back"])
            raise


def _pragma(connection: sqlite3.Connection, text: str) -> Any:
    return connection.execute(f"PRAGMA {text}").fetchone()[0]
