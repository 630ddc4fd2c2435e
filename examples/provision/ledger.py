"""Who holds which address and which server: a small SQLite file, one row for each.

A row is free or has a holder, which is the ticket (effect key) of the node that took it,
so it names the saga. Taking is idempotent: whoever asks again with its ticket gets what
it has. Each change is one transaction: it is whole, or it is not there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.provision.hands import BeforeChange, go_on

BUSY_SECONDS = 10.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS slot (
    kind TEXT NOT NULL,                -- 'address' or 'server'
    name TEXT NOT NULL,
    room_mib INTEGER NOT NULL,
    holder TEXT UNIQUE,                -- the ticket of who took it; NULL: free
    reserved_by TEXT UNIQUE,           -- servers: the ticket of who made it a reservation
    PRIMARY KEY (kind, name),
    CHECK (reserved_by IS NULL OR holder IS NOT NULL)
)
"""


class NothingFreeError(Exception):
    """The pool is used up: nothing was taken."""


class NotHeldError(Exception):
    """What should be reserved is not held by who asks: nothing was changed."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One row."""

    kind: str
    name: str
    room_mib: int
    holder: str | None = None
    reserved_by: str | None = None


class Ledger:
    """The file at `path`; it is made, with `inventory`, when it is first written to."""

    def __init__(
        self, path: Path, inventory: Sequence[Slot], before_change: BeforeChange = go_on
    ) -> None:
        self._path = path
        self._inventory = inventory
        self._before_change = before_change

    def take(
        self, kind: str, ticket: str, *, room_mib: int = 0, usable: Callable[[str], bool]
    ) -> str:
        """Return the smallest free one of `kind` with that much room, now held by `ticket`.

        `usable` has a say for each.

        Raises:
            NothingFreeError: there is none.
        """
        with self._writing() as db:
            mine = db.execute("SELECT name FROM slot WHERE holder = ?", (ticket,)).fetchone()
            if mine is not None:
                return str(mine[0])
            free = db.execute(
                "SELECT name FROM slot WHERE kind = ? AND holder IS NULL AND room_mib >= ?"
                " ORDER BY room_mib, name",
                (kind, room_mib),
            ).fetchall()
            name = next((each for (each,) in free if usable(each)), None)
            if name is None:
                wish = f" with room for {room_mib} MiB" if room_mib else ""
                raise NothingFreeError(f"no free {kind}{wish}")
            db.execute(
                "UPDATE slot SET holder = ? WHERE kind = ? AND name = ?", (ticket, kind, name)
            )
            return str(name)

    def free(self, ticket: str) -> None:
        """See to it that `ticket` holds nothing.

        Raises:
            sqlite3.IntegrityError: it is reserved; that has to be taken back first.
        """
        with self._writing() as db:
            db.execute("UPDATE slot SET holder = NULL WHERE holder = ?", (ticket,))

    def reserve(self, name: str, *, holder: str, ticket: str) -> None:
        """Make what `holder` holds a reservation of `ticket`.

        Raises:
            NotHeldError: `holder` does not hold it, or another has reserved it.
        """
        with self._writing() as db:
            db.execute(
                "UPDATE slot SET reserved_by = ?"
                " WHERE name = ? AND holder = ? AND reserved_by IS NULL",
                (ticket, name, holder),
            )
            if not db.execute("SELECT 1 FROM slot WHERE reserved_by = ?", (ticket,)).fetchone():
                raise NotHeldError(f"{name} is not held by {holder}, or it is reserved already")

    def cancel_reservation(self, ticket: str) -> None:
        """See to it that `ticket` has no reservation; who held it before holds it again."""
        with self._writing() as db:
            db.execute("UPDATE slot SET reserved_by = NULL WHERE reserved_by = ?", (ticket,))

    def slots(self) -> list[Slot]:
        """Return all rows, the free ones too. Makes no file where there is none."""
        if not self._path.exists():
            return list(self._inventory)
        with closing(self._connect()) as db:
            # A crash may have left an empty file, or a transaction for SQLite to take back.
            if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'slot'").fetchone() is None:
                return list(self._inventory)
            rows = db.execute(
                "SELECT kind, name, room_mib, holder, reserved_by FROM slot ORDER BY kind, name"
            ).fetchall()
        return [Slot(*row) for row in rows]

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        with closing(self._connect()) as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                self._furnish(db)
                before = db.total_changes
                yield db
                if db.total_changes > before:
                    self._before_change(f"write {self._path.name}")
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)

    def _furnish(self, db: sqlite3.Connection) -> None:
        db.execute(_SCHEMA)
        if db.execute("SELECT 1 FROM slot").fetchone() is None:
            db.executemany(
                "INSERT INTO slot (kind, name, room_mib) VALUES (?, ?, ?)",
                [(each.kind, each.name, each.room_mib) for each in self._inventory],
            )
