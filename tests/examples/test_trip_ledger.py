"""The services' ledgers and their judge: what the trip's proof rests on, without any saga."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from examples.trip.checker import Held, judge_trip
from examples.trip.ledger import SERVICES, Entry, EntryKind, Ledger, Order, path_of, read_entries
from sagacity.participants import FENCING_TOKEN, IDEMPOTENCY_KEY, Level, read_request


def order(direction: str, amount: int, *, token: int = 1, level: Level = Level.FENCED) -> Order:
    key = f"{UUID(int=1)}/book_flight/{direction}"
    headers = {IDEMPOTENCY_KEY: key, FENCING_TOKEN: str(token)}
    return Order(read_request(headers, b"", level), "Lisbon", amount)


BOOK = order("do", 250)
CANCEL = order("undo", 0)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(path_of(tmp_path, "flight"))) as ledger:
        yield ledger


def kinds(directory: Path) -> list[str]:
    return [entry.kind.value for entry in read_entries(directory, "flight")]


def test_a_repeated_booking_is_answered_alike_and_booked_once(
    ledger: Ledger, tmp_path: Path
) -> None:
    """The same idempotency key gives the same answer and no second effect."""
    first = ledger.book(BOOK)

    assert ledger.book(BOOK) == first
    assert first.status == 201
    assert kinds(tmp_path) == ["booked", "repeated"]


def test_a_repeated_cancellation_cancels_once(ledger: Ledger, tmp_path: Path) -> None:
    """An undo may run again."""
    ledger.book(BOOK)

    assert ledger.cancel(CANCEL) == ledger.cancel(CANCEL)
    assert kinds(tmp_path) == ["booked", "cancelled", "repeated"]


def test_an_undo_that_comes_first_makes_the_do_a_no_op(ledger: Ledger, tmp_path: Path) -> None:
    """The undo leaves a tombstone under the effect key, which the do finds."""
    cancelled = ledger.cancel(CANCEL)
    late = ledger.book(BOOK)

    assert (cancelled.status, late.status) == (200, 409)
    assert kinds(tmp_path) == ["tombstone", "came late"]


def test_a_refusal_is_final(ledger: Ledger, tmp_path: Path) -> None:
    """Who was refused is refused again under the same key, even when there is room by then."""
    refused = ledger.book(BOOK, refusal="every seat is taken")

    assert ledger.book(BOOK) == refused
    assert refused.status == 409
    assert kinds(tmp_path) == ["refused", "repeated"]


def test_a_plain_participant_carries_out_a_late_do(tmp_path: Path) -> None:
    """Without tombstones an undo that comes first changes nothing: this is what they are for."""
    plain = Level.IDEMPOTENT
    with closing(Ledger(path_of(tmp_path, "flight"), level=plain)) as ledger:
        ledger.cancel(order("undo", 0, level=plain))
        late = ledger.book(order("do", 250, level=plain))

    assert late.status == 201
    assert kinds(tmp_path) == ["nothing there", "booked"]


def test_a_stale_coordinator_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    """Its successor has asked before; the ledger says that somebody tried."""
    ledger.cancel(order("undo", 0, token=2))
    stale = ledger.book(BOOK)

    assert stale.status == 412
    assert kinds(tmp_path) == ["tombstone", "stale"]


def test_a_ledger_outlives_its_service(tmp_path: Path) -> None:
    """A repeated request finds its answer also after a restart."""
    with closing(Ledger(path_of(tmp_path, "flight"))) as ledger:
        before = ledger.book(BOOK)
    with closing(Ledger(path_of(tmp_path, "flight"))) as ledger:
        after = ledger.book(BOOK)

    assert before == after
    assert kinds(tmp_path) == ["booked", "repeated"]


B, C, R, T = EntryKind.BOOKED, EntryKind.CANCELLED, EntryKind.REPEATED, EntryKind.TOMBSTONE
AMOUNTS = {"payment": 600, "hotel": 300, "flight": 200, "car": 100}


@pytest.mark.parametrize(
    ("differing", "held"),
    [
        ({}, Held.ALL),
        ({"hotel": (B, R, R)}, Held.ALL),
        (dict.fromkeys(SERVICES, (B, C)), Held.NOTHING),
        (dict.fromkeys(SERVICES, ()), Held.NOTHING),
        ({"payment": (B, C), "hotel": (B, C), "flight": (T,), "car": ()}, Held.NOTHING),
        ({"car": ()}, Held.BROKEN),
        ({"car": (B, C)}, Held.BROKEN),
        ({"payment": (B, C)}, Held.BROKEN),
        ({"payment": (B, B)}, Held.BROKEN),
        ({"flight": (B, B, C)}, Held.BROKEN),
        (dict.fromkeys(SERVICES, (B, C)) | {"payment": (B, C, C)}, Held.BROKEN),
        (dict.fromkeys(SERVICES, (T, B)) | {"payment": (B, C)}, Held.BROKEN),
    ],
)
def test_the_judge_lets_nothing_between_all_and_nothing_pass(
    differing: dict[str, tuple[EntryKind, ...]], held: Held
) -> None:
    """All four booked once, or nothing held; `differing` is where a trip is not booked plainly."""
    entries = {
        service: [Entry("Lisbon", kind, AMOUNTS[service]) for kind in differing.get(service, (B,))]
        for service in SERVICES
    }

    verdict = judge_trip("Lisbon", entries)

    assert verdict.held is held
    assert bool(verdict.complaints) == (held is Held.BROKEN)


def test_the_judge_compares_what_was_charged_with_what_was_booked() -> None:
    """To charge once, but the wrong amount, is no whole trip."""
    entries = {service: [Entry("Lisbon", B, AMOUNTS[service])] for service in SERVICES}
    entries["payment"] = [Entry("Lisbon", B, 1200)]

    assert judge_trip("Lisbon", entries).complaints == ("charged 1200 for bookings of 600",)
