"""`worker --processes N`: so many workers, each a process, and one that looks after them.

Who looks after them drives nothing itself. A worker that dies is started again, after a
pause that grows while it keeps dying at once, and is bounded; one that only dies is given
up, and all others with it, so that whoever started this hears of it. Workers end when this
process does, however it ends: they notice that their standard input is closed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Mapping, Sequence

    from sagacity.cli.interruption import Interruption

MAX_PROCESSES: Final = 256
STEADY_SECONDS: Final = 60.0
"""Who has lived for so long has not died at once."""
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
MAX_QUICK_DEATHS: Final = 10
"""One after the other, of one process; then it is given up."""
GRACE_SECONDS: Final = 15.0
"""For a worker to end after its deadline, before it is killed."""
LONGEST_LINE_BYTES: Final = 1024 * 1024


def end_with_parent() -> None:
    """Ask this process to stop when its standard input ends, as by a signal."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def pause_after(quick_deaths: int) -> float:
    """Return for how many seconds to wait before the next start."""
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** max(0, quick_deaths - 1))


@dataclass(frozen=True, slots=True)
class Crew:
    """What to run: `words` after `sagacity`, in `count` processes."""

    count: int
    words: Sequence[str]
    environment: Mapping[str, str]
    drain_seconds: float
    say: Callable[[str], None]
    tell: Callable[[int, str], None]
    """Called with the number of a process and a line of it."""


class Supervisor:
    """Looks after the processes of one crew."""

    def __init__(self, crew: Crew) -> None:
        self._crew: Final = crew
        self._stopping: Final = asyncio.Event()
        self._running: Final[dict[int, Process]] = {}
        self.documents: Final[list[dict[str, Any]]] = []
        """What those that were stopped have told at their end."""
        self.restarts = 0
        self.has_given_up = False

    async def run(self, interruption: Interruption) -> None:
        """Keep them alive until somebody asks to stop, or one only dies."""
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(self._stop_when_asked(interruption))
            keeping = [
                tasks.create_task(self._keep(number + 1)) for number in range(self._crew.count)
            ]
            await asyncio.wait(keeping)
            asked.cancel()

    async def _stop_when_asked(self, interruption: Interruption) -> None:
        await interruption.wait()
        self._crew.say(
            f"stopping {len(self._running)} processes: what runs has "
            f"{self._crew.drain_seconds:g} s to end; again stops at once"
        )
        self._stop()

    def _stop(self) -> None:
        self._stopping.set()
        for process in self._running.values():
            with suppress(ProcessLookupError):
                process.terminate()

    async def _keep(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        quick_deaths = 0
        while not self._stopping.is_set():
            began = loop.time()
            code = await self._run_once(number)
            if self._stopping.is_set():
                return
            is_quick = loop.time() - began < STEADY_SECONDS
            quick_deaths = quick_deaths + 1 if is_quick else 1
            told = f"signal {-code}" if code < 0 else f"exit code {code}"
            if quick_deaths >= MAX_QUICK_DEATHS:
                self._crew.say(
                    f"process {number} ended with {told}, {quick_deaths} times in a row: given up"
                )
                self.has_given_up = True
                self._stop()
                return
            pause_seconds = pause_after(quick_deaths)
            self._crew.say(
                f"process {number} ended with {told}; it is started again in {pause_seconds:g} s"
            )
            self.restarts += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_seconds):
                    await self._stopping.wait()

    async def _run_once(self, number: int) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sagacity", *self._crew.words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **self._crew.environment},
            limit=LONGEST_LINE_BYTES,
            start_new_session=True,  # Ctrl-C is for us; we pass it on, once
        )  # fmt: skip
        self._running[number] = process
        try:
            if self._stopping.is_set():
                process.terminate()
            async with asyncio.TaskGroup() as tasks:
                telling = tasks.create_task(self._tell_lines(number, process))
                killing = tasks.create_task(self._kill_when_late(process))
                assert process.stdout is not None
                document = await process.stdout.read()
                await telling
                code = await process.wait()
                killing.cancel()
        finally:
            del self._running[number]
        with suppress(orjson.JSONDecodeError):
            told = orjson.loads(document)
            if "finished" in told:  # and not an error
                self.documents.append(told)
        return code

    async def _tell_lines(self, number: int, process: Process) -> None:
        assert process.stderr is not None
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # too long: what there is of it was dropped
                continue
            if not line:
                return
            self._crew.tell(number, line.decode(errors="replace").rstrip("\n"))

    async def _kill_when_late(self, process: Process) -> None:
        await self._stopping.wait()
        await asyncio.sleep(self._crew.drain_seconds + GRACE_SECONDS)
        with suppress(ProcessLookupError):
            process.kill()
