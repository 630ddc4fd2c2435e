"""`python -m examples.trip`: book a trip (or many), break what you like, and check the ledgers."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from examples.trip import faults
from examples.trip.checker import Held, judge
from examples.trip.faults import Fault
from examples.trip.ledger import SERVICES
from examples.trip.report import chaos_lines, trip_lines
from examples.trip.running import take_trips, travel_agency
from examples.trip.saga import Trip
from sagacity.participants import Level

_service = click.Choice(SERVICES)


@click.command(help="Book a trip at four services that misbehave as told, and check the ledgers.")
@click.option("--fail", type=_service, multiple=True, help="This service says no.")
@click.option("--lose-reply", type=_service, multiple=True, help="It does the work; no reply.")
@click.option("--slow", type=_service, multiple=True, help="It does the work after the time-out.")
@click.option("--plain", is_flag=True, help="The services keep no tombstones.")
@click.option("--chaos", type=click.IntRange(1, 1000), help="So many trips, with random faults.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which random faults.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep store and ledgers here; run again to go on where it stopped.",
)
def main(
    *,
    fail: tuple[str, ...],
    lose_reply: tuple[str, ...],
    slow: tuple[str, ...],
    plain: bool,
    chaos: int | None,
    seed: int,
    directory: Path | None,
) -> None:
    """Exit with 0 if every trip is booked whole or not at all, else with 1."""
    if chaos is not None and (fail or lose_reply or slow):
        raise click.UsageError("--chaos chooses the faults itself: leave the others out")
    if chaos is None:
        plan = faults.first_booking(
            dict.fromkeys(fail, Fault.REFUSE)
            | dict.fromkeys(lose_reply, Fault.LOSE_REPLY)
            | dict.fromkeys(slow, Fault.SLOW)
        )
    else:
        plan = faults.chaos(seed)
    level = Level.IDEMPOTENT if plain else Level.FENCED
    with TemporaryDirectory(prefix="sagacity-trip-") as temporary:
        place = directory or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        sys.exit(asyncio.run(book(place, plan, count=chaos, level=level)))


async def book(directory: Path, plan: faults.Plan, *, count: int | None, level: Level) -> int:
    """Take the trips, tell what happened, and return the exit code."""
    names = ["Lisbon"] if count is None else [f"Lisbon {number}" for number in range(count)]
    trips = [Trip(name, hotel=400_00, flight=250_00, car=120_00) for name in names]
    async with travel_agency(directory, plan, level=level) as sec:
        views = await take_trips(sec, trips)
    verdicts = judge(directory)
    if count is None:
        [(name, view)] = views.items()
        lines = trip_lines(view, verdicts[name])
    else:
        lines = chaos_lines(views.values(), verdicts.values())
    print("\n".join(lines))
    return int(any(verdict.held is Held.BROKEN for verdict in verdicts.values()))


if __name__ == "__main__":
    main()
