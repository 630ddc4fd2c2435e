"""Opens the coordinator on the state directory, goes on with what a crash left, runs sagas.

The same few calls serve the commands, the demo and the tests.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from examples.provision.actions import Tools
from examples.provision.machine import Machine
from examples.provision.mischief import Mischief
from examples.provision.model import Configuration, Request
from examples.provision.saga import provision, teardown
from examples.provision.show import Display, Ticker
from sagacity import Saga, SagaView, Sec, Stuck, Succeeded, open_store

SAGAS: Final = (provision, teardown)
_ENDED: Final = ("succeeded", "unwound", "abandoned", "stuck")


@dataclass(frozen=True, slots=True)
class Place:
    """A state directory: the saga store, and beside it the machine that the sagas act on."""

    directory: Path

    @property
    def store_url(self) -> str:
        """The store: the sagas and their logs."""
        return f"sqlite:///{quote(str(self.directory.absolute() / 'sagas.db'))}"

    @property
    def machine(self) -> Machine:
        """What the sagas act on."""
        return Machine(self.directory / "machine")


class Runner:
    """Runs the sagas of one place, one after the other."""

    def __init__(self, sec: Sec, mischief: Mischief, display: Display) -> None:
        self._sec: Final = sec
        self._mischief: Final = mischief
        self._display: Final = display

    async def finish_unfinished(self) -> list[SagaView]:
        """Wait for the sagas that an earlier run left unfinished, and return them as they ended.

        The coordinator took them over when it was opened. What was created and not started
        is started.
        """
        ended: list[SagaView] = []
        after = None
        while True:
            page = await self._sec.list(after=after)
            for summary in page.items:
                if summary.state not in _ENDED:
                    handle = self._sec.handle(summary.id)
                    if summary.state == "ready":
                        await handle.start()
                    ended.append(await self._display.follow(handle))
            after = page.next
            if after is None:
                return ended

    async def provision(self, request: Request, saga_id: UUID | None = None) -> SagaView:
        """Make an instance; return the saga as it ended.

        Again under the same id makes no second one: it is the saga that there is.
        """
        handle = await self._sec.create(
            provision, request, id=saga_id, labels={"instance": request.instance_name}
        )
        if (await handle.view()).state != "ready":
            return await self._display.follow(handle)
        for strike in self._mischief.strikes:
            if not strike.kills and strike.node in WITHOUT_ACTION:
                await handle.inject_error(strike.node)
        await handle.start()
        return await self._display.follow(handle)

    async def tear_down(self, made_of: Configuration) -> SagaView:
        """Take an instance down; return the saga as it ended."""
        handle = await self._sec.create(
            teardown, made_of, labels={"instance": made_of.instance.name}
        )
        await handle.start()
        return await self._display.follow(handle)


@asynccontextmanager
async def runner(
    place: Place,
    *,
    mischief: Mischief | None = None,
    say: Callable[[str], None] = print,
    display: Display | None = None,
) -> AsyncGenerator[Runner]:
    """Be the coordinator of the place; wait for another that is.

    On entering, what an earlier coordinator left unfinished goes on. Without a `display`
    each node is said when it is done.
    """
    place.directory.mkdir(parents=True, exist_ok=True)
    mischief = mischief or Mischief()
    display = display or Ticker(say)
    tools = Tools(place.machine.root, mischief, say)
    sec = Sec(
        open_store(place.store_url), SAGAS, deps=tools, wait=True, observers=(display, mischief)
    )
    async with sec:
        yield Runner(sec, mischief, display)


def exit_code(view: SagaView) -> int:
    """Return what the command line of sagacity says of such an end, too."""
    match view.outcome:
        case Succeeded():
            return 0
        case Stuck():
            return 4
        case _:
            return 3


def nodes_of(saga: Saga[Any, Any]) -> dict[str, bool]:
    """Return the names of its nodes, and whether each has an action."""
    return {node.name: bool(node.action) for node in saga.dag.nodes if not node.kind.is_marker}


NODES: Final = nodes_of(provision)
TEARDOWN_NODES: Final = nodes_of(teardown)
WITHOUT_ACTION: Final = frozenset(name for name, has_action in NODES.items() if not has_action)
