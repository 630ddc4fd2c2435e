"""Measure both engines in turn on one PostgreSQL and print the ratios.

    python -m benchmarks.peers [--runs N] [--json]

DBOS lives in an environment of its own, `benchmarks/peers/.venv`, made by the first run. Each
run of a side is a fresh process on a fresh database; the sides take turns and change places
from run to run. 1,000 in flight and the kill -9 take DBOS half a minute and longer, so they
are measured once.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from dataclasses import dataclass
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from benchmarks.peers import stopping
from benchmarks.peers.environment import python_of_dbos
from benchmarks.peers.stopping import Engine
from benchmarks.peers.works import WORKS
from benchmarks.postgres_server import MeasuredServer, a_server

ONCE: Final = ("at-1000",)
EACH_RUN: Final = tuple(name for name in WORKS if name not in ONCE)

# A measured value: (work, unit), then the values of each side.
Values = dict[tuple[str, str], dict[str, list[float]]]


@dataclass(frozen=True)
class Row:
    """Medians of both sides, and how many times better ours is."""

    work: str
    unit: str
    sagacity: float
    dbos: float
    ratio: float


async def compare(server: MeasuredServer, engines: tuple[Engine, Engine], runs: int) -> list[Row]:
    """Return what was measured, with at least one run of everything."""
    values: Values = {}
    for run in range(runs):
        works = EACH_RUN if run else tuple(WORKS)
        for engine in engines if run % 2 == 0 else engines[::-1]:
            await _measure(server, engine, works, values)
    for engine in engines:
        _note(values, stopping.WORK, "s", engine, await stopping.seconds_until_done(server, engine))
    return [_row(what, sides) for what, sides in values.items()]


def _note(values: Values, work: str, unit: str, engine: Engine, value: float) -> None:
    values.setdefault((work, unit), {}).setdefault(engine.name, []).append(value)


def _row(what: tuple[str, str], sides: dict[str, list[float]]) -> Row:
    work, unit = what
    ours, theirs = (statistics.median(sides[name]) for name in ("sagacity", "dbos"))
    return Row(work, unit, ours, theirs, ours / theirs if unit == "sagas/s" else theirs / ours)


async def _measure(
    server: MeasuredServer, engine: Engine, works: tuple[str, ...], values: Values
) -> None:
    url = await server.new_database()
    async with engine.program(url, "measure", *works) as program:
        for name in works:
            title = WORKS[name].title
            await program.line()  # it is warm, and waits for us
            before = await server.cpu_seconds()
            await program.tell("go")
            report: dict[str, Any] = json.loads(await program.line())
            server_cpu = (await server.cpu_seconds() - before) / report["count"] * 1e3
            if name == "alone":
                _note(values, f"{title}, p50", "ms", engine, report["p50_ms"])
            else:
                _note(values, title, "sagas/s", engine, report["rate"])
            if name.startswith("at-"):
                _note(values, f"{title}: CPU per 1,000, client", "s", engine, report["cpu"])
                _note(values, f"{title}: CPU per 1,000, server", "s", engine, server_cpu)
    await server.drop(url)


@click.command()
@click.option("--runs", default=3, show_default=True, help="How often each figure is taken.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def main(runs: int, *, as_json: bool) -> None:
    """Measure DBOS and sagacity on one PostgreSQL, and print medians and ratios."""
    engines = (
        Engine("sagacity", (sys.executable, "-m", "benchmarks.peers.ours")),
        Engine("dbos", (str(python_of_dbos()), "-m", "benchmarks.peers.dbos_program")),
    )
    rows = asyncio.run(_run(engines, runs))
    if as_json:
        click.echo(json.dumps([vars(row) for row in rows], indent=2))
        return
    table = Table("work", "unit", "sagacity", "DBOS", "times better", title=f"{runs} runs")
    for row in rows:
        numbers = (f"{number:,.3g}" for number in (row.sagacity, row.dbos, row.ratio))
        table.add_row(row.work, row.unit, *numbers)
    Console(width=110).print(table)


async def _run(engines: tuple[Engine, Engine], runs: int) -> list[Row]:
    async with a_server() as server:
        return await compare(server, engines, runs)


if __name__ == "__main__":
    main()
