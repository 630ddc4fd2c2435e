"""What one service has done, in a SQLite file: it survives the service, and a checker can read it.

Entries are only ever added. What must stay true: an entry and the turn of its request
(`sagacity.participants`) are one transaction, so a request that is repeated gets the first
answer again and has no second effect, and an undo that comes first forbids the do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from sagacity.participants import SQLITE, Level, Request, TokenStale, Turn, Verdict

SERVICES: Final = ("payment", "hotel", "flight", "car")

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (
    sequence INTEGER PRIMARY KEY,
    trip     TEXT NOT NULL,
    kind     TEXT NOT NULL,
    amount   INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_of_trip ON entries (trip);
"""


class EntryKind(StrEnum):
    """What a request came to."""

    BOOKED = "booked"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    REPEATED = "repeated"  # the first answer was given again
    TOMBSTONE = "tombstone"  # cancelled before it was booked: it never will be
    CAME_LATE = "came late"  # to book what has a tombstone: a no-op
    STALE = "stale"  # from a coordinator that had been replaced: refused
    NOTHING_THERE = "nothing there"  # to cancel what is not booked, and no tombstone is left


@dataclass(frozen=True, slots=True)
class Order:
    """One request: to book for a trip, or to cancel what was booked or ever will be."""

    request: Request
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

    At `Level.IDEMPOTENT` it is a plain participant: to cancel what is not there yet
    leaves nothing, so a request to book that comes later is carried out.
    """

    def __init__(self, path: Path, *, level: Level = Level.FENCED) -> None:
        """Open the file at `path`, or make it."""
        self.level: Final = level
        self._name: Final = path.stem
        self._db: Final = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        SQLITE.create(self._db)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def book(self, order: Order, *, refusal: str = "") -> Answer:
        """Book once, unless it was cancelled before or there is a `refusal`."""

        def work(turn: Turn) -> tuple[EntryKind, Answer]:
            if turn.verdict is Verdict.TOO_LATE:
                gone = {"reason": "it was cancelled before this request came"}
                return EntryKind.CAME_LATE, Answer(409, gone)
            if refusal:
                turn.refuse([409, {"reason": refusal}])
                return EntryKind.REFUSED, Answer(*turn.answer)
            booking = {"id": f"{self._name}-{order.trip}", "trip": order.trip}
            turn.finish([201, {**booking, "amount": order.amount}])
            return EntryKind.BOOKED, Answer(*turn.answer)

        return self._serve(order, work)

    def cancel(self, order: Order) -> Answer:
        """Take the booking back if there is one; unless it is plain, there will be none either."""

        def work(turn: Turn) -> tuple[EntryKind, Answer]:
            if turn.verdict is Verdict.NOTHING_TO_UNDO:
                return EntryKind.TOMBSTONE, Answer(200, {"result": EntryKind.TOMBSTONE})
            there = self.level is not Level.IDEMPOTENT or self._is_booked(order.trip)
            kind = EntryKind.CANCELLED if there else EntryKind.NOTHING_THERE
            turn.finish([200, {"result": kind.value}])
            return kind, Answer(*turn.answer)

        return self._serve(order, work)

    def _serve(self, order: Order, work: Callable[[Turn], tuple[EntryKind, Answer]]) -> Answer:
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                with SQLITE.turn(self._db, order.request) as turn:
                    if turn.verdict is Verdict.REPEATED:
                        kind, answer = EntryKind.REPEATED, Answer(*turn.answer)
                    else:
                        kind, answer = work(turn)
                    self._enter(order, kind)
                    return answer
        except TokenStale as stale:
            self._enter(order, EntryKind.STALE)
            return Answer(stale.status, {"reason": str(stale)})

    def _is_booked(self, trip: str) -> bool:
        rows = self._db.execute("SELECT kind FROM entries WHERE trip = ?", (trip,))
        return EntryKind.BOOKED in {kind for (kind,) in rows}

    def _enter(self, order: Order, kind: EntryKind) -> None:
        self._db.execute(
            "INSERT INTO entries (trip, kind, amount) VALUES (?, ?, ?)",
            (order.trip, kind, order.amount),
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
