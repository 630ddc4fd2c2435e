"""DBOS Transact on PostgreSQL: plain workflows and steps, nothing but documented options.

Run in benchmarks/peers/.venv. Its best setting of those tried: coroutines, sixteen threads for
its SQL and a pool as large, no question to the connection before each use. Against the defaults
(as many threads as wait, a pool of 20, a question) and against workflows in threads this was
equal or faster at 100 and 1,000 in flight. Every workflow and step is recorded, as always.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from dbos import DBOS, DBOSConfig

from benchmarks.peers.works import LENGTH, POLL_SECONDS, STOPPED_LENGTH, WIDTH, Nodes, Side, drive

COUNTS = {"at-100": 300, "at-1000": 1_000, "alone": 50, "failing": 200, "fan": 60}
THREADS = 16
NODES = Nodes()


@DBOS.step()
async def small() -> dict[str, Any]:
    return {"n": "node", "v": 1}


@DBOS.step()
async def slowly() -> dict[str, Any]:
    return await NODES.act()


@DBOS.step()
async def fails() -> None:
    raise ValueError("no")


@DBOS.step()
async def undo() -> None:
    return None


@DBOS.workflow()
async def linear() -> dict[str, Any]:
    for _ in range(LENGTH - 1):
        await small()
    return await small()


@DBOS.workflow()
async def failing() -> str:
    undos = 0
    try:
        for _ in range(LENGTH - 1):
            await small()
            undos += 1
        await fails()
    except ValueError:
        for _ in range(undos):
            await undo()
    return "unwound"


@DBOS.workflow()
async def fan() -> dict[str, Any]:
    await small()
    await asyncio.gather(*[small() for _ in range(WIDTH)])
    return await small()


@DBOS.workflow()
async def slow() -> dict[str, Any]:
    for _ in range(STOPPED_LENGTH - 1):
        await slowly()
    return await slowly()


class Dbos:
    """DBOS, launched."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def linear(self) -> object:
        return await (await DBOS.start_workflow_async(linear)).get_result()

    async def failing(self) -> object:
        return await (await DBOS.start_workflow_async(failing)).get_result()

    async def fan(self) -> object:
        return await (await DBOS.start_workflow_async(fan)).get_result()

    async def slow(self) -> object:
        return await (await DBOS.start_workflow_async(slow)).get_result()

    async def wait_until_nothing_is_unfinished(self) -> None:
        query = "SELECT count(*) FROM dbos.workflow_status WHERE status IN ('PENDING', 'ENQUEUED')"
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            while True:
                row = await (await connection.execute(query)).fetchone()
                if row is not None and row[0] == 0:
                    return
                await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def launched(url: str) -> AsyncGenerator[Side]:
    config: DBOSConfig = {
        "name": "peers",
        "system_database_url": url,
        "log_level": "ERROR",
        "application_version": "1",
        "executor_id": "peers",
        "max_executor_threads": THREADS,
        "sys_db_pool_size": THREADS,
        "db_engine_kwargs": {"pool_pre_ping": False},
    }
    DBOS(config=config)
    DBOS.launch()
    try:
        yield Dbos(url)
    finally:
        # Its threads end when it has been idle for long; nothing is left to be written.
        sys.stdout.flush()
        os._exit(1 if sys.exception() else 0)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(drive(launched, COUNTS, sys.argv[1:]))
