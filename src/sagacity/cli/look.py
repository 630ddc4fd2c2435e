"""How what is shown has to look: the width and the signs there are, and the time it is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sagacity.cli.glyphs import FRAME_MS, SPINNER

if TYPE_CHECKING:
    from sagacity.cli.glyphs import Sign


@dataclass(frozen=True, slots=True)
class Look:
    """The form of one picture of a saga."""

    now_ms: int
    width: int | None = None
    """Columns of the terminal; None where lines may be as long as they are."""
    rows: int | None = None
    """The most nodes to show; None: all."""
    unicode: bool = True
    moving: bool = False
    """Whether the picture will be drawn again soon, so that what runs can be seen to run."""
    verbose: bool = False

    def sign(self, sign: Sign) -> str:
        """Return the sign as this terminal has it."""
        return sign.sign if self.unicode else sign.ascii_sign

    @property
    def spinner(self) -> str:
        """The sign of what is running now."""
        if not self.unicode:
            return "|/-\\"[self.now_ms // FRAME_MS % 4] if self.moving else ">"
        return SPINNER[self.now_ms // FRAME_MS % len(SPINNER)] if self.moving else "▸"

    @property
    def guides(self) -> tuple[str, str, str, str]:
        """The lines of a tree: a branch, the last branch, a trunk beside, nothing beside."""
        return ("├─ ", "└─ ", "│  ", "   ") if self.unicode else ("|- ", "`- ", "|  ", "   ")

    @property
    def more(self) -> str:
        """The sign that something was left out."""
        return "…" if self.unicode else "..."
