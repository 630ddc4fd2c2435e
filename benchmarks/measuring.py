"""How figures are taken: several runs, the median; what a figure is and what was asked of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One measured figure: the median of `runs`, and all that was measured."""

    work: str
    unit: str
    median: float
    lowest: float
    highest: float
    runs: int
    target: str = ""


def figure(work: str, unit: str, values: list[float], target: str = "") -> Figure:
    """Return the figure of some runs."""
    return Figure(
        work, unit, statistics.median(values), min(values), max(values), len(values), target
    )


async def seconds(work: Callable[[], Awaitable[object]]) -> float:
    """Return how long `work` takes."""
    begin = time.perf_counter()
    await work()
    return time.perf_counter() - begin


def rss_bytes(process: int | None = None) -> int:
    """Return the resident memory of a process (this one) now, from /proc."""
    status = Path(f"/proc/{process or 'self'}/statm").read_text(encoding="ascii")
    return int(status.split()[1]) * 4096


def remove_database(path: Path) -> None:
    """Remove a SQLite database and what lies beside it."""
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()
