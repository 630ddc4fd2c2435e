"""How a saga is, in the words that all commands use."""

from __future__ import annotations

from sagacity.core.agenda import Direction
from sagacity.ports.store import SagaStatus


def state_words(
    state: str, direction: Direction, *, hung: bool | None = False, orphaned: bool = False
) -> str:
    """Return the state of a saga, with what is to be known beside it."""
    words = [state]
    if direction is Direction.UNWINDING and state != SagaStatus.UNWOUND:
        words.append("unwinding")
    if hung:
        words.append("hung")
    if orphaned:
        words.append("orphaned")
    return ", ".join(words)
