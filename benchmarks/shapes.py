"""Seconds for one large saga: the cost must grow with nodes and edges and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.measuring import Figure, figure, seconds
from benchmarks.sagas import REGISTRY, fan, line, stages
from sagacity import Dag, Sec, open_store

SHAPES: list[tuple[str, Callable[[], Dag], str]] = [
    ("line of 1,000", lambda: line(1_000), "<= 0.06"),
    ("line of 3,000", lambda: line(3_000), "<= 0.2"),
    ("line of 10,000", lambda: line(10_000), "<= 0.7"),
    ("1 -> 1,000 -> 1", lambda: fan(1_000), "<= 0.05"),
    ("1 -> 10,000 -> 1", lambda: fan(10_000), "<= 0.6"),
    ("22 stages of 2", lambda: stages(22), "<= 0.002"),
    ("1,000 stages of 2", lambda: stages(1_000), "<= 0.15"),
]


async def memory(runs: int) -> list[Figure]:
    """Measure on the memory store. The DAG is built before the clock starts, as for Steno."""
    figures: list[Figure] = []
    for work, make, target in SHAPES:
        values: list[float] = []
        for _ in range(runs):
            async with Sec(open_store("memory://"), REGISTRY, max_actions=20_000) as sec:
                await sec.run(line(5))
                dag = make()
                values.append(await seconds(lambda: sec.run(dag)))  # noqa: B023 - awaited at once
        figures.append(figure(f"{work}, memory", "s", values, target))
    return figures
