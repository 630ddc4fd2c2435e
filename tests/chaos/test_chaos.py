"""A fleet of four workers over a real PostgreSQL, all of it killed, stopped and cut off."""

from __future__ import annotations

import faulthandler
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.chaos.decks import BOUNDED, BOUNDED_SAGAS
from benchmarks.chaos.faults import Fault

ROOT = Path(__file__).resolve().parents[2]
PARTS = 4
"""Together 104 kills, 12 zombies, 8 postmasters and 5,000 sagas; each part about a minute."""


@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_nothing_is_lost_and_nothing_is_left_over(part: int) -> None:
    """What was acknowledged ends, by one owner at a time, and the world is as its log says."""
    faulthandler.cancel_dump_traceback_later()  # it takes long, and has a limit of its own
    seed = random.SystemRandom().randrange(2**32)

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos", "--seed", str(seed), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )

    said = f"part {part}, seed {seed}:\n{done.stdout[-8_000:]}\n{done.stderr[-8_000:]}"
    assert done.returncode in (0, 1), said
    report = json.loads(done.stdout)
    assert report["wrong"] == [], said
    assert report["acknowledged"] >= BOUNDED_SAGAS, said
    skipped = {Fault.DISK} if report["skipped"] else set[Fault]()
    assert report["faults"] == {f: n for f, n in BOUNDED.items() if f not in skipped}, said
    assert report["cuts"] > 0, said
    assert report["told"]["NotOwner"] > 0, said  # leases were lost, and known to be
