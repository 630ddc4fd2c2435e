"""What a person sees: sagas as they go, how they ended, and what is on the machine.

On a terminal that is the tree of `sagacity watch`, drawn in place; elsewhere a line for each
node that is done, failed or taken back.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from uuid import UUID

from examples.provision.checker import Report
from sagacity import Handle, SagaView, Succeeded
from sagacity.cli.following import follow
from sagacity.cli.live import live_tree
from sagacity.core.events import Event, Failed, UndoFailed, UndoFinished
from sagacity.core.events import Succeeded as NodeSucceeded
from sagacity.ports.observer import Listener, Recorded

Say = Callable[[str], None]

_WORDS: Final[Mapping[type[Event], str]] = {
    NodeSucceeded: "done",
    Failed: "FAILED",
    UndoFinished: "taken back",
    UndoFailed: "UNDO FAILED",
}


class Display(Listener, Protocol):
    """Shows sagas while they go. An observer of the engine that drives them."""

    async def follow(self, handle: Handle[Any]) -> SagaView:
        """Show a saga until it has ended or is stuck; return it as it then is."""
        ...


def display(say: Say) -> Display:
    """Return the display that fits where we print to."""
    return Tree() if sys.stderr.isatty() and sys.stdout.isatty() else Ticker(say)


class Ticker:
    """Says of each node that it is done, failed or taken back, as soon as this is durable."""

    def __init__(self, say: Say) -> None:
        self._say: Final = say

    def recorded(self, what: Recorded) -> None:
        """Say what has happened to nodes."""
        for event in what.events:
            word = _WORDS.get(type(event))
            if word is not None and isinstance(
                event, NodeSucceeded | Failed | UndoFinished | UndoFailed
            ):
                path, label = what.dag.paths[event.node], what.dag.nodes[event.node].label
                if path:
                    self._say(f"  {word:<11} {path:<28} {label}".rstrip())

    def trouble(self, saga_id: UUID | None, error: Exception) -> None:
        """Say what the engine tries to get over."""
        self._say(f"  trouble     saga {saga_id}: {error}")

    async def follow(self, handle: Handle[Any]) -> SagaView:
        """Wait until the saga has ended or is stuck."""
        await handle.wait()
        return await handle.view()


class Tree:
    """Draws a saga whenever something of it has become durable."""

    def __init__(self) -> None:
        self._news: Final = asyncio.Event()

    def recorded(self, what: Recorded) -> None:
        """Look again."""
        del what
        self._news.set()

    def trouble(self, saga_id: UUID | None, error: Exception) -> None:
        """Say what the engine tries to get over."""
        print(f"saga {saga_id}: {error}")

    async def follow(self, handle: Handle[Any]) -> SagaView:
        """Draw the saga until it has ended or is stuck."""
        with live_tree() as tree:
            return await follow(_Watched(handle, self._news), tree)


class _Watched:
    """One saga, looked at again when there is news of any."""

    def __init__(self, handle: Handle[Any], news: asyncio.Event) -> None:
        self._handle: Final = handle
        self._news: Final = news

    async def view(self) -> SagaView:
        return await self._handle.view()

    async def changed(self) -> None:
        await self._news.wait()
        self._news.clear()


def ending(view: SagaView) -> str:
    """Return how a saga ended, in a line or two."""
    if isinstance(view.outcome, Succeeded):
        return f"saga {view.id} ({view.name}) succeeded"
    errors = "\n".join(
        f"  {'undo of ' if error.undo else ''}{error.node}: {error.message}"
        for error in view.errors
    )
    how = "failed, and was taken back" if view.state == "unwound" else f"is {view.state}"
    return f"saga {view.id} ({view.name}) {how}:\n{errors}"


def machine(report: Report) -> str:
    """Return what is on the machine, in a line for each thing."""
    lines = [
        f"{made_of.instance.name}: {made_of.instance.id} answers at {made_of.address.url}"
        f" from {made_of.server.id} with {made_of.volume.id}"
        for made_of in report.serving
    ]
    lines += [f"LEFT OVER: {leftover}" for leftover in report.leftovers]
    return "\n".join(lines) or "nothing: no process, no file, no reservation"
