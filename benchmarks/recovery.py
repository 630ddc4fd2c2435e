"""Seconds from a restart: ten thousand unfinished sagas claimed; a killed process made good.

The process that is killed, and the one that recovers, are this module run as a
program: `python -m benchmarks.recovery fill|recover DATABASE`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import Figure, figure, remove_database, rss_bytes
from benchmarks.sagas import REGISTRY, SLOW, line
from sagacity import Client, Sec, open_store
from sagacity.core.events import Started

if TYPE_CHECKING:
    from sagacity.ports.observer import Recorded

UNFINISHED = 10_000
KILLED = 1_000
LENGTH = 10


class Progress:
    """Counts what became durable, and tells when it is enough."""

    def __init__(self, sagas: int) -> None:
        """Wait for so many sagas."""
        self.sagas = sagas
        self.started: set[object] = set()
        self.finished = 0
        self.succeeded_nodes = 0
        self.half_at = 0
        self.half = asyncio.Event()
        self.running = asyncio.Event()
        self.done = asyncio.Event()

    def recorded(self, what: Recorded) -> None:
        """Count the events of one append."""
        for event in what.events:
            if isinstance(event, Started):
                self.started.add(what.saga_id)
            self.succeeded_nodes += event.kind == "succeeded"
            self.finished += event.kind == "finished"
        if self.succeeded_nodes >= self.half_at > 0:
            self.half.set()
        if len(self.started) >= self.sagas:
            self.running.set()
        if self.finished >= self.sagas:
            self.done.set()

    def trouble(self, saga_id: object, error: Exception) -> None:
        """Show what went wrong."""
        print(saga_id, error, file=sys.stderr)


async def claimed(runs: int, directory: Path) -> list[Figure]:
    """Measure from the start of a coordinator until as many run as the limits allow."""
    path = directory / "unfinished.db"
    taken: list[float] = []
    memory: list[float] = []
    for _ in range(runs):
        remove_database(path)
        dag = line(5, SLOW)
        async with Client(open_store(f"sqlite:///{path}")) as client:
            for _ in range(UNFINISHED // 500):
                async with asyncio.TaskGroup() as group:
                    for _ in range(500):
                        group.create_task(client.create(dag, {"v": 1}, start=True))
        report = await _program("claim", path)
        taken.append(report["seconds"])
        memory.append(report["rss"] / 1e6)
    return [
        figure(f"{UNFINISHED:,} unfinished: until claimed and running", "s", taken, "<= 5"),
        figure(f"{UNFINISHED:,} unfinished: resident memory then", "MB", memory, "<= 200"),
    ]


async def killed(runs: int, directory: Path) -> list[Figure]:
    """Measure from the restart after a kill -9 in the middle until all sagas are done."""
    path = directory / "killed.db"
    taken: list[float] = []
    twice: list[float] = []
    for _ in range(runs):
        remove_database(path)
        victim = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.recovery", "fill", str(path),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert victim.stdout is not None
        await victim.stdout.readline()  # "half": half of all nodes are done
        victim.send_signal(signal.SIGKILL)
        await victim.wait()
        report = await _program("recover", path)
        taken.append(report["seconds"])
        twice.append(report["run_twice"])
    return [
        figure(f"{KILLED:,} sagas of {LENGTH} x 20 ms, killed: until done", "s", taken, "<= 3"),
        figure("actions that ran twice", "", twice, f"<= {KILLED}"),
    ]


async def _program(verb: str, path: Path) -> dict[str, float]:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.recovery", verb, str(path),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await program.communicate()
    assert program.returncode == 0, f"{verb} ended with {program.returncode}"
    report: dict[str, float] = json.loads(output)
    return report


async def _fill(path: Path) -> None:
    progress = Progress(KILLED)
    half = KILLED * LENGTH // 2
    dag = line(LENGTH, SLOW)
    async with Sec(open_store(f"sqlite:///{path}"), REGISTRY, observers=[progress]) as sec:
        progress.half_at = half
        async with asyncio.TaskGroup() as group:
            for _ in range(KILLED):
                group.create_task(sec.run(dag, {"v": 1}))
            await progress.half.wait()
            print("half", flush=True)


async def _claim(path: Path) -> None:
    limit = 1_000
    progress = Progress(limit)
    begin = time.perf_counter()
    sec = Sec(open_store(f"sqlite:///{path}"), REGISTRY, max_sagas=limit, observers=[progress])
    async with sec:
        await progress.running.wait()
        unclaimed = (await sec.list(limit=999)).items
        taken = time.perf_counter() - begin
        assert all(saga.owner for saga in unclaimed if saga.state == "queued")
        print(json.dumps({"seconds": taken, "rss": rss_bytes()}), flush=True)
        os._exit(0)


async def _recover(path: Path) -> None:
    begin = time.perf_counter()
    async with Client(open_store(f"sqlite:///{path}")) as client:
        unfinished = len((await client.list(state="running", limit=999)).items)
        unfinished += len((await client.list(state="queued", limit=999)).items)
    progress = Progress(unfinished)
    async with Sec(open_store(f"sqlite:///{path}"), REGISTRY, observers=[progress]) as sec:
        await progress.done.wait()
        taken = time.perf_counter() - begin
        attempts: Counter[int] = Counter()
        after = None
        while True:
            page = await sec.list(limit=500, after=after)
            for saga in page.items:
                view = await sec.get(saga.id)
                attempts.update(node.attempt for node in view.nodes)
            after = page.next
            if after is None:
                break
        twice = sum(count for attempt, count in attempts.items() if attempt > 1)
        print(json.dumps({"seconds": taken, "run_twice": twice}), flush=True)


if __name__ == "__main__":
    verbs = {"fill": _fill, "claim": _claim, "recover": _recover}
    asyncio.run(verbs[sys.argv[1]](Path(sys.argv[2])))
