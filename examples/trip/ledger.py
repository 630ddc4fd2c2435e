"""What one service has done, in a SQLite file: it survives the service, and a checker can read it.

Entries are only ever added. An effect is known by its effect key, which the do and
the undo of a node share; a request by its idempotency key. What must stay true:
an entry and the answer to its request are one transaction, so a request that is
repeated gets the first answer again and has no second effect.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

SERVICES: Final = ("payment", "hotel", "flight", "car")

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (
    sequence INTEGER PRIMARY KEY,
    effect   TEXT NOT NULL,
    trip     TEXT NOT NULL,
    kind     TEXT NOT NULL,
    amount   INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_of_effect ON entries (effect);
CREATE TABLE IF NOT EXISTS answers (
    request TEXT PRIMARY KEY,
    status  INTEGER NOT NULL,
    body    TEXT NOT NULL
);
"""


class EntryKind(StrEnum):
    """What a request came to."""

    BOOKED = "booked"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    REPEATED = "repeated"  # the first answer was given again
    TOMBSTONE = "tombstone"  # cancelled before it was booked: it never will be
    CAME_LATE = "came late"  # to book what has a tombstone: a no-op
    NOTHING_THERE = "nothing there"  # to cancel what is not booked, and no tombstone is left


@dataclass(frozen=True, slots=True)
class Order:
    """One request: to book, or to cancel what was booked or ever will be under `effect`."""

    request: str
    effect: str
    trip: str
    amount: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and its JSON. 409 is a definite no."""

    status: int
    body: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a ledger."""

    trip: str
    kind: EntryKind
    amount: int


class Ledger:
    """The ledger of one service. Only its service writes to it.

    Without `tombstones` it is a plain participant: to cancel what is not there yet
    leaves nothing, so a request to book that comes later is carried out.
    """

    def __init__(self, path: Path, *, tombstones: bool = True) -> None:
        """Open the file at `path`, or make it."""
        self._name: Final = path.stem
        self._tombstones: Final = tombstones
        self._db: Final = sqlite3.connect(path)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def book(self, order: Order, *, refusal: str = "") -> Answer:
        """Book once, unless it was cancelled before or there is a `refusal`."""
        with self._db:
            if known := self._repeated(order):
                return known
            if refusal:
                return self._write(order, EntryKind.REFUSED, 409, {"reason": refusal})
            if self._has(order, EntryKind.CANCELLED, EntryKind.TOMBSTONE):
                gone = {"reason": "it was cancelled before this request came"}
                return self._write(order, EntryKind.CAME_LATE, 409, gone)
            booking = {"id": f"{self._name}-{order.trip}", "trip": order.trip}
            return self._write(order, EntryKind.BOOKED, 201, {**booking, "amount": order.amount})

    def cancel(self, order: Order) -> Answer:
        """Take the booking back if there is one; with tombstones, there will be none either."""
        with self._db:
            if known := self._repeated(order):
                return known
            if self._has(order, EntryKind.BOOKED):
                kind = EntryKind.CANCELLED
            elif self._tombstones:
                kind = EntryKind.TOMBSTONE
            else:
                kind = EntryKind.NOTHING_THERE
            return self._write(order, kind, 200, {"result": kind})

    def _repeated(self, order: Order) -> Answer | None:
        row = self._db.execute(
            "SELECT status, body FROM answers WHERE request = ?", (order.request,)
        ).fetchone()
        if row is None:
            return None
        self._enter(order, EntryKind.REPEATED)
        return Answer(row[0], json.loads(row[1]))

    def _has(self, order: Order, *kinds: EntryKind) -> bool:
        rows = self._db.execute("SELECT kind FROM entries WHERE effect = ?", (order.effect,))
        return not {kind for (kind,) in rows}.isdisjoint(kinds)

    def _write(
        self, order: Order, kind: EntryKind, status: int, body: Mapping[str, str | int]
    ) -> Answer:
        self._enter(order, kind)
        self._db.execute(
            "INSERT INTO answers VALUES (?, ?, ?)", (order.request, status, json.dumps(body))
        )
        return Answer(status, body)

    def _enter(self, order: Order, kind: EntryKind) -> None:
        self._db.execute(
            "INSERT INTO entries (effect, trip, kind, amount) VALUES (?, ?, ?, ?)",
            (order.effect, order.trip, kind, order.amount),
        )


def path_of(directory: Path, service: str) -> Path:
    """Say where the ledger of `service` is."""
    return directory / f"{service}.db"


def read_entries(directory: Path, service: str) -> list[Entry]:
    """Return what is in the ledger of `service`, in order; its service may be gone."""
    uri = f"{path_of(directory, service).absolute().as_uri()}?mode=ro"
    db = sqlite3.connect(uri, uri=True)
    try:
        rows = db.execute("SELECT trip, kind, amount FROM entries ORDER BY sequence").fetchall()
    finally:
        db.close()
    return [Entry(trip, EntryKind(kind), amount) for trip, kind, amount in rows]
