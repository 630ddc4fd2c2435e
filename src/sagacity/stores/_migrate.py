"""Numbered migrations: which there are, and which of them a database still needs.

The version of a database is the number of the last migration that was applied to it,
in the same transaction as the migration itself. Files are `0001_words.sql`, without
holes; a released one is never changed.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sagacity.errors import SchemaVersionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.resources.abc import Traversable

_FILE: Final = re.compile(r"(\d{4})_\w+\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema: the script brings version `number - 1` to `number`."""

    number: int
    name: str
    script: str


def load_migrations(folder: Traversable) -> Sequence[Migration]:
    """Return the migrations of a folder, in order.

    Raises:
        ValueError: the numbers are not 1, 2, 3 ...
    """
    found = sorted(
        (
            Migration(int(match[1]), file.name, file.read_text(encoding="utf-8"))
            for file in folder.iterdir()
            if (match := _FILE.fullmatch(file.name))
        ),
        key=lambda migration: migration.number,
    )
    if [each.number for each in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations are not numbered 1, 2, 3 ...: {[e.name for e in found]}")
    return found


def missing(migrations: Sequence[Migration], version: int, where: str) -> Sequence[Migration]:
    """Return what a database of this version still needs.

    Raises:
        SchemaVersionError: this build does not know so high a version.
    """
    if version > len(migrations):
        raise SchemaVersionError(
            f"{where} has schema version {version}, written by a newer sagacity; "
            f"this build knows versions up to {len(migrations)}: use a newer build"
        )
    return migrations[version:]


def statements(migration: Migration) -> Iterator[str]:
    """Yield the statements of a migration one by one, so that they can share a transaction."""
    statement = ""
    for line in migration.script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
    if statement.strip():
        raise ValueError(f"{migration.name} does not end with a semicolon")
