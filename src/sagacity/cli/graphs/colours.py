"""The colours of a node's status in pictures: fill and line."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sagacity.core.transitions import NodeStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

COLOURS: Final[Mapping[NodeStatus, tuple[str, str]]] = MappingProxyType(
    {
        NodeStatus.NEVER_STARTED: ("#ffffff", "#9aa5b1"),
        NodeStatus.STARTED: ("#d6f0ff", "#0b7285"),
        NodeStatus.SUCCEEDED: ("#d8f5dd", "#2b8a3e"),
        NodeStatus.FAILED: ("#ffe3e3", "#c92a2a"),
        NodeStatus.UNKNOWN: ("#ffe3e3", "#c92a2a"),
        NodeStatus.UNDO_STARTED: ("#f3e5ff", "#862e9c"),
        NodeStatus.UNDONE: ("#fff3bf", "#b08900"),
        NodeStatus.UNDO_FAILED: ("#ff8787", "#c92a2a"),
    }
)
PLAIN: Final = ("#ffffff", "#343a40")


def colours_of(status: NodeStatus | None) -> tuple[str, str]:
    """Return fill and line of a node; plain without a status."""
    return PLAIN if status is None else COLOURS[status]
