"""What is measured on every engine, and how a program of one engine is told to do it.

A program (`ours`, `dbos_program`) gives a `Side`: one saga of each kind. This file drives it
and prints a line of JSON for each work. It needs nothing but the standard library, because
each engine has an environment of its own.

What must stay true: both engines are driven by the same loop, and return only when what
they did is durable.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

LENGTH: Final = 5
WIDTH: Final = 20
STOPPED_SAGAS: Final = 1_000
STOPPED_LENGTH: Final = 10
ACTION_SECONDS: Final = 0.02
POLL_SECONDS: Final = 0.1  # how often is asked whether anything is unfinished

Saga = Callable[[], Awaitable[object]]


class Side(Protocol):
    """One engine, entered; each method runs one saga and returns when it has ended."""

    async def linear(self) -> object:
        """Run five actions in a line."""
        ...

    async def failing(self) -> object:
        """Run five actions of which the last fails, so that four are undone."""
        ...

    async def fan(self) -> object:
        """Run one action, twenty at the same time, and one."""
        ...

    async def slow(self) -> object:
        """Run ten actions of 20 ms in a line."""
        ...

    async def wait_until_nothing_is_unfinished(self) -> None:
        """Return when every saga of the store has ended."""
        ...


@dataclass(frozen=True)
class Work:
    """Which saga, how many at once; how often is for each engine to say."""

    title: str
    saga: str
    in_flight: int


WORKS: Final[Mapping[str, Work]] = {
    "at-100": Work("linear-5, 100 in flight", "linear", 100),
    "at-1000": Work("linear-5, 1,000 in flight", "linear", 1_000),
    "alone": Work("linear-5, one at a time", "linear", 1),
    "failing": Work("5 actions, the last fails, 4 undone, 100 in flight", "failing", 100),
    "fan": Work("1 -> 20 -> 1, 20 in flight", "fan", 20),
}

WARMING: Final = 20


class Nodes:
    """Counts slow actions that have ended, and says when it is half of them."""

    def __init__(self) -> None:
        """Nothing has ended yet."""
        self.left = STOPPED_SAGAS * STOPPED_LENGTH // 2

    async def act(self) -> dict[str, Any]:
        """Take as long as an action does; the half of all is told to who will kill us."""
        await asyncio.sleep(ACTION_SECONDS)
        self.left -= 1
        if self.left == 0:
            print("half", flush=True)
        return {"n": "node", "v": 1}


async def _many(saga: Saga, in_flight: int, count: int) -> list[float]:
    """Run `count` sagas, so many at any time; return how long each took."""
    taken: list[float] = []

    async def one_after_the_other(share: int) -> None:
        for _ in range(share):
            begin = time.perf_counter()
            await saga()
            taken.append(time.perf_counter() - begin)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(one_after_the_other(count // in_flight))
    return taken


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _measure(side: Side, name: str, count: int) -> None:
    work = WORKS[name]
    saga: Saga = getattr(side, work.saga)
    await _many(saga, min(work.in_flight, WARMING), WARMING)
    # The server's CPU is read by who started us, between these two lines.
    print(json.dumps({"begins": name}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    cpu, begin = _cpu_seconds(), time.perf_counter()
    taken = await _many(saga, work.in_flight, count)
    seconds = time.perf_counter() - begin
    report = {
        "rate": count / seconds,
        "p50_ms": statistics.median(taken) * 1e3,
        "cpu": (_cpu_seconds() - cpu) / count * 1e3,
        "count": count,
    }
    print(json.dumps(report), flush=True)


async def _fill(side: Side) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(STOPPED_SAGAS):
            group.create_task(_ended(side.slow()))


async def _ended(saga: Awaitable[object]) -> None:
    await saga


async def drive(
    engine: Callable[[str], AbstractAsyncContextManager[Side]],
    counts: Mapping[str, int],
    arguments: list[str],
) -> None:
    """Do what the command line of a program says: URL measure WORK... | URL fill | URL recover."""
    url, verb, *names = arguments
    async with engine(url) as side:
        match verb:
            case "measure":
                for name in names:
                    await _measure(side, name, counts[name])
            case "fill":
                await _fill(side)
            case "recover":
                await side.wait_until_nothing_is_unfinished()
                print("done", flush=True)
            case _:
                raise ValueError(f"{verb!r}: measure, fill or recover")
