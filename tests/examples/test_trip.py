"""The trip, end to end: real HTTP on loopback, a SQLite store, and services that misbehave."""

import asyncio
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest
from click.testing import CliRunner

from examples.trip.__main__ import main
from examples.trip.checker import Held, Verdict, judge
from examples.trip.client import open_client
from examples.trip.faults import (
    Asked,
    Fault,
    Plan,
    Treatment,
    Verb,
    all_well,
    chaos,
    first_booking,
)
from examples.trip.ledger import SERVICES
from examples.trip.running import saga_id_of, store_url, take_trips, travel_agency
from examples.trip.saga import Summary, Trip, book_trip
from examples.trip.services import running_services
from sagacity import SagaView, Sec, Stuck, Succeeded, Unwound, open_store
from sagacity.participants import FENCING_TOKEN, IDEMPOTENCY_KEY, Level

TRIP = Trip("Lisbon", hotel=400, flight=250, car=120)

# Where no fault is planned, a slow machine must not look like one.
PATIENT_SECONDS = 10.0


async def run_trip(directory: Path, plan: Plan, *, level: Level = Level.FENCED) -> SagaView:
    async with travel_agency(directory, plan, level=level) as sec:
        views = await take_trips(sec, [TRIP])
    return views["Lisbon"]


def kinds(verdict: Verdict, service: str) -> list[str]:
    return [entry.kind.value for entry in verdict.entries[service]]


async def test_a_trip_without_faults_is_booked_once(tmp_path: Path) -> None:
    """The result is typed, and each service has one booking and nothing else."""
    async with travel_agency(tmp_path, all_well, timeout_seconds=PATIENT_SECONDS) as sec:
        summary = await sec.run(book_trip, TRIP)

    assert summary == Summary("Lisbon", 770, ("hotel-Lisbon", "flight-Lisbon", "car-Lisbon"))
    verdict = judge(tmp_path)["Lisbon"]
    assert verdict.held is Held.ALL
    assert {service: kinds(verdict, service) for service in SERVICES} == {
        service: ["booked"] for service in SERVICES
    }


@pytest.mark.parametrize("service", SERVICES)
async def test_a_refusal_unwinds_the_trip(tmp_path: Path, service: str) -> None:
    """A definite no: the others are taken back, the refusing service is not asked to undo."""
    view = await run_trip(tmp_path, first_booking({service: Fault.REFUSE}))

    assert isinstance(view.outcome, Unwound)
    verdict = judge(tmp_path)["Lisbon"]
    assert verdict.held is Held.NOTHING
    assert kinds(verdict, service) == ["refused"]


@pytest.mark.parametrize("service", ["payment", "flight", "car"])
async def test_an_effect_whose_reply_is_lost_is_taken_back(tmp_path: Path, service: str) -> None:
    """The time-out leaves the outcome unknown, so the node's own undo runs and finds the effect."""
    view = await run_trip(tmp_path, first_booking({service: Fault.LOSE_REPLY}))

    assert isinstance(view.outcome, Unwound)
    [error] = view.outcome.errors
    assert error.effect == "possible"
    verdict = judge(tmp_path)["Lisbon"]
    assert verdict.held is Held.NOTHING
    assert kinds(verdict, service) == ["booked", "cancelled"]


@pytest.mark.parametrize("service", ["payment", "flight", "car"])
async def test_an_undo_that_overtakes_its_do_wins(tmp_path: Path, service: str) -> None:
    """The request to book is carried out only after the undo, and meets its tombstone."""
    view = await run_trip(tmp_path, first_booking({service: Fault.SLOW}))

    assert isinstance(view.outcome, Unwound)
    verdict = judge(tmp_path)["Lisbon"]
    assert verdict.held is Held.NOTHING
    assert kinds(verdict, service) == ["tombstone", "came late"]


async def test_plain_participants_can_be_left_with_a_late_effect(tmp_path: Path) -> None:
    """Without tombstones the overtaken do lands, the saga has unwound, and the judge sees it."""
    view = await run_trip(tmp_path, first_booking({"flight": Fault.SLOW}), level=Level.IDEMPOTENT)

    assert isinstance(view.outcome, Unwound)
    verdict = judge(tmp_path)["Lisbon"]
    assert verdict.complaints == ("held: flight; not held: payment, hotel, car",)


@pytest.mark.parametrize("fault", [Fault.LOSE_REPLY, Fault.SLOW, Fault.UNAVAILABLE])
async def test_the_atomic_action_asks_until_it_knows(tmp_path: Path, fault: Fault) -> None:
    """No answer from the hotel does not end the trip: the same request gets one later."""
    view = await run_trip(tmp_path, first_booking({"hotel": fault}))

    assert isinstance(view.outcome, Succeeded)
    verdict = judge(tmp_path)["Lisbon"]
    assert verdict.held is Held.ALL
    assert kinds(verdict, "hotel").count("booked") == 1


