"""The terminal, or what stands in for it: how wide, how colourful, and printing to it.

Where there is none, lines are as long as they are and have no colours. NO_COLOR and
the like are rich's to respect.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from sagacity.cli.look import Look
from sagacity.engine.system import wall_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

SPARE_ROWS: Final = 4
"""Rows of the terminal that a picture on it leaves to what is around it."""
MAX_ROWS: Final = 500
"""The most nodes of a picture that may be longer, unless all are asked for."""


class Screen:
    """Standard output, or standard error, as a place to show things on."""

    def __init__(self, *, err: bool = False) -> None:
        """Look at where the stream goes."""
        stream = sys.stderr if err else sys.stdout
        self.console: Final = Console(
            file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True
        )
        self.is_terminal: Final = self.console.is_terminal
        self._unicode: Final = (self.console.encoding or "").lower().startswith("utf")

    def look(self, *, fitting: bool = False, moving: bool = False, verbose: bool = False) -> Look:
        """Return how a picture has to look here and now; `fitting`: it must fit on the screen."""
        size = self.console.size if self.is_terminal else None
        return Look(
            now_ms=wall_ms(),
            width=None if size is None else size.width,
            rows=size.height - SPARE_ROWS if size and fitting else None if verbose else MAX_ROWS,
            unicode=self._unicode,
            moving=moving,
            verbose=verbose,
        )

    def print(self, lines: Iterable[Text | str]) -> None:
        """Print lines; what is too long for a terminal was cut by who made them."""
        for line in lines:
            self.console.print(Text(line) if isinstance(line, str) else line)
