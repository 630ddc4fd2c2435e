"""Run it: `python -m benchmarks.chaos [--minutes N] [--takeovers] [--seed N] [--json]`.

Prints what was done and what came of it; the exit code is 1 if any promise was broken.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from statistics import quantiles

import click

from benchmarks.chaos.decks import BOUNDED, BOUNDED_SAGAS, TAKEOVERS
from benchmarks.chaos.run import Report, Size, run


@click.command()
@click.option("--minutes", default=0.0, help="Go on with other seeds for so long.")
@click.option("--takeovers", is_flag=True, help="Only kill and stop workers, one at a time.")
@click.option("--seed", type=int, help="Of all that chance decides.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def main(minutes: float, seed: int | None, *, takeovers: bool, as_json: bool) -> None:
    """Let a fleet run under faults, and judge what it did."""
    ends = time.monotonic() + 60 * minutes
    total: Report | None = None
    while total is None or time.monotonic() < ends:
        if seed is None or total is not None:
            seed = random.SystemRandom().randrange(2**32)
        if takeovers:
            size = Size(seed, TAKEOVERS, 0, gap_seconds=5.0, max_sagas=200)
        else:
            size = Size(seed, BOUNDED, BOUNDED_SAGAS)
        report = asyncio.run(run(size))
        if report.wrong and not as_json:
            click.echo(f"seed {seed}: {json.dumps(report.wrong[:20], indent=1)}")
        total = report if total is None else total.plus(report)
    if as_json:
        click.echo(json.dumps(total.document(), indent=1))
    else:
        _show(total)
    sys.exit(bool(total.wrong))


def _show(report: Report) -> None:
    shown = {
        **{f"faults: {what}": count for what, count in report.faults.items()},
        "commits whose answers were lost": report.cuts,
        "sagas acknowledged": report.acknowledged,
        "calls of the client that had to be repeated": report.asked_again,
        "sagas retried, which looked like poison": report.retried_as_poison,
        **{f"sagas {state}": count for state, count in report.states.items()},
        **{f"sagas with {n} owners": count for n, count in sorted(report.owners.items())},
        "events": report.events,
        "calls of participants": report.calls,
        "of them again": report.calls_again,
        "of them by a stale owner": report.stale_calls,
        "of them a do after its undo": report.late_dos,
        **{f"workers told: {what}": count for what, count in report.told.items()},
        "sagas taken over from stopped workers": sum(report.taken_from_zombies),
        "seconds": round(report.seconds),
    }
    for what, count in shown.items():
        click.echo(f"{count:>12}  {what}")
    for why in sorted(set(report.skipped)):
        click.echo(f"     skipped  {why}")
    for what, seconds in (
        ("takeover", report.takeovers),
        ("takeover while the server was away for somebody", report.rough_takeovers),
    ):
        if len(seconds) > 1:
            parts = quantiles(seconds, n=100, method="inclusive")
            click.echo(
                f"{what}, {len(seconds)}: p50 {parts[49]:.2f} s, p99 {parts[98]:.2f} s, "
                f"max {max(seconds):.2f} s"
            )
    click.echo(f"{len(report.wrong):>12}  violations")


if __name__ == "__main__":
    main()
