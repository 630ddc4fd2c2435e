"""Where nodes under suspicion of killing their coordinator are tried, one at a time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

Suspect: TypeAlias = "tuple[UUID, int]"
"""A saga and a node."""


class Quarantine:
    """One place, and those who wait for it, first come first served."""

    def __init__(self) -> None:
        """Begin empty."""
        self._inside: Suspect | None = None
        self._waiting: Final[deque[tuple[Suspect, Callable[[], None]]]] = deque()

    def enter(self, suspect: Suspect, ready: Callable[[], None]) -> bool:
        """Take the place; if another has it, `ready` is called once it is this one's."""
        if self._inside in (None, suspect):
            self._inside = suspect
            return True
        if all(each != suspect for each, _ in self._waiting):
            self._waiting.append((suspect, ready))
        return False

    def leave(self, suspect: Suspect) -> None:
        """Give the place to the next one, if this one has it."""
        if self._inside != suspect:
            return
        self._inside = None
        if self._waiting:
            self._inside, ready = self._waiting.popleft()
            ready()

    def leave_all_of(self, saga_id: UUID) -> None:
        """Let go of all that one saga has or waits for."""
        still = [each for each in self._waiting if each[0][0] != saga_id]
        if len(still) < len(self._waiting):
            self._waiting.clear()
            self._waiting.extend(still)
        if self._inside is not None and self._inside[0] == saga_id:
            self.leave(self._inside)
