"""Many worker processes on one PostgreSQL: what they do together, and after a crash.

The workers are `benchmarks.fleet_program`, sagacity's coordinator with its defaults.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import psycopg

from benchmarks.measuring import Figure, figure
from benchmarks.peers import stopping
from benchmarks.peers.stopping import Engine
from benchmarks.postgres_server import a_server
from benchmarks.programs import Program
from benchmarks.sagas import SLOW, line
from sagacity import Client, Dag, open_store

OURS = Engine("sagacity", (sys.executable, "-m", "benchmarks.peers.ours"))
WORKER = Engine("worker", (sys.executable, "-m", "benchmarks.fleet_program"))
PROCESSES = (1, 2, 8)
SAGAS = 20_000
ORPHANS = 100_000
CLAIMERS = 3
AT_ONCE = 500
LOOK_SECONDS = 0.5
OWNED = """
SELECT count(*) FROM sagacity.head JOIN sagacity.coordinator USING (owner)
WHERE lease_until > clock_timestamp()
"""


@dataclass
class Counts:
    """What one worker has done so far, in its own words."""

    running: int = 0
    finished: int = 0
    rss: int = 0
    most_rss: int = 0

    def note(self, said: str) -> None:
        """Take over the line that a worker prints now and then."""
        report: dict[str, int] = json.loads(said)
        self.running, self.finished, self.rss = report["running"], report["finished"], report["rss"]
        self.most_rss = max(self.most_rss, self.rss)


class Fleet:
    """Workers that were started together, and what they say."""

    def __init__(self, programs: Sequence[Program]) -> None:
        """Watch these."""
        self._programs = programs
        self.counts = [Counts() for _ in programs]
        self._full = 0
        self.full_at: float | None = None
        self.times: list[tuple[float, int]] = []

    async def work(self, total: int) -> None:
        """Let them begin, and return when together they have ended `total` sagas."""
        for program in self._programs:
            await program.line_that_is("ready")
        await self._begin()
        async with asyncio.TaskGroup() as group:
            for program, counts in zip(self._programs, self.counts, strict=True):
                group.create_task(self._follow(program, counts, total))

    async def claim(self, url: str, total: int, full: int) -> float:
        """Let them begin; return after how long they own `total` sagas, and all run `full`."""
        for program in self._programs:
            await program.line_that_is("ready")
        await self._begin()
        self._full, taken = full, 0.0
        async with asyncio.TaskGroup() as group:
            following = [
                group.create_task(self._follow(program, counts, total))
                for program, counts in zip(self._programs, self.counts, strict=True)
            ]
            while not taken or self.full_at is None:
                await asyncio.sleep(LOOK_SECONDS)
                if not taken and await _owned(url) >= total:
                    taken = time.perf_counter() - self.begin
            for each in following:
                each.cancel()
        for program in self._programs:
            await program.kill()
        return taken

    async def _begin(self) -> None:
        self.begin = time.perf_counter()
        for program in self._programs:
            await program.tell("go")

    async def _follow(self, program: Program, counts: Counts, total: int) -> None:
        while sum(each.finished for each in self.counts) < total:
            counts.note(await program.line())
            now = time.perf_counter() - self.begin
            self.times.append((now, sum(each.finished for each in self.counts)))
            if self.full_at is None and all(each.running >= self._full for each in self.counts):
                self.full_at = now
        await program.kill()

    def rate(self) -> float:
        """Return sagas per second, from the moment when the workers began to open the store."""
        last, finished = self.times[-1]
        return finished / last


async def processes(runs: int) -> list[Figure]:
    """Measure sagas that a client has started, with one, two and eight workers."""
    rates: dict[int, list[float]] = {number: [] for number in PROCESSES}
    async with a_server() as server:
        for run in range(runs):
            for number in PROCESSES if run % 2 == 0 else PROCESSES[::-1]:
                url = await server.new_database()
                await _start_sagas(url, SAGAS, line(5))
                fleet = await _worked(url, number, SAGAS)
                rates[number].append(fleet.rate())
                await server.drop(url)
    one = rates[1]
    return [
        *(figure(f"linear-5, started by a client, {number} workers", "sagas/s", rates[number])
          for number in PROCESSES),
        *(figure(f"{number} workers against one", "x",
                 [many / alone for many, alone in zip(rates[number], one, strict=True)], ">= 1")
          for number in PROCESSES[1:]),
    ]  # fmt: skip


async def _start_sagas(url: str, count: int, dag: Dag) -> None:
    async with Client(open_store(url)) as client:
        for _ in range(count // AT_ONCE):
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(client.create(dag, {"v": 1}, start=True))


async def _worked(url: str, number: int, total: int) -> Fleet:
    async with AsyncExitStack() as stack:
        programs = [
            await stack.enter_async_context(WORKER.program("work", url)) for _ in range(number)
        ]
        fleet = Fleet(programs)
        await fleet.work(total)
    return fleet


async def orphans(runs: int) -> list[Figure]:
    """Measure three workers that claim what one that died has left."""
    full: list[float] = []
    claimed: list[float] = []
    memory: list[float] = []
    async with a_server() as server:
        for _ in range(runs):
            url = await server.new_database()
            await _start_sagas(url, ORPHANS, line(5, SLOW))
            await _orphan_all(url)
            async with AsyncExitStack() as stack:
                fleet = Fleet(
                    [
                        await stack.enter_async_context(WORKER.program("claim", url))
                        for _ in range(CLAIMERS)
                    ]
                )
                claimed.append(await fleet.claim(url, ORPHANS, full=1_000))
            full.append(fleet.full_at or float("nan"))
            memory.append(max(each.most_rss for each in fleet.counts) / 1e6)
            await server.drop(url)
    by = f"{CLAIMERS} workers"
    return [
        figure(f"{ORPHANS:,} orphans: until {by} run as many as they may", "s", full, "<= 60"),
        figure(f"{ORPHANS:,} orphans: until {by} have claimed all", "s", claimed, "<= 60"),
        figure(f"{ORPHANS:,} orphans: most memory of one of {by}", "MB", memory, "<= 300"),
    ]


async def _owned(url: str) -> int:
    """Return how many sagas belong to workers that are alive."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute(OWNED)
        (count,) = await cursor.fetchone() or (0,)
        return int(count)


async def _orphan_all(url: str) -> None:
    """Let all sagas have begun, and their owner be dead: quicker than to begin and to kill."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("UPDATE sagacity.head SET state = 'running', owner = 'gone'")


async def killed(runs: int) -> list[Figure]:
    """Measure from the start of a new process until all that a killed one left is done."""
    async with a_server() as server:
        taken = [await stopping.seconds_until_done(server, OURS) for _ in range(runs)]
    return [figure(stopping.WORK, "s", taken, "<= lease + 3")]
