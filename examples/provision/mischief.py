"""What goes wrong on purpose: a node that fails, or the whole program killed inside of one.

A strike is at one change that a do or undo is about to make on the machine, or, if it
makes fewer, right before it returns: all done and nobody knows. A do fails each time it
is tried; a program is killed only in the first attempt, so the same command, run again,
goes on.

What has no action (the end of a subsaga) makes no changes. It fails by the engine's own
injection, and the program is killed when its end has become durable.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sagacity.core.events import Succeeded, UndoFinished
from sagacity.ports.observer import Recorded

DEFAULT_CHANGE: Final = 2
_FORM: Final = re.compile(r"(?P<undo>undo:)?(?:.*/)?(?P<node>[^:/]+)(?::(?P<change>[1-9][0-9]?))?")


class SabotageError(Exception):
    """What `--fail` raises: an exception like any other, so what it left behind is not known."""


@dataclass(frozen=True, slots=True)
class Strike:
    """Fail or kill in the do or undo of `node`, before its change number `change`."""

    node: str
    change: int = DEFAULT_CHANGE
    undo: bool = False
    kills: bool = False


def parse(text: str, *, kills: bool) -> Strike:
    """Read `NODE`, `NODE:3`, and for a kill also `undo:NODE` and `undo:NODE:3`.

    Raises:
        ValueError: it is none of these.
    """
    found = _FORM.fullmatch(text)
    if found is None or (found["undo"] and not kills):
        undo = " or undo:NODE, and :N after it" if kills else ", and :N after it"
        raise ValueError(f"{text!r}: write NODE{undo} for its change number N")
    change = int(found["change"] or DEFAULT_CHANGE)
    return Strike(found["node"], change, undo=found["undo"] is not None, kills=kills)


class Mischief:
    """The strikes of one run. As an observer of the engine it sees to the nodes without action."""

    def __init__(self, strikes: Sequence[Strike] = (), say: Callable[[str], None] = print) -> None:
        self.strikes: Final = tuple(strikes)
        self._say: Final = say

    def at(self, node: str, *, undo: bool, attempt: int) -> Watch:
        """Return what watches the changes of one attempt."""
        for strike in self.strikes:
            if (strike.node, strike.undo) == (node, undo) and (attempt == 1 or not strike.kills):
                return Watch(strike, self._say)
        return Watch(None, self._say)

    def recorded(self, what: Recorded) -> None:
        """Kill at the end of a node without action."""
        for event in what.events:
            if isinstance(event, Succeeded | UndoFinished):
                node = what.dag.nodes[event.node]
                undo = isinstance(event, UndoFinished)
                for strike in self.strikes:
                    wanted = (strike.node, strike.undo, strike.kills) == (node.name, undo, True)
                    if wanted and not node.action:
                        _kill_ourselves(strike, self._say)

    def trouble(self, saga_id: UUID | None, error: Exception) -> None:
        """Not ours."""


class Watch:
    """Counts the changes of one attempt and strikes when it is time."""

    def __init__(self, strike: Strike | None, say: Callable[[str], None]) -> None:
        self._strike: Final = strike
        self._say: Final = say
        self.changes = 0

    def before_change(self, change: str) -> None:
        """One more change is about to be made."""
        self.changes += 1
        if self._strike is not None and self.changes == self._strike.change:
            self._hit(self._strike, f'about to "{change}"')

    def before_return(self) -> None:
        """All changes were made."""
        if self._strike is not None and self.changes < self._strike.change:
            self._hit(self._strike, "all done, not yet recorded")

    def _hit(self, strike: Strike, where: str) -> None:
        if strike.kills:
            _kill_ourselves(strike, self._say, where)
        raise SabotageError(f"sabotage in {strike.node}: {where}")


def _kill_ourselves(
    strike: Strike, say: Callable[[str], None], where: str = "its end is recorded"
) -> None:
    say(f"kill -9 {os.getpid()} in {'the undo of ' if strike.undo else ''}{strike.node}: {where}")
    if sys.stderr.isatty():
        print("\x1b[?25h", end="", file=sys.stderr, flush=True)  # a live tree hides the cursor
    os.kill(os.getpid(), signal.SIGKILL)
