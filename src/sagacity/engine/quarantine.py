"""Where nodes under suspicion of killing their coordinator are tried, one at a time.

What has not killed it within a while makes room for the next, and runs on: a node that
takes hours, or hangs, must not keep all others from being tried.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sagacity.engine.clock import Alarm, Clock

Suspect: TypeAlias = "tuple[UUID, int]"
"""A saga and a node."""


ALONE_SECONDS: Final = 10.0
"""How long the next one waits at the most for a node that is tried alone."""


class Quarantine:
    """One place, and those who wait for it, first come first served."""

    def __init__(self, clock: Clock) -> None:
        """Begin empty."""
        self._clock: Final = clock
        self._alarm: Alarm | None = None
        self.inside: Suspect | None = None
        """Who has the place; None: nobody has it or waits for it."""
        self._waiting: Final[OrderedDict[Suspect, Callable[[], None]]] = OrderedDict()

    def enter(self, suspect: Suspect, ready: Callable[[], None]) -> bool:
        """Take the place; if another has it, `ready` is called once it is this one's.

        Of one that waits already the last `ready` counts: it may have changed its mind.
        """
        if self.inside is None:
            self._admit(suspect)
        if self.inside == suspect:
            return True
        self._waiting[suspect] = ready
        return False

    def leave(self, suspect: Suspect) -> None:
        """Give the place to the next one, if this one has it."""
        if self.inside != suspect:
            return
        self.inside = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._waiting:
            following, ready = self._waiting.popitem(last=False)
            self._admit(following)
            ready()

    def _admit(self, suspect: Suspect) -> None:
        self.inside = suspect
        until_ms = self._clock.now_ms() + round(ALONE_SECONDS * 1_000)
        self._alarm = self._clock.call_at(until_ms, partial(self.leave, suspect))

    def leave_all_of(self, saga_id: UUID) -> None:
        """Let go of all that one saga has or waits for."""
        for suspect in [each for each in self._waiting if each[0] == saga_id]:
            del self._waiting[suspect]
        if self.inside is not None and self.inside[0] == saga_id:
            self.leave(self.inside)