async def test_repeated_actions_have_one_effect(tmp_path: Path) -> None:
    """Every booking requested three times is booked once."""
    async with travel_agency(tmp_path, timeout_seconds=PATIENT_SECONDS) as sec:
        handle = await sec.create(book_trip, TRIP)
        for node in ("charge_card", "book_hotel", "book_flight", "book_car"):
            await handle.inject_repeat(node, action=3)
        await handle.start()
        await handle.result()

    verdict = judge(tmp_path)["Lisbon"]
    assert verdict.held is Held.ALL
    for service in SERVICES:
        assert kinds(verdict, service) == ["booked", "repeated", "repeated"]


async def test_repeated_undos_have_one_effect(tmp_path: Path) -> None:
    """Every cancellation requested three times cancels once."""
    async with travel_agency(tmp_path, timeout_seconds=PATIENT_SECONDS) as sec:
        handle = await sec.create(book_trip, TRIP)
        for node in ("charge_card", "book_hotel", "book_flight", "book_car"):
            await handle.inject_repeat(node, action=1, undo=3)
        await handle.inject_error("summarize")
        await handle.start()
        outcome = await handle.wait()

    assert isinstance(outcome, Unwound)
    verdict = judge(tmp_path)["Lisbon"]
    assert verdict.held is Held.NOTHING
    for service in SERVICES:
        assert kinds(verdict, service) == ["booked", "cancelled", "repeated", "repeated"]


async def test_an_undo_gets_over_a_service_that_is_down_for_a_while(tmp_path: Path) -> None:
    """Undos ask again, so a passing failure does not leave the saga stuck."""

    def plan(asked: Asked) -> Treatment:
        if asked.verb is Verb.CANCEL and asked.nth <= 2:
            return Treatment(Fault.UNAVAILABLE)
        return first_booking({"car": Fault.REFUSE})(asked)

    view = await run_trip(tmp_path, plan)

    assert isinstance(view.outcome, Unwound)
    assert judge(tmp_path)["Lisbon"].held is Held.NOTHING


async def test_an_undo_that_gets_no_answer_is_left_to_a_person(tmp_path: Path) -> None:
    """The saga is stuck, says which undo failed, and the ledgers show what is still held."""

    def plan(asked: Asked) -> Treatment:
        if asked.verb is Verb.CANCEL and asked.service == "flight":
            return Treatment(Fault.UNAVAILABLE)
        return first_booking({"car": Fault.REFUSE})(asked)

    view = await run_trip(tmp_path, plan)

    assert isinstance(view.outcome, Stuck)
    assert [error.node for error in view.outcome.undo_errors] == ["book_flight"]
    # Not refunded either: the charge is undone only after all that depend on it.
    assert judge(tmp_path)["Lisbon"].complaints == ("held: payment, flight; not held: hotel, car",)


async def test_a_trip_goes_on_with_the_next_coordinator(tmp_path: Path) -> None:
    """A coordinator stops while the hotel has not answered; the next books what is left, once.

    The request of the first is carried out after that of the second, and is refused as stale.
    """
    hotel_asked = asyncio.Event()

    def plan(asked: Asked) -> Treatment:
        if asked.service == "hotel":
            hotel_asked.set()
        return first_booking({"hotel": Fault.SLOW})(asked)

    async with (
        running_services(tmp_path, plan) as urls,
        open_client(urls, timeout_seconds=PATIENT_SECONDS) as client,
    ):
        async with Sec(open_store(store_url(tmp_path)), [book_trip], deps=client) as first:
            handle = await first.create(book_trip, TRIP, id=saga_id_of(TRIP))
            await handle.start()
            await hotel_asked.wait()
            await first.drain(0)
        async with Sec(open_store(store_url(tmp_path)), [book_trip], deps=client) as second:
            outcome = await second.handle(saga_id_of(TRIP)).wait()

    assert isinstance(outcome, Succeeded)
    verdict = judge(tmp_path)["Lisbon"]
    assert verdict.held is Held.ALL
    assert kinds(verdict, "hotel") == ["booked", "stale"]


