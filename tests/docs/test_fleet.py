"""The walk of the page about fleets: three workers, of which one is killed."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_docs import ROOT, blocks

PAGE = ROOT / "docs/fleet.md"
CLI = (sys.executable, "-m", "sagacity")


class Walk:
    """The commands of the page, one after the other, and what they print."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._environment = {**os.environ, "SAGACITY_STORE": f"{url}?lease=2"}
        self._workers: subprocess.Popen[str] | None = None
        self._running: list[subprocess.Popen[str]] = []
        self._owner = ""

    def do(self, line: str) -> str:
        """Carry out one line and return what it prints."""
        program, *words = shlex.split(line.removesuffix("&"))
        match program, words:
            case "touch", [name]:
                (self._folder / name).touch()
            case "kill", ["-9", _]:
                os.kill(int(self._owner.split("/")[1]), signal.SIGKILL)
                self._wait_for("started again")
                self._wait_for("driving")
            case "kill", _:
                self.end()
            case _, ["worker", *_]:
                self._workers = self._begin(words)
                for _ in range(3):
                    self._wait_for("driving")
            case _, ["run", *_]:
                self._running.append(self._begin(words))
                self._wait_for("adopted")
            case _:
                told = self._begin(words, subprocess.DEVNULL).communicate(timeout=60)[0]
                owners = re.findall(r"^(\S+)  epoch .* running$", told, re.MULTILINE)
                self._owner = owners[0] if owners else self._owner
                return told
        return ""

    def _begin(self, words: list[str], errors: int = subprocess.STDOUT) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*CLI, *words], cwd=self._folder, env=self._environment,
            stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip

    def _wait_for(self, part: str) -> None:
        assert self._workers is not None
        assert self._workers.stdout is not None
        seen = ""
        for line in self._workers.stdout:
            seen += line
            if part in line:
                return
        pytest.fail(f"{part!r} never came: {seen}")

    def end(self) -> None:
        for process in (self._workers, *self._running):
            if process is not None and process.poll() is None:
                process.terminate()
        for process in (self._workers, *self._running):
            if process is not None and process.stdout is not None and not process.stdout.closed:
                process.communicate(timeout=60)


def alike(text: str) -> list[str]:
    """Return output without what differs: names, epochs, times, and who of the three has it."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\d+", "TIME EPOCH", text)
    text = re.sub(r"created: \S+", "created: WHO", text)
    text = re.sub(r"adopted: \S+", "adopted: OWNER", text)
    text = re.sub(r"\S+/\d+/[0-9a-f]+  epoch \d+", "OWNER", text)
    blocks_of_owners = re.compile(r"(?:^OWNER.*\n)+", re.MULTILINE)
    return blocks_of_owners.sub(
        lambda found: "".join(sorted(found[0].splitlines(keepends=True))), text
    ).splitlines()


def test_three_workers_share_an_order_and_one_is_killed(tmp_path: Path, postgres_url: str) -> None:
    """Each command prints what the page prints, on a real database."""
    (module,) = blocks(PAGE, "python")
    (shown,) = [each for each in blocks(PAGE, "text") if "kill -9" in each]
    (tmp_path / "orders.py").write_text(module)
    walk = Walk(tmp_path, postgres_url)
    told: list[str] = []
    try:
        lines: list[str] = re.findall(r"^\$ (.*)$", shown, re.MULTILINE)
        told.extend(f"$ {line}\n{walk.do(line)}" for line in lines)
    finally:
        walk.end()
    assert alike("".join(told)) == alike(shown)
