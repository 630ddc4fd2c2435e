"""One worker process on PostgreSQL: sagas per second, CPU, WAL, and one saga at a time."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Generator

import psycopg

from benchmarks.measuring import Figure, figure, seconds
from benchmarks.postgres_server import a_server
from benchmarks.sagas import REGISTRY, failing_line, fan, line
from sagacity import Dag, SagaUnwound, Sec, open_store

WORKS: list[tuple[str, Dag, int, int, str]] = [
    ("linear-5, PostgreSQL, 1,000 in flight", line(5), 1_000, 8_000, ">= 3,000"),
    ("linear-5, PostgreSQL, 100 in flight", line(5), 100, 6_000, ">= 2,500"),
    ("5 actions, last fails, 100 in flight", failing_line(5), 100, 3_000, ">= 1,500"),
    ("1 -> 20 -> 1, 20 in flight", fan(20), 20, 1_000, ">= 500"),
]
AT_1000 = WORKS[0][0]
BARE = "INSERT INTO bare (b) VALUES (%s)"


async def one_process(runs: int) -> list[Figure]:
    """Measure each shape in this process; each run has a database of its own."""
    rates: dict[str, list[float]] = {}
    ours: list[float] = []
    servers: list[float] = []
    wal: list[float] = []
    async with a_server() as server:
        for _ in range(runs):
            for work, dag, in_flight, count, _ in WORKS:
                url = await server.new_database()
                async with Sec(open_store(url), REGISTRY) as sec:
                    await many(sec, dag, in_flight, in_flight)
                    begin, before = await server.wal_position(), await server.cpu_seconds()
                    cpu = time.process_time()
                    taken = await many(sec, dag, in_flight, count)
                    cpu = time.process_time() - cpu
                    rates.setdefault(work, []).append(count / taken)
                    if work == AT_1000:
                        ours.append(cpu / count * 1e3)
                        servers.append((await server.cpu_seconds() - before) / count * 1e3)
                        wal.append(await server.wal_bytes_since(begin) / count)
                await server.drop(url)
    at = "at 1,000 in flight"
    return [
        *(figure(work, "sagas/s", rates[work], target) for work, _, _, _, target in WORKS),
        figure(f"CPU per 1,000 linear-5 {at}, worker", "s", ours, "<= 0.35"),
        figure(f"CPU per 1,000 linear-5 {at}, server", "s", servers),
        figure(f"WAL per linear-5 {at}, no page images", "bytes", wal, "<= 4,096"),
    ]


async def many(sec: Sec, dag: Dag, in_flight: int, count: int) -> float:
    """Run `count` sagas, so many at any time, and return the seconds that this took."""

    async def one_after_the_other(share: int) -> None:
        for _ in range(share):
            await _ended(sec, dag)

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(one_after_the_other(count // in_flight))

    return await seconds(all_of_them)


async def _ended(sec: Sec, dag: Dag) -> None:
    try:
        await sec.run(dag)
    except SagaUnwound:
        return


async def alone(runs: int) -> list[Figure]:
    """Measure one saga at a time against six bare commits, taken in turn in one run."""
    dag = line(5)
    ratios: list[float] = []
    ours: list[float] = []
    bares: list[float] = []
    async with a_server() as server:
        for _ in range(runs):
            url = await server.new_database()
            commits = _bare_commits(url)
            async with Sec(open_store(url), REGISTRY) as sec:
                await many(sec, dag, 1, 50)
                pairs = [(await seconds(lambda: sec.run(dag)), next(commits)) for _ in range(300)]
            ours.append(statistics.median(saga for saga, _ in pairs) * 1e3)
            bares.append(statistics.median(bare for _, bare in pairs) * 1e3)
            ratios.append(ours[-1] / bares[-1])
            commits.close()
            await server.drop(url)
    return [
        figure("linear-5, PostgreSQL, one at a time, p50", "ms", ours),
        figure("six bare commits on the same server, p50", "ms", bares),
        figure("ratio of the two", "x", ratios, "<= 1.4"),
    ]


def _bare_commits(url: str) -> Generator[float, None, None]:
    """Yield how long six commits of one small row each take, with nothing between them."""
    with psycopg.connect(url, autocommit=True, prepare_threshold=0) as connection:
        connection.execute("CREATE TABLE bare (a bigserial PRIMARY KEY, b text)")
        cursor = connection.cursor()
        while True:
            begin = time.perf_counter()
            for _ in range(6):
                cursor.execute(BARE, ("x" * 100,))
            yield time.perf_counter() - begin
