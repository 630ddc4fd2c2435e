"""A process killed in the middle of its sagas, and how long the next one takes to end them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.peers.works import STOPPED_LENGTH, STOPPED_SAGAS
from benchmarks.postgres_server import MeasuredServer
from benchmarks.programs import Program

ROOT: Final = Path(__file__).parents[2]
WORK: Final = f"{STOPPED_SAGAS:,} sagas of {STOPPED_LENGTH} x 20 ms, kill -9: restart until done"


@dataclass(frozen=True)
class Engine:
    """A side: its name, and how its program is started."""

    name: str
    command: tuple[str, ...]

    def program(self, *arguments: str) -> Program:
        """Return its program, to be entered."""
        return Program(*self.command, *arguments, cwd=ROOT)


async def seconds_until_done(server: MeasuredServer, engine: Engine) -> float:
    """Return seconds from the start of the new process until no saga is unfinished."""
    url = await server.new_database()
    async with engine.program(url, "fill") as victim:
        await victim.line_that_is("half")
        await victim.kill()
    begin = time.perf_counter()
    async with engine.program(url, "recover") as program:
        await program.line_that_is("done")
        taken = time.perf_counter() - begin
    await server.drop(url)
    return taken
