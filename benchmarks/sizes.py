"""Bytes per saga: created and waiting, and what a finished one leaves behind."""

from __future__ import annotations

import gc
import tracemalloc
from uuid import UUID

from benchmarks.measuring import Figure, figure
from benchmarks.sagas import REGISTRY, line
from sagacity import Sec, open_store

COUNT = 5_000


async def memory(runs: int) -> list[Figure]:
    """Measure with tracemalloc, on the memory store."""
    dag = line(5)
    waiting: list[float] = []
    left: list[float] = []
    for _ in range(runs):
        store = open_store("memory://")
        async with Sec(store, REGISTRY) as sec:
            await sec.run(dag)
            gc.collect()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            handles = [await sec.create(dag, {"v": 1}) for _ in range(COUNT)]
            gc.collect()
            waiting.append((tracemalloc.get_traced_memory()[0] - before) / COUNT)
            tracemalloc.stop()
            del handles
        # What Python itself keeps for the next objects does not grow with the sagas.
        kept_anyway = await _left_by(COUNT)
        left.append((await _left_by(2 * COUNT) - kept_anyway) / COUNT)
    return [
        figure("created, waiting linear-5", "bytes", waiting, "<= 8,192"),
        figure("finished linear-5, beyond its stored log", "bytes", left, "0"),
    ]


async def _left_by(count: int) -> int:
    """Return the bytes that are left of so many finished sagas once their logs are deleted."""
    dag = line(5)
    async with Sec(open_store("memory://"), REGISTRY) as sec:
        await sec.run(dag)
        ids = [UUID(int=number + 1) for number in range(count)]
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for saga_id in ids:
            await sec.run(dag, id=saga_id)
        gc.collect()
        with_logs = tracemalloc.get_traced_memory()[0]
        removed = await _forget(sec, ids)
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert removed == count
        assert with_logs > after
        return after - before


async def _forget(sec: Sec, ids: list[UUID]) -> int:
    """Remove the stored logs, so that what is left is what the engine keeps."""
    store = sec._store  # pyright: ignore[reportPrivateUsage]
    removed = 0
    for start in range(0, len(ids), 500):
        removed += await store.delete(ids[start : start + 500])
    return removed
