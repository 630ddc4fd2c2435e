"""The proof, from the ledgers alone: a trip is booked whole and once, or nothing of it is held.

Knows nothing of sagas, their logs or what a client was told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from examples.trip.ledger import SERVICES, Entry, EntryKind, read_entries


class Held(StrEnum):
    """How much of a trip its services hold in the end."""

    ALL = "booked whole, once"
    NOTHING = "nothing is held"
    BROKEN = "BROKEN"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the ledgers say about one trip; `entries` are what they said it from, by service."""

    trip: str
    held: Held
    complaints: tuple[str, ...]
    entries: Mapping[str, Sequence[Entry]]


def judge(directory: Path) -> dict[str, Verdict]:
    """Judge every trip that any of the ledgers in `directory` knows, by name."""
    trips: dict[str, dict[str, list[Entry]]] = {}
    for service in SERVICES:
        for entry in read_entries(directory, service):
            entries = trips.setdefault(entry.trip, {name: [] for name in SERVICES})
            entries[service].append(entry)
    return {trip: judge_trip(trip, entries) for trip, entries in trips.items()}


def judge_trip(trip: str, entries: Mapping[str, Sequence[Entry]]) -> Verdict:
    """Judge one trip by its entries in each ledger."""
    complaints: list[str] = []
    amounts: dict[str, int] = {}
    for service, lines in entries.items():
        count = Counter(entry.kind for entry in lines)
        booked, cancelled = count[EntryKind.BOOKED], count[EntryKind.CANCELLED]
        if booked > 1:
            complaints.append(f"{service}: booked {booked} times")
        if cancelled > booked:
            complaints.append(f"{service}: booked {booked}, but cancelled {cancelled} times")
        if booked > cancelled:
            amounts[service] = sum(e.amount for e in lines if e.kind is EntryKind.BOOKED)
    if amounts and amounts.keys() != entries.keys():
        missing = [service for service in entries if service not in amounts]
        complaints.append(f"held: {', '.join(amounts)}; not held: {', '.join(missing)}")
    elif amounts and (cost := sum(amounts.values()) - amounts["payment"]) != amounts["payment"]:
        complaints.append(f"charged {amounts['payment']} for bookings of {cost}")
    whole = Held.ALL if amounts else Held.NOTHING
    return Verdict(trip, Held.BROKEN if complaints else whole, tuple(complaints), entries)
