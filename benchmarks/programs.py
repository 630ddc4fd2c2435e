"""Other processes that a benchmark starts, talks to in lines, and kills."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import TracebackType
from typing import Self

LINE_SECONDS = 300.0


class ProgramEnded(Exception):
    """It ended, or said nothing for minutes, when a line was expected of it."""


class Program:
    """A process between `async with` and its end; leaving it waits, or kills what goes on."""

    def __init__(self, *command: str, cwd: Path | None = None) -> None:
        """Nothing is started before `async with`."""
        self._command, self._cwd = command, cwd
        self._running: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Start it."""
        self._running = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=self._cwd,
            env={**os.environ, "PYTHONPATH": str(self._cwd)} if self._cwd else None,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for its end; kill it when we leave because of an error."""
        if exc is not None:
            await self.kill()
        await self._process.communicate()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def line(self) -> str:
        """Return the next line that it prints."""
        assert self._process.stdout is not None
        async with asyncio.timeout(LINE_SECONDS):
            line = await self._process.stdout.readline()
        if not line:
            raise ProgramEnded(f"{self._command} ended with {await self._process.wait()}")
        return line.decode().strip()

    async def line_that_is(self, wanted: str) -> None:
        """Return when it has printed `wanted`."""
        while await self.line() != wanted:
            pass

    async def tell(self, line: str) -> None:
        """Send it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()

    async def kill(self) -> None:
        """End it as a crash does."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    @property
    def _process(self) -> asyncio.subprocess.Process:
        assert self._running is not None, "not started"
        return self._running


async def output_of(*command: str | Path) -> str:
    """Run a program to its end and return what it prints.

    Raises:
        ProgramEnded: it failed.
    """
    program = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await program.communicate()
    if program.returncode:
        raise ProgramEnded(f"{command} ended with {program.returncode}")
    return output.decode()
