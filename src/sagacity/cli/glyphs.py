"""What a status looks like: a sign, a style and a word; the same wherever it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sagacity.core.transitions import NodeStatus
from sagacity.ports.store import SagaStatus

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Sign:
    """How to show something: `ascii_sign` where the terminal has no more."""

    sign: str
    ascii_sign: str
    style: str
    word: str = ""


NODE_SIGNS: Final[Mapping[NodeStatus, Sign]] = MappingProxyType(
    {
        NodeStatus.NEVER_STARTED: Sign("·", ".", "dim"),
        NodeStatus.STARTED: Sign("▸", ">", "cyan", "running"),
        NodeStatus.SUCCEEDED: Sign("✓", "+", "green"),
        NodeStatus.FAILED: Sign("✗", "x", "red", "failed, no effect"),
        NodeStatus.UNKNOWN: Sign("?", "?", "red", "failed, effect unknown"),
        NodeStatus.UNDO_STARTED: Sign("↶", "<", "magenta", "undoing"),
        NodeStatus.UNDONE: Sign("↺", "o", "yellow", "undone"),
        NodeStatus.UNDO_FAILED: Sign("!", "!", "bold red", "undo failed"),
    }
)

SUBSAGA_SIGNS: Final[Mapping[NodeStatus, Sign]] = MappingProxyType(
    {
        **NODE_SIGNS,
        NodeStatus.STARTED: Sign("▸", ">", "cyan"),
        NodeStatus.FAILED: Sign("✗", "x", "red", "failed"),
        NodeStatus.UNKNOWN: Sign("✗", "x", "red", "failed"),
    }
)
"""The same for a subsaga, whose inside has the details."""

RETRIED: Final = Sign("↻", "@", "yellow", "waits for a retry")
"""Its last attempt failed, and another follows."""

INTERRUPTED: Final = Sign("◌", "~", "yellow", "interrupted")
"""Begun, and nobody is at it: its coordinator died or let go."""

SAGA_SIGNS: Final[Mapping[SagaStatus, Sign]] = MappingProxyType(
    {
        SagaStatus.READY: Sign("·", ".", "dim"),
        SagaStatus.QUEUED: Sign("·", ".", "cyan"),
        SagaStatus.RUNNING: Sign("▸", ">", "cyan"),
        SagaStatus.PAUSED: Sign("‖", "=", "yellow"),
        SagaStatus.STUCK: Sign("!", "!", "bold red"),
        SagaStatus.WAITING_FOR_CODE: Sign("◌", "~", "yellow"),
        SagaStatus.SUCCEEDED: Sign("✓", "+", "green"),
        SagaStatus.UNWOUND: Sign("↺", "o", "yellow"),
        SagaStatus.ABANDONED: Sign("✗", "x", "red"),
    }
)

SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FRAME_MS: Final = 100
