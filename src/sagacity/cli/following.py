"""Following a saga until it has ended: live as a tree, line by line, or in silence.

It makes no difference who drives the saga: what is shown is what is stored.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from sagacity.cli.lines import progress_line
from sagacity.cli.output import note
from sagacity.cli.text import safe
from sagacity.ports.store import SagaStatus

if TYPE_CHECKING:
    from collections.abc import Generator
    from uuid import UUID

    from sagacity.core.views import SagaView
    from sagacity.engine.client import Client

SHORTEST_PAUSE_SECONDS: Final = 0.05
NEEDS_CODE: Final = """\
waits for code: no coordinator of this store has all of its actions
  start the worker with the module of this saga too, or stop that worker and let `run` drive the
  saga, or run it in another --store"""
COST_FACTOR: Final = 4
"""A saga that took a second to read and show is read again after so many seconds at the soonest."""


class Watched(Protocol):
    """A saga that can be looked at, and told of when it may have changed."""

    async def view(self) -> SagaView:
        """Return the saga as it is stored now."""
        ...

    async def changed(self) -> None:
        """Return when it may have changed."""
        ...


class Display(Protocol):
    """Where what is seen of a saga goes."""

    def show(self, view: SagaView) -> None:
        """Show the saga as it is now."""
        ...


class FromOutside:
    """A saga that another process drives, or nobody."""

    def __init__(self, client: Client, saga_id: UUID) -> None:
        """Watch through `client`."""
        self._client: Final = client
        self._saga_id: Final = saga_id
        self._seen = 0

    async def view(self) -> SagaView:
        """Return the saga as it is stored now."""
        return await self._client.get(self._saga_id)

    async def changed(self) -> None:
        """Return when the store may have changed."""
        self._seen = await self._client.wait_for_change(self._seen)


async def follow(
    watched: Watched, display: Display, *, patience_seconds: float | None = None
) -> SagaView:
    """Show the saga until it has ended or is stuck; return it as it then is.

    With `patience_seconds`, return also when nothing has happened for so long.
    """
    loop = asyncio.get_running_loop()
    sequence, moved = -1, loop.time()
    while True:
        begun = loop.time()
        view = await watched.view()
        display.show(view)
        if view.outcome is not None:
            return view
        if len(view.events) != sequence:
            sequence, moved = len(view.events), begun
        elif patience_seconds is not None and begun - moved > patience_seconds:
            return view
        await asyncio.sleep(max(SHORTEST_PAUSE_SECONDS, (loop.time() - begun) * COST_FACTOR))
        await watched.changed()


class Silence:
    """Shows nothing."""

    def show(self, view: SagaView) -> None:
        """Show nothing."""


class ProgressLines:
    """Each event once, as a line on standard error."""

    def __init__(self) -> None:
        """Begin with no event shown."""
        self._sequence = 0

    def show(self, view: SagaView) -> None:
        """Print the events that are new."""
        if self._sequence == 0:
            note(f"saga {view.id}: {safe(view.name)}")
        for event in view.events[self._sequence :]:
            note(progress_line(event))
        self._sequence = len(view.events)


class _Advising:
    """Shows what another display shows, and says once for each coordinator what code it lacks."""

    def __init__(self, display: Display) -> None:
        self._display: Final = display
        self._epoch: int | None = None

    def show(self, view: SagaView) -> None:
        self._display.show(view)
        if view.state == SagaStatus.WAITING_FOR_CODE and view.epoch != self._epoch:
            self._epoch = view.epoch
            note(NEEDS_CODE)


@contextmanager
def display_for(*, quiet: bool) -> Generator[Display]:
    """Give the display that fits standard error: a live tree on a terminal, else lines.

    Whichever it is, a saga that nobody has the code for is not waited for without a word.
    """
    with _display_for(quiet=quiet) as display:
        yield _Advising(display)


@contextmanager
def _display_for(*, quiet: bool) -> Generator[Display]:
    if quiet:
        yield Silence()
    elif not sys.stderr.isatty():
        yield ProgressLines()
    else:
        from sagacity.cli.live import live_tree  # noqa: PLC0415 - rich takes long to import

        with live_tree() as tree:
            yield tree
