"""Sagacity on PostgreSQL, with its defaults."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.peers.works import POLL_SECONDS, STOPPED_LENGTH, WIDTH, Nodes, Side, drive
from benchmarks.sagas import REGISTRY, failing_line, fan, line
from sagacity import ActionFunc, SagaUnwound, Sec, open_store
from sagacity.engine.system import collect_garbage_less_often

COUNTS = {"at-100": 4_000, "at-1000": 6_000, "alone": 300, "failing": 3_000, "fan": 800}
NODES = Nodes()


async def _slowly(_ctx: Any) -> dict[str, Any]:
    return await NODES.act()


SLOWLY = ActionFunc("slowly", _slowly)
REGISTRY.register(SLOWLY)


class Ours:
    """A coordinator, entered."""

    def __init__(self, sec: Sec) -> None:
        self._sec = sec
        self._linear, self._failing, self._fan = line(5), failing_line(5), fan(WIDTH)
        self._slow = line(STOPPED_LENGTH, SLOWLY)

    async def linear(self) -> object:
        return await self._sec.run(self._linear)

    async def failing(self) -> object:
        try:
            return await self._sec.run(self._failing)
        except SagaUnwound as unwound:
            return unwound

    async def fan(self) -> object:
        return await self._sec.run(self._fan)

    async def slow(self) -> object:
        return await self._sec.run(self._slow)

    async def wait_until_nothing_is_unfinished(self) -> None:
        for state in ("queued", "running"):
            # Asked again and again, as the other side is.
            while (await self._sec.list(state=state, limit=1)).items:  # noqa: ASYNC110
                await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def entered(url: str) -> AsyncGenerator[Side]:
    async with Sec(open_store(url), REGISTRY) as sec:
        yield Ours(sec)


if __name__ == "__main__":
    collect_garbage_less_often()  # as `sagacity worker` does
    asyncio.run(drive(entered, COUNTS, sys.argv[1:]))
