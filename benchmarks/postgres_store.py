"""The PostgreSQL store without an engine: appends per second, and what each writes."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final
from uuid import UUID

from benchmarks.measuring import Figure, figure, seconds
from benchmarks.postgres_server import a_server
from sagacity.core.agenda import Direction
from sagacity.core.definition import Definition
from sagacity.ports.store import Append, NewSaga, SagaStatus, SagaStore, Summary
from sagacity.stores.postgres import PostgresStore

RUNNING: Final = Summary(SagaStatus.RUNNING, Direction.FORWARD)
RECORD: Final = b'[{"kind":"succeeded","node":3,"output":{"reservation":"R-1234567"}}]' * 2
NOW_MS: Final = 1_700_000_000_000
EACH: Final = {1_000: 20, 100: 100, 1: 500}
"""How many appends to each saga, by how many sagas are appended to at once."""


async def appends(runs: int) -> list[Figure]:
    """Append to so many sagas at once, one append to each at any time."""
    figures: list[Figure] = []
    async with a_server() as server:
        for in_flight, each in EACH.items():
            rates: list[float] = []
            wal: list[float] = []
            for _ in range(runs):
                url = await server.new_database()
                store = PostgresStore(url)
                await store.open()
                ids = [UUID(int=number << 64) for number in range(1, in_flight + 1)]
                await asyncio.gather(*(store.create(_saga(each)) for each in ids))
                begin = await server.wal_position()
                took = await seconds(partial(_append_to_all, store, ids, each))
                rates.append(in_flight * each / took)
                wal.append(await server.wal_bytes_since(begin) / (in_flight * each))
                await store.close()
                await server.drop(url)
            work = f"appends, PostgreSQL, {in_flight:,} in flight"
            figures += [figure(work, "appends/s", rates), figure(f"{work}, WAL", "bytes", wal)]
    return figures


async def _append_to_all(store: SagaStore, ids: list[UUID], each: int) -> None:
    async def append_to(saga_id: UUID) -> None:
        for sequence in range(1, each + 1):
            await store.append(Append(saga_id, 0, sequence, RECORD, 1, RUNNING, NOW_MS))

    async with asyncio.TaskGroup() as group:
        for saga_id in ids:
            group.create_task(append_to(saga_id))


def _saga(saga_id: UUID) -> NewSaga:
    return NewSaga(
        id=saga_id,
        name="trip",
        definition=Definition("fingerprint", b"{}"),
        constants=b"[]",
        params=b"{}",
        labels={},
        record=RECORD,
        event_count=1,
        summary=RUNNING,
        created_ms=NOW_MS,
    )
