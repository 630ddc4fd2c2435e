"""Sagas as lines of a table: the id first, to be copied; the labels last, to be cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.text import Text

from sagacity.cli.glyphs import SAGA_SIGNS
from sagacity.cli.page import labels_text
from sagacity.cli.terminal import Screen
from sagacity.cli.text import ago, cut, safe
from sagacity.cli.words import state_words
from sagacity.ports.store import SagaStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagacity.cli.look import Look
    from sagacity.core.views import SagaSummary

NAME_CHARS: Final = 30


def print_table(sagas: Sequence[SagaSummary]) -> None:
    """Print sagas to standard output."""
    screen = Screen()
    screen.print(table_lines(sagas, screen.look()))


def table_lines(sagas: Sequence[SagaSummary], look: Look) -> list[Text]:
    """Return one line for each saga; as wide as the widest needs."""
    rows = [_row(each, look) for each in sagas]
    widths = [
        max((cell_len(cell.plain) for cell in column), default=0)
        for column in zip(*rows, strict=True)
    ]
    lines: list[Text] = []
    for row in rows:
        line = Text()
        for cell, width in zip(row, widths, strict=True):
            line.append_text(cell)
            line.append(" " * (width - cell_len(cell.plain) + 2))
        line.rstrip()
        if look.width is not None:
            line.truncate(look.width, overflow="ellipsis")
        lines.append(line)
    return lines


def _row(saga: SagaSummary, look: Look) -> tuple[Text, ...]:
    sign = SAGA_SIGNS[SagaStatus(saga.state)]
    words = state_words(saga.state, saga.direction, hung=saga.hung, orphaned=saga.orphaned)
    state = Text(f"{look.sign(sign)} {saga.state}", style=sign.style)
    state.append(words.removeprefix(saga.state), style="yellow")
    return (
        Text(str(saga.id), style="dim"),
        Text(cut(safe(saga.name), NAME_CHARS), style="bold"),
        state,
        Text(ago(look.now_ms - saga.created_ms), style="dim"),
        Text(labels_text(saga.labels)),
    )
