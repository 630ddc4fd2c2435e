"""Run the benchmarks: `python -m benchmarks [GROUP ...] [--runs N] [--directory DIR] [--json]`.

The directory must be on a disk (not a RAM disk) for the SQLite figures to mean
anything; it is made if it is not there.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks import fleet, postgres, postgres_store, recovery, shapes, sizes, throughput
from benchmarks.measuring import Figure
from sagacity.cli import event_loop
from sagacity.engine.system import collect_garbage_less_often

Group = Callable[[int, Path], Awaitable[list[Figure]]]

GROUPS: dict[str, Group] = {
    "memory": lambda runs, _: throughput.memory(runs),
    "shapes": lambda runs, _: shapes.memory(runs),
    "sizes": lambda runs, _: sizes.memory(runs),
    "sqlite": throughput.sqlite,
    "alone": throughput.sqlite_alone,
    "claimed": recovery.claimed,
    "killed": recovery.killed,
    "postgres": lambda runs, _: postgres.one_process(runs),
    "postgres-appends": lambda runs, _: postgres_store.appends(runs),
    "postgres-alone": lambda runs, _: postgres.alone(runs),
    "fleet": lambda runs, _: fleet.processes(runs),
    "fleet-killed": lambda runs, _: fleet.killed(runs),
    "fleet-orphans": lambda runs, _: fleet.orphans(runs),
}


@click.command()
@click.argument("groups", nargs=-1, type=click.Choice(list(GROUPS)))
@click.option("--runs", default=5, show_default=True, help="How often each figure is taken.")
@click.option("--directory", type=click.Path(path_type=Path), help="Where databases are made.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def main(groups: tuple[str, ...], runs: int, directory: Path | None, *, as_json: bool) -> None:
    """Measure GROUPS (all by default) and print medians."""
    collect_garbage_less_often()  # as `sagacity worker` does, and its loop
    with tempfile.TemporaryDirectory(dir=directory or Path.cwd(), prefix=".benchmarks-") as place:
        figures: list[Figure] = []
        for name in groups or GROUPS:
            figures += event_loop.run(_measure(name, runs, Path(place)))
    if as_json:
        click.echo(json.dumps([asdict(each) for each in figures], indent=2))
        return
    table = Table("work", "median", "lowest", "highest", "unit", "asked for", title=f"{runs} runs")
    for each in figures:
        numbers = (f"{number:,.4g}" for number in (each.median, each.lowest, each.highest))
        table.add_row(each.work, *numbers, each.unit, each.target)
    Console(width=110).print(table)


async def _measure(name: str, runs: int, place: Path) -> list[Figure]:
    return await GROUPS[name](runs, place)


if __name__ == "__main__":
    main()
