"""A coordinator killed with SIGKILL, hundreds of times: nothing lost, nothing left over."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("kill_program.py")
KILLS = 120


@pytest.mark.parametrize("half", [1, 2])
def test_kill_nine_loses_nothing_and_leaves_nothing(tmp_path: Path, half: int) -> None:
    """What was acknowledged ends, and the effects outside are exactly those of its end."""
    seed = random.SystemRandom().randrange(2**32)

    done = subprocess.run(
        [sys.executable, PROGRAM, tmp_path, str(KILLS), str(seed)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, f"seed {seed}:\n{done.stderr}"
    report = json.loads(done.stdout)
    assert report["last"] == 0, f"seed {seed}:\n{done.stderr}"
    assert report["lost"] == [], f"seed {seed}"
    assert report["wrong"] == [], f"seed {seed}"
    assert set(report["states"]) <= {"succeeded", "unwound", "ready"}, f"seed {seed}: {report}"
    assert report["killed"] > KILLS * 0.9, f"seed {seed}: {report}"
    assert report["acknowledged"] > KILLS, f"seed {seed}: {report}"
