"""A PostgreSQL for a run of benchmarks, durable as it comes, and what it has used.

It is the one that SAGACITY_TEST_POSTGRES names (as a URL of a superuser, on this machine), or
one from the development dependencies, in the folder for temporary files (TMPDIR): that must be
on a disk, or the figures mean nothing.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg

from benchmarks.programs import output_of
from tests.postgres.fixtures import VARIABLE
from tests.postgres.server import Server

TICKS: Final = os.sysconf("SC_CLK_TCK")
SETTINGS: Final = {"shared_buffers": "128MB"}  # the default; all else is as well


class MeasuredServer:
    """A running server, whose databases we make and remove."""

    def __init__(self, url: str) -> None:
        """Use the server at `url`."""
        self._url = url
        self._numbers = itertools.count(1)
        self._postmaster = 0

    async def new_database(self) -> str:
        """Make an empty database and return its URL. What was written before is flushed first."""
        name = f"sagacity_benchmark_{os.getpid()}_{next(self._numbers)}"
        await self.execute(f'CREATE DATABASE "{name}"')
        await self.execute("CHECKPOINT")
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))

    async def drop(self, url: str) -> None:
        """Remove a database; who is still connected to it is cut off."""
        name = urlsplit(url).path.removeprefix("/")
        await self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def execute(self, statement: str) -> None:
        """Run a statement on the server's own database."""
        async with await self._connected() as connection:
            await connection.execute(statement.encode())

    async def value(self, query: str) -> Any:
        """Return the one value of a query on the server's own database."""
        async with await self._connected() as connection:
            row = await (await connection.execute(query.encode())).fetchone()
        assert row is not None, query
        return row[0]

    async def cpu_seconds(self) -> float:
        """Return the CPU time of all processes of the server so far; it runs on this machine."""
        postmaster = await self._pid()
        children = [status for status in _all_status() if int(status[1]) == postmaster]
        # Of the postmaster itself, with that of children that have ended.
        ticks = sum(int(number) for number in _status(postmaster)[11:15])
        return (ticks + sum(int(n) for child in children for n in child[11:13])) / TICKS

    async def wal_position(self) -> str:
        """Return how far the write-ahead log goes, with all that is committed."""
        return str(await self.value("SELECT pg_current_wal_flush_lsn()::text"))

    async def wal_bytes_since(self, begin: str) -> float:
        """Return how much was logged since, without full-page images: pg_waldump counts these."""
        end = await self.wal_position()
        written = await self.value(f"SELECT pg_wal_lsn_diff('{end}', '{begin}')::float8")
        place = Path(await self.value("SHOW data_directory"), "pg_wal")
        program = _program(await self._pid()).with_name("pg_waldump")
        output = await output_of(program, "--stats", "-p", place, "-s", begin, "-e", end)
        total = re.search(r"^Total +\d+ +\d+ \[.*?\] +(\d+)", output, re.MULTILINE)
        assert total, output
        return float(written - int(total[1]))

    async def _pid(self) -> int:
        if not self._postmaster:
            async with await self._connected() as connection:
                self._postmaster = int(_status(connection.info.backend_pid)[1])
        return self._postmaster

    async def _connected(self) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(self._url, autocommit=True)


def _status(pid: int) -> list[str]:
    """Return what /proc says of a process, from its state on: 1 is the parent, 11 user time."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    return text.rpartition(")")[2].split()


def _program(pid: int) -> Path:
    return Path(f"/proc/{pid}/exe").readlink()


def _all_status() -> Iterator[list[str]]:
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            try:
                yield _status(int(each.name))
            except (FileNotFoundError, ProcessLookupError):
                continue


@asynccontextmanager
async def a_server() -> AsyncGenerator[MeasuredServer]:
    """Give the server that the environment names, or a fresh one."""
    if url := os.environ.get(VARIABLE):
        yield MeasuredServer(url)
        return
    server = Server(SETTINGS)
    try:
        server.start()
        yield MeasuredServer(server.url())
    finally:
        server.remove()
