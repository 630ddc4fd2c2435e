"""Where nodes under suspicion of killing their coordinator are tried, one at a time."""

from __future__ import annotations

from collections import OrderedDict
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
        self.inside: Suspect | None = None
        """Who has the place; None: nobody has it or waits for it."""
        self._waiting: Final[OrderedDict[Suspect, Callable[[], None]]] = OrderedDict()

    def enter(self, suspect: Suspect, ready: Callable[[], None]) -> bool:
        """Take the place; if another has it, `ready` is called once it is this one's.

        Of one that waits already the last `ready` counts: it may have changed its mind.
        """
        if self.inside in (None, suspect):
            self.inside = suspect
            return True
        self._waiting[suspect] = ready
        return False

    def leave(self, suspect: Suspect) -> None:
        """Give the place to the next one, if this one has it."""
        if self.inside != suspect:
            return
        self.inside = None
        if self._waiting:
            self.inside, ready = self._waiting.popitem(last=False)
            ready()

    def leave_all_of(self, saga_id: UUID) -> None:
        """Let go of all that one saga has or waits for."""
        for suspect in [each for each in self._waiting if each[0] == saga_id]:
            del self._waiting[suspect]
        if self.inside is not None and self.inside[0] == saga_id:
            self.leave(self.inside)
