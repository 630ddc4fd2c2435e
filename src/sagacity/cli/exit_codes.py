"""Exit codes: what a script learns without reading anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.core.outcome import Abandoned, Stuck, Succeeded, Unwound

if TYPE_CHECKING:
    from sagacity.core.outcome import Outcome

SUCCEEDED: Final = 0
FAILED: Final = 1
"""Bad usage, or an error of the command itself."""
UNWOUND: Final = 3
STUCK: Final = 4
ABANDONED: Final = 5
INTERRUPTED: Final = 130
"""Ctrl-C, or SIGTERM: the saga has not ended."""


def exit_code_of(outcome: Outcome) -> int:
    """Return the exit code that tells how a saga ended."""
    match outcome:
        case Succeeded():
            return SUCCEEDED
        case Unwound():
            return UNWOUND
        case Stuck():
            return STUCK
        case Abandoned():
            return ABANDONED
