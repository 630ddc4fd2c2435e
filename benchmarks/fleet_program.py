"""A worker process of benchmarks/fleet.

`work URL`, or `claim URL`, whose actions never end.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any
from uuid import UUID

from benchmarks.measuring import rss_bytes
from benchmarks.sagas import REGISTRY, SLOW
from sagacity import ActionFunc, ActionRegistry, Sec, open_store
from sagacity.core.events import Adopted, Finished
from sagacity.engine.system import collect_garbage_less_often
from sagacity.ports.observer import Recorded

TELL_SECONDS = 0.05


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


async def _work(url: str, registry: ActionRegistry) -> None:
    tally = Tally()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    async with Sec(open_store(url), registry, observers=[tally]):
        while True:
            await asyncio.sleep(TELL_SECONDS)
            said = {
                "running": tally.claimed - tally.finished,
                "finished": tally.finished,
                "rss": rss_bytes(),
            }
            print(json.dumps(said), flush=True)


async def _for_ever(_ctx: Any) -> None:
    await asyncio.Event().wait()


ENDLESS = ActionRegistry()
ENDLESS.register(ActionFunc(SLOW.name, _for_ever))


if __name__ == "__main__":
    collect_garbage_less_often()  # as `sagacity worker` does
    match sys.argv[1:]:
        case ["work", url]:
            asyncio.run(_work(url, REGISTRY))
        case ["claim", url]:
            asyncio.run(_work(url, ENDLESS))
        case other:
            raise SystemExit(f"{other}: work URL or claim URL")
