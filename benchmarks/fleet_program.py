"""A worker process of benchmarks/fleet: `work URL`, or `hold URL COUNT` to be killed."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any
from uuid import UUID

from benchmarks.measuring import rss_bytes
from benchmarks.sagas import REGISTRY, SLOW, line
from sagacity import ActionFunc, ActionRegistry, Sec, open_store
from sagacity.core.events import Adopted, Finished, Started
from sagacity.engine.system import collect_garbage_less_often
from sagacity.ports.observer import Recorded

TELL_SECONDS = 0.05
AT_ONCE = 500


class Tally:
    """Counts sagas that became ours, and sagas that ended."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.claimed = 0
        self.finished = 0

    def recorded(self, what: Recorded) -> None:
        """Count the events of one append."""
        for event in what.events:
            self.claimed += isinstance(event, Adopted)
            self.finished += isinstance(event, Finished)

    def trouble(self, saga_id: UUID | None, error: Exception) -> None:
        """Show what went wrong."""
        print(saga_id, error, file=sys.stderr)


async def _work(url: str) -> None:
    tally = Tally()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    async with Sec(open_store(url), REGISTRY, observers=[tally]):
        while True:
            await asyncio.sleep(TELL_SECONDS)
            said = {
                "running": tally.claimed - tally.finished,
                "finished": tally.finished,
                "rss": rss_bytes(),
            }
            print(json.dumps(said), flush=True)


class Holder:
    """Says when so many sagas have begun."""

    def __init__(self, sagas: int) -> None:
        """Wait for so many."""
        self._left = sagas

    def recorded(self, what: Recorded) -> None:
        """Count the first actions."""
        for event in what.events:
            if isinstance(event, Started):
                self._left -= 1
                if self._left == 0:
                    print("held", flush=True)

    def trouble(self, saga_id: UUID | None, error: Exception) -> None:
        """Show what went wrong."""
        print(saga_id, error, file=sys.stderr)


async def _hold(url: str, count: int) -> None:
    """Begin so many sagas, whose first action never ends."""

    async def for_ever(_ctx: Any) -> None:
        await asyncio.Event().wait()

    registry = ActionRegistry()
    registry.register(ActionFunc(SLOW.name, for_ever))
    dag = line(5, SLOW)
    sec = Sec(
        open_store(url), registry, observers=[Holder(count)],
        max_sagas=count, max_actions=2 * count, max_queued=count,
    )  # fmt: skip

    async def begin() -> None:
        handle = await sec.create(dag, {"v": 1})
        await handle.start()

    async with sec:
        for _ in range(count // AT_ONCE):
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(begin())
        await asyncio.Event().wait()


if __name__ == "__main__":
    collect_garbage_less_often()  # as `sagacity worker` does
    match sys.argv[1:]:
        case ["work", url]:
            asyncio.run(_work(url))
        case ["hold", url, count]:
            asyncio.run(_hold(url, int(count)))
        case other:
            raise SystemExit(f"{other}: work URL, or hold URL COUNT")
