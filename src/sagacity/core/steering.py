"""What people decided about a saga: when it stands still, and how it is repaired.

The part of the fold that is about decisions. A paused saga begins nothing; a step lets
one node of it pass, and a breakpoint pauses it by itself, once. Repair changes what
became of a node, and leaves everything else to the same fold and plan as ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from sagacity.core.agenda import Agenda, StuckReason
from sagacity.core.breakpoints import Breakpoint, is_hit, read_at
from sagacity.core.decisions import (
    NO_NODE,
    Answer,
    Verb,
    cleared,
    judge_decision,
    next_step,
    retriable,
)
from sagacity.core.immutable import Immutable
from sagacity.core.transitions import NodeStatus
from sagacity.core.values import NULL, decode
from sagacity.errors import LogCorrupt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagacity.core.dag import Dag
    from sagacity.core.events import Decided, ErrorRecord, Event
    from sagacity.core.state import SagaState
    from sagacity.core.values import Json

_STARTED: Final = NodeStatus.STARTED
_UNDO_STARTED: Final = NodeStatus.UNDO_STARTED


class Retrying(Immutable):
    """The attempts of a do or an undo that failed so far, and when the next one is due."""

    failed: int
    error: ErrorRecord
    """Of the last one."""
    at_ms: int


_NO_DEATHS: Final[Mapping[int, int]] = {}


class Steered(Agenda):
    """The part of a saga's state that people change."""

    __slots__ = ("abandoned", "breakpoints", "deadlines", "deaths", "held_by", "paused",
                 "requests", "retrying", "stepped", "stopped_at", "tainted")  # fmt: skip

    def __init__(self, dag: Dag, params: Json) -> None:
        """Begin with nothing decided."""
        super().__init__(dag, params)
        self.paused = False
        """Whether a person lets nothing new begin."""
        self.held_by = ""
        """The hold that it is paused for; empty if it is not, or paused on its own account."""
        self.stepped: frozenset[int] = frozenset()
        """Nodes that may begin though it is paused."""
        self.breakpoints: frozenset[Breakpoint] = frozenset()
        """Those that it has not come to."""
        self.stopped_at: Breakpoint | None = None
        """The one that paused it."""
        self.abandoned = ("", "")
        """Why, and by whom."""
        self.requests: frozenset[str] = frozenset()
        """The ids of what people have asked for, and was done."""
        self.deaths: Mapping[int, int] = _NO_DEATHS
        """How many coordinators in a row have died while a node was in flight."""
        self.tainted: set[int] = set()
        """Nodes of which an attempt was interrupted or failed, and may have had its effect."""
        self.deadlines: dict[int, int] = {}
        """When the last retry of a node (or of its undo) may begin, where there is a limit."""
        self.retrying: dict[int, Retrying] = {}
        """Nodes whose last attempt (of the do, or of the undo once that has begun) failed."""

    def decided(self, event: Decided) -> None:
        """Take a decision.

        Raises:
            LogCorrupt: it is not allowed here.
        """
        try:
            verb = Verb(event.verb)
        except ValueError:
            raise LogCorrupt(f'"{event.verb}" is no decision that this version knows') from None
        state = cast("SagaState", self)
        verdict = judge_decision(state, verb, event.node, event.value)
        if verdict.answer is Answer.REFUSED:
            raise LogCorrupt(f"{verb}, but {verdict.why}")
        self.requests |= {event.request}
        match verb:
            case Verb.PAUSE:
                self.paused = True
                self.held_by = _hold_in(event.value)
            case Verb.UNPAUSE:
                self.paused, self.held_by = False, ""
                self.stopped_at, self.stepped = None, frozenset()
            case Verb.STEP:
                self._take_step(next_step(state, event.node))
            case Verb.SET_BREAKPOINT:
                at = read_at(event.value)
                assert at is not None
                self.breakpoints |= {Breakpoint(at, event.node)}
            case Verb.CLEAR_BREAKPOINT:
                self.breakpoints -= cleared(state, event.node, event.value)
            case Verb.ABORT:
                self._turn()
            case Verb.RETRY:
                for node in retriable(state) if event.node == NO_NODE else [event.node]:
                    self._try_again(node)
            case Verb.SKIP:
                self._take_as_undone(event.node)
            case Verb.SET_OUTPUT:
                self._take_as_succeeded(event.node, NULL if event.value is None else event.value)
            case Verb.ABANDON:
                self.abandoned = (event.reason, event.by)  # `finished` follows at once
        self._advance_markers()  # those that stood still because the saga was halted
        self.plan_anew()

    def _take_step(self, node: int | None) -> None:
        self._pause_on_its_own_account(None)
        if node is not None:
            self.stepped |= {node}

    def _pause_on_its_own_account(self, stopped_at: Breakpoint | None) -> None:
        """Whoever steps, or has asked for a breakpoint, does not mean: until a hold is lifted."""
        self.paused, self.held_by, self.stopped_at = True, "", stopped_at

    def halt_where_wanted(self, event: Event) -> None:
        """Stand still if `event` has brought the saga to a breakpoint; each counts once."""
        state = cast("SagaState", self)
        self.stepped = frozenset(node for node in self.stepped if node in self.waiting)
        for each in [each for each in self.breakpoints if is_hit(each, state, event)]:
            self.breakpoints -= {each}
            self._pause_on_its_own_account(each)

    def _try_again(self, node: int) -> None:
        """Let the do (of an unknown outcome) or the undo run now, with a fresh budget."""
        self.deadlines.pop(node, None)
        stuck = self.stuck_on.pop(node, None)
        known = self.status[node] is NodeStatus.FAILED
        if stuck is None:
            self.retrying[node] = Retrying(0, self.retrying[node].error, 0)
            return
        self.retrying.pop(node, None)
        self.deaths = {each: count for each, count in self.deaths.items() if each != node}
        if stuck is StuckReason.UNDO_FAILED:
            self.status[node] = _UNDO_STARTED
        elif stuck is not StuckReason.POISON:
            self.status[node] = _STARTED
            if not known:
                self.tainted.add(node)
        self.waiting[node] = None

    def _take_as_undone(self, node: int) -> None:
        self._leave(node)
        self.status[node] = NodeStatus.UNDONE
        self._turn()  # a pivot that never came about
        self._settle(node)

    def _take_as_succeeded(self, node: int, output: Json) -> None:
        self._leave(node)
        self.outputs[node] = output
        self._done(node)

    def _leave(self, node: int) -> None:
        """Nothing of what `node` was at is to be done any more."""
        self.stuck_on.pop(node, None)
        self.retrying.pop(node, None)
        self.waiting.pop(node, None)
        self.interrupted.discard(node)


def _hold_in(value: Json | None) -> str:
    """Return the id of the hold that a pause is for, which goes with it as its value."""
    hold = NULL if value is None else decode(value)
    return hold if isinstance(hold, str) else ""
