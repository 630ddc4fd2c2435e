"""Sagas per second: linear-5, in memory and on SQLite, with 1, 100 and 1,000 in flight."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import Figure, figure, remove_database, seconds
from benchmarks.sagas import REGISTRY, line
from sagacity import Dag, Sec, open_store

if TYPE_CHECKING:
    from collections.abc import Generator

MEMORY_TARGETS = {1: ">= 6,000", 100: ">= 8,000", 1_000: ">= 8,000"}
SQLITE_TARGETS = {1_000: ">= 3,000", 100: ">= 2,500"}


async def _many(sec: Sec, dag: Dag, in_flight: int, count: int) -> float:
    """Return sagas per second with so many in flight at any time."""

    async def one_after_the_other(share: int) -> None:
        for _ in range(share):
            await sec.run(dag)

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(one_after_the_other(count // in_flight))

    return count / await seconds(all_of_them)


async def memory(runs: int) -> list[Figure]:
    """Measure on the memory store; each run has a store of its own."""
    dag = line(5)
    figures: list[Figure] = []
    for in_flight, target in MEMORY_TARGETS.items():
        values: list[float] = []
        for _ in range(runs):
            async with Sec(open_store("memory://"), REGISTRY) as sec:
                await _many(sec, dag, 1, 200)
                values.append(await _many(sec, dag, in_flight, 6_000))
        figures.append(
            figure(f"linear-5, memory, {in_flight:,} in flight", "sagas/s", values, target)
        )
    return figures


async def sqlite(runs: int, directory: Path) -> list[Figure]:
    """Measure on SQLite, each append fully durable."""
    dag = line(5)
    figures: list[Figure] = []
    path = directory / "throughput.db"
    for in_flight, target in SQLITE_TARGETS.items():
        values: list[float] = []
        for _ in range(runs):
            remove_database(path)
            async with Sec(open_store(f"sqlite:///{path}"), REGISTRY) as sec:
                await _many(sec, dag, in_flight, in_flight)
                values.append(await _many(sec, dag, in_flight, 6_000))
        figures.append(
            figure(f"linear-5, SQLite, {in_flight:,} in flight", "sagas/s", values, target)
        )
    return figures


async def sqlite_alone(runs: int, directory: Path) -> list[Figure]:
    """Measure one saga at a time against six bare commits, taken in turn in one run."""
    dag = line(5)
    ratios: list[float] = []
    ours: list[float] = []
    bares: list[float] = []
    path = directory / "alone.db"
    for _ in range(runs):
        remove_database(path)
        async with Sec(open_store(f"sqlite:///{path}"), REGISTRY) as sec:
            commits = _bare_commits(directory / "bare.db")
            sagas: list[float] = []
            bare: list[float] = []
            for _ in range(300):
                bare.append(next(commits))
                sagas.append(await seconds(lambda: sec.run(dag)))
            commits.close()
        ours.append(statistics.median(sagas) * 1e6)
        bares.append(statistics.median(bare) * 1e6)
        ratios.append(ours[-1] / bares[-1])
    return [
        figure("linear-5, SQLite, one at a time, p50", "us", ours),
        figure("six bare commits, p50", "us", bares),
        figure("ratio of the two", "x", ratios, "<= 1.3"),
    ]


def _bare_commits(path: Path) -> Generator[float, None, None]:
    """Yield how long six commits of one small row each take on a bare connection."""
    remove_database(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
    try:
        while True:
            begin = time.perf_counter()
            for _ in range(6):
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO t (b) VALUES (?)", ("x" * 100,))
                connection.execute("COMMIT")
            yield time.perf_counter() - begin
    finally:
        connection.close()
        remove_database(path)
