"""What a failure of each node leads to, as text: nodes of one fate share a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.cli.text import counted, safe
from sagacity.core.consequences import consequences_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from sagacity.core.dag import Dag

SHOWN: Final = 6
"""How many names stand in a line; the rest is counted."""


def failure_lines(dag: Dag) -> list[str]:
    """Return what follows when an action fails for good, its retries spent."""
    fates: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for each in consequences_of(dag):
        fates.setdefault((each.failed, each.unknown, each.asks), []).append(each.path)
    if not fates:
        return []
    lines = ["  when an action has failed for good:"]
    for (failed, unknown, asks), paths in fates.items():
        lines.append(f"    {_names(paths)}")
        lines.append(f"      without effect: {failed}")
        if unknown != failed:
            lines.append(f"      outcome unknown: {unknown}")
        if asks:
            lines.append(f"      the unwinding stops for a person at {_names(asks)}")
    return lines


def _names(paths: Collection[str]) -> str:
    shown, more = [safe(each) for each in paths][:SHOWN], len(paths) - SHOWN
    return ", ".join(shown) + (f" and {counted(more, 'other')}" if more > 0 else "")