async def test_duplicates_that_come_after_all_is_over_book_nothing(tmp_path: Path) -> None:
    """The network delivers each request again, in both orders, when the trip has been unwound.

    The flight's do had come after its undo, and the hotel's reply had been lost.
    """
    faults = {"hotel": Fault.LOSE_REPLY, "flight": Fault.SLOW}
    nodes = {
        "payment": "charge_card", "hotel": "book_hotel", "flight": "book_flight", "car": "book_car",
    }  # fmt: skip
    amounts = {"payment": 770, "hotel": 400, "flight": 250, "car": 120}
    async with running_services(tmp_path, first_booking(faults)) as urls:
        async with (
            open_client(urls) as client,
            Sec(open_store(store_url(tmp_path)), [book_trip], deps=client) as sec,
        ):
            [view] = (await take_trips(sec, [TRIP])).values()
        async with aiohttp.ClientSession() as session:
            for service in SERVICES:
                for verb, direction in [("book", "do"), ("cancel", "undo"), ("book", "do")]:
                    headers = {
                        IDEMPOTENCY_KEY: f"{view.id}/{nodes[service]}/{direction}",
                        FENCING_TOKEN: "1",
                    }
                    order = {"trip": "Lisbon", "amount": amounts[service] * (verb == "book")}
                    await session.post(f"{urls[service]}/{verb}", headers=headers, json=order)

    assert isinstance(view.outcome, Unwound)
    verdict = judge(tmp_path)["Lisbon"]
    assert verdict.held is Held.NOTHING
    late = ["came late", "tombstone", "came late"]
    repeated = ["repeated", "repeated", "repeated"]
    assert kinds(verdict, "flight")[-3:] == late
    assert kinds(verdict, "hotel") == ["booked", "repeated", "cancelled", *repeated]
    assert kinds(verdict, "payment") == ["booked", "cancelled", *repeated]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({IDEMPOTENCY_KEY: f"{UUID(int=1)}/book_flight/do", FENCING_TOKEN: "1"}, 422),
    ],
)
async def test_what_is_no_request_of_a_saga_is_refused(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    """Without keys, or with another order under a key that is known: nothing is booked for it."""
    known = {IDEMPOTENCY_KEY: f"{UUID(int=1)}/book_flight/do", FENCING_TOKEN: "1"}
    async with running_services(tmp_path, all_well) as urls, aiohttp.ClientSession() as session:
        url = f"{urls['flight']}/book"
        await session.post(url, headers=known, json={"trip": "Lisbon", "amount": 250})
        async with session.post(
            url, headers=headers, json={"trip": "Lisbon", "amount": 1}
        ) as response:
            assert response.status == status

    assert kinds(judge(tmp_path)["Lisbon"], "flight") == ["booked"]


async def test_chaos_leaves_every_trip_whole_or_not_at_all(tmp_path: Path) -> None:
    """Fifty trips at once, every kind of fault in do and undo: the ledgers and the sagas agree."""
    trips = [Trip(f"Lisbon {number}", 400, 250, 120) for number in range(50)]

    # Longer than usual: on a busy machine fifty trips at once would all time out.
    async with travel_agency(tmp_path, chaos(seed=1), timeout_seconds=1.5) as sec:
        views = await take_trips(sec, trips)

    verdicts = judge(tmp_path)
    assert verdicts.keys() == views.keys()
    for name, view in views.items():
        whole = Held.ALL if isinstance(view.outcome, Succeeded) else Held.NOTHING
        assert verdicts[name].held is whole, (name, view.state, verdicts[name])
        assert not isinstance(view.outcome, Stuck)
    # Else this seed shows nothing.
    assert {verdict.held for verdict in verdicts.values()} == {Held.ALL, Held.NOTHING}


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ([], 0, "checker: booked whole, once"),
        (["--fail", "car"], 0, "checker: nothing is held"),
        (["--slow", "flight", "--plain"], 1, "checker: BROKEN; held: flight"),
        (["--chaos", "3", "--seed", "7"], 0, "0 BROKEN"),
    ],
)
def test_the_command_tells_the_verdict(
    tmp_path: Path, arguments: list[str], status: int, told: str
) -> None:
    """The exit code is 1 if, by the ledgers, a trip is neither whole nor not there."""
    result = CliRunner().invoke(main, [*arguments, "--dir", str(tmp_path)])

    assert (result.exit_code, result.exception if result.exit_code > 1 else None) == (status, None)
    assert told in result.output


def test_running_the_command_again_books_no_second_trip(tmp_path: Path) -> None:
    """The saga's id stands for the trip, so the same directory gives the same trip."""
    first = CliRunner().invoke(main, ["--dir", str(tmp_path)])
    second = CliRunner().invoke(main, ["--dir", str(tmp_path), "--fail", "hotel"])

    assert first.output == second.output
    assert second.exit_code == 0
