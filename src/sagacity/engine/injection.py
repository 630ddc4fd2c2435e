"""Faults that a person or a test asked for, by node. Kept in memory only, as in Steno."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sagacity.core.events import ErrorKind, ErrorRecord

MAX_REPEATS: Final = 1_000
INJECTED: Final = ErrorRecord(ErrorKind.INJECTED, "error injected")


@dataclass(slots=True)
class Faults:
    """What to do wrong, for one saga. Nodes are indices in its DAG."""

    errors: set[int] = field(default_factory=set)
    undo_errors: set[int] = field(default_factory=set)
    repeats: dict[int, tuple[int, int]] = field(default_factory=dict)

    def repeat(self, node: int, *, action: int, undo: int) -> None:
        """Run the action of `node` so many times in one attempt, and its undo likewise.

        Raises:
            ValueError: a count is not within 1 to `MAX_REPEATS`.
        """
        check_repeat(action, undo)
        self.repeats[node] = (action, undo)


def check_repeat(action: int, undo: int) -> None:
    """Check how often an action and its undo shall run.

    Raises:
        ValueError: a count is not within 1 to `MAX_REPEATS`.
    """
    for what, count in (("action", action), ("undo", undo)):
        if not 1 <= count <= MAX_REPEATS:
            raise ValueError(f"{what}={count}: it can run 1 to {MAX_REPEATS} times")
