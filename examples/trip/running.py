"""Puts the pieces together: services, client and coordinator, opened and closed in order.

Everything durable is in one directory, the saga store beside the ledgers. To open
the same directory again is to come back after a crash: sagas that were not finished
go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote
from uuid import NAMESPACE_URL, UUID, uuid5

from examples.trip.client import TIMEOUT_SECONDS, open_client
from examples.trip.faults import Plan, all_well
from examples.trip.saga import Trip, book_trip
from examples.trip.services import running_services
from sagacity import SagaEnded, SagaView, Sec, open_store
from sagacity.participants import Level


@asynccontextmanager
async def travel_agency(
    directory: Path,
    plan: Plan = all_well,
    *,
    level: Level = Level.FENCED,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> AsyncGenerator[Sec, None]:
    """Open services that misbehave by `plan`, and a coordinator whose sagas use them.

    After it, all that was ever asked of the services is done: the ledgers are final.
    """
    async with (
        running_services(directory, plan, level=level) as urls,
        open_client(urls, timeout_seconds=timeout_seconds) as client,
        Sec(open_store(store_url(directory)), [book_trip], deps=client) as sec,
    ):
        yield sec


def store_url(directory: Path) -> str:
    """Say where the sagas are, as the command line takes it: `sagacity list --store ...`."""
    return f"sqlite:///{quote(str(directory.absolute() / 'sagas.db'))}"


def saga_id_of(trip: Trip) -> UUID:
    """Name the saga of `trip`, so that asking for the trip twice books it once."""
    return uuid5(NAMESPACE_URL, f"https://trip.example/{trip.name}")


async def take_trips(sec: Sec, trips: Iterable[Trip]) -> dict[str, SagaView]:
    """Run all `trips` at the same time and return each as it ended."""
    views: dict[str, SagaView] = {}

    async def take(trip: Trip) -> None:
        with suppress(SagaEnded):  # the view says how
            await sec.run(book_trip, trip, id=saga_id_of(trip))
        views[trip.name] = await sec.get(saga_id_of(trip))

    async with asyncio.TaskGroup() as group:
        for trip in trips:
            group.create_task(take(trip))
    return views
