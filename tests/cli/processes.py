"""Commands in processes of their own, and a gate that their actions wait at.

Nothing here waits for time: a test reads the line that it needs, or accepts the
connection that says that an action has begun.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_SECONDS = 60


class Process:
    """A running command: `sagacity WORDS`."""

    def __init__(self, *words: str, cwd: Path, gate: str | None = None, **environment: str) -> None:
        """Start it."""
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "sagacity", *words],
            cwd=cwd,
            env={
                **os.environ,
                "NO_COLOR": "1",
                "PYTHONUNBUFFERED": "1",
                **({} if gate is None else {"GATE": gate}),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self.stdout: IO[str] = self._popen.stdout
        self.stderr: IO[str] = self._popen.stderr
        self.seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.wait()
        self.stdout.close()
        self.stderr.close()

    def wait_for_line(self, part: str, stream: IO[str] | None = None) -> str:
        """Read lines of standard error (or `stream`) until one has `part`; return it."""
        for line in stream or self.stderr:
            self.seen += line
            if part in line:
                return line
        raise AssertionError(f"{part!r} never came; there was:\n{self.seen}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._popen.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; return exit code and what is left of both streams."""
        stdout, stderr = self._popen.communicate(timeout=PATIENCE_SECONDS)
        return self._popen.returncode, stdout, stderr


class Gate:
    """A socket that actions of `trips.py` ask before they go on. In the working directory."""

    name = "gate.sock"

    def __init__(self) -> None:
        """Open the gate's socket."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(self.name)
        self._socket.listen()
        self._socket.settimeout(PATIENCE_SECONDS)
        self._waiting: dict[str, socket.socket] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._waiting.values():
            each.close()
        self._socket.close()

    def wait_for(self, *told: str) -> None:
        """Wait until all of these ("do hotel") have come to the gate."""
        while not set(told) <= set(self._waiting):
            connection, _ = self._socket.accept()
            connection.settimeout(PATIENCE_SECONDS)
            with connection.makefile() as stream:
                self._waiting[stream.readline().strip()] = connection

    def let(self, *told: str, answer: str = "go") -> None:
        """Let these go on, once they have come."""
        self.wait_for(*told)
        for each in told:
            with self._waiting.pop(each) as connection:
                connection.sendall(f"{answer}\n".encode())

    def forget(self) -> None:
        """Close on those that wait: their process is gone."""
        for each in self._waiting.values():
            each.close()
        self._waiting.clear()
