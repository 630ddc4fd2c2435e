"""The tree of a saga on a terminal, drawn again and again in the same place."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.live import Live
from rich.text import Text

from sagacity.cli.page import saga_picture
from sagacity.cli.terminal import Screen

if TYPE_CHECKING:
    from collections.abc import Generator

    from sagacity.core.views import SagaView

FRAMES_PER_SECOND: Final = 10
COST_FACTOR: Final = 5
"""A picture is used for as many times longer than it took to draw: large sagas move slowly."""


class LiveTree:
    """Draws the view that was shown last. `picture` is called by rich's own thread."""

    def __init__(self, screen: Screen) -> None:
        """Draw for `screen`."""
        self._screen: Final = screen
        self._view: SagaView | None = None
        self._moving = True
        self._drawn: tuple[SagaView | None, float, Text] = (None, 0.0, Text())

    def show(self, view: SagaView) -> None:
        """Draw this view from the next frame on."""
        self._view = view

    def stop(self) -> None:
        """Draw as a picture that stands still."""
        self._moving = False
        self._drawn = (None, 0.0, Text())

    def picture(self) -> Text:
        """Return the picture of this moment."""
        view = self._view
        drawn, good_until, picture = self._drawn
        begun = time.monotonic()
        if view is None or (begun < good_until and (drawn is view or view.outcome is None)):
            return picture
        moving = self._moving and view.outcome is None
        look = self._screen.look(fitting=True, moving=moving)
        picture = Text("\n").join(saga_picture(view, look))
        now = time.monotonic()
        self._drawn = (view, now + (now - begun) * COST_FACTOR, picture)
        return picture


@contextmanager
def live_tree() -> Generator[LiveTree]:
    """Give a tree on standard error; what others print meanwhile is put above it."""
    screen = Screen(err=True)
    tree = LiveTree(screen)
    with Live(
        get_renderable=tree.picture,
        console=screen.console,
        refresh_per_second=FRAMES_PER_SECOND,
        vertical_overflow="ellipsis",
    ):
        yield tree
        tree.stop()
