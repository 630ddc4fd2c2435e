"""The state of a saga: the fold of its log. Live execution and recovery both use it.

`apply` takes the next event, refuses what no engine of ours can have written, and
keeps the agenda of nodes that have something to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, get_args

from sagacity.core.agenda import Direction, StuckReason
from sagacity.core.events import (
    Adopted,
    AttemptFailed,
    Created,
    Decided,
    Effect,
    ErrorKind,
    ErrorRecord,
    EventKind,
    Failed,
    FinalState,
    Finished,
    Heartbeat,
    NodeEvent,
    Released,
    Started,
    StartRequested,
    Succeeded,
    UndoAttemptFailed,
    UndoFailed,
    UndoFinished,
    UndoStarted,
    Unwinding,
)
from sagacity.core.nodes import Undoing
from sagacity.core.poison import MOST_DEATHS
from sagacity.core.steering import Retrying, Steered
from sagacity.core.transitions import TRANSITIONS, NodeStatus
from sagacity.core.values import NULL
from sagacity.errors import LogCorrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sagacity.core.dag import Dag
    from sagacity.core.events import Event
    from sagacity.core.values import Json

# By class: an attribute of the class, as `kind` is, is what Python finds last.
_LEGAL_IN: Final[Mapping[type[Any], frozenset[NodeStatus]]] = {
    event: frozenset(status for status, kind in TRANSITIONS if kind is event.kind)
    for event in get_args(NodeEvent)
}
"""The statuses of a node in which an event is legal."""

_NEVER_STARTED: Final = NodeStatus.NEVER_STARTED
_STARTED: Final = NodeStatus.STARTED
_SUCCEEDED: Final = NodeStatus.SUCCEEDED
_UNKNOWN: Final = NodeStatus.UNKNOWN
_UNWINDING: Final = Direction.UNWINDING
_UNDO_STARTED: Final = NodeStatus.UNDO_STARTED


class SagaState(Steered):
    """What a log adds up to. Changed by `apply` only."""

    __slots__ = (
        "_began",
        "attempts",
        "created",
        "failures",
        "finished",
        "heartbeats",
        "in_flight",
        "missing",
        "owner",
        "sequence",
        "undo_attempts",
    )

    def __init__(self, dag: Dag, params: Json = NULL) -> None:
        """Begin with an empty log."""
        super().__init__(dag, params)
        self.sequence = 0
        self.created = False
        self.owner = ""
        self.missing: tuple[str, ...] = ()
        """What its owner lacks to go on with it."""
        self.finished: FinalState | None = None
        self.attempts: dict[int, int] = {}
        self.undo_attempts: dict[int, int] = {}
        self.failures: list[tuple[int, ErrorRecord, Effect | None]] = []
        """Node, error and effect, in the order of the log; of an undo without an effect."""
        self.in_flight: set[int] = set()
        """Nodes whose do or undo the owner has begun and not ended."""
        self.heartbeats: dict[int, Json] | None = None
        """The last detail that attempts of a node (of its do, then of its undo) have told."""
        self._began: dict[tuple[int, bool], int] | None = None

    # -- questions ---------------------------------------------------------

    @property
    def stuck(self) -> StuckReason | None:
        """Why nothing can go on without a person; None while something can."""
        if not self.stuck_on or self.finished is not None or self.in_flight:
            return None
        if self.waiting and not self.halted:
            return None
        return next(iter(self.stuck_on.values()))

    @property
    def errors(self) -> list[tuple[int, ErrorRecord, Effect]]:
        """The errors of dos, in the order of the log."""
        return [(node, error, effect) for node, error, effect in self.failures if effect]

    @property
    def undo_errors(self) -> list[tuple[int, ErrorRecord]]:
        """The errors of undos, in the order of the log."""
        return [(node, error) for node, error, effect in self.failures if not effect]

    def first_began_ms(self, node: int, *, undo: bool) -> int | None:
        """When the first attempt of the do (or the undo) of `node` began, if it is known."""
        return None if self._began is None else self._began.get((node, undo))

    def remember_begin(self, node: int, *, undo: bool, time_ms: int) -> None:
        """Know when the first attempt began: records of the log tell it, and not their events."""
        if self._began is None:
            self._began = {}
        self._began.setdefault((node, undo), time_ms)

    # -- the fold ----------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Take the next event of the log.

        Raises:
            LogCorrupt: the event is illegal here: a damaged log, or two writers.
        """
        if self.finished is not None:
            raise LogCorrupt(f"{event.kind} after the saga {self.finished}")
        if not self.created and event.kind is not EventKind.CREATED:
            raise LogCorrupt(f"{event.kind} before the saga was created")
        self._HANDLERS[type(event)](self, event)
        self.sequence += 1
        if self.breakpoints or self.stepped:
            self.halt_where_wanted(event)

    def _created(self, event: Created) -> None:
        if self.created:
            raise LogCorrupt("created twice")
        self.created = True
        self.owner = event.owner

    def _start_requested(self, event: StartRequested) -> None:
        if self.started:
            raise LogCorrupt("started twice")
        self.started = True
        self.deadline_ms = self.expiry_ms = event.deadline_ms
        self._advance_markers()

    def _unwinding(self, _event: Unwinding) -> None:
        if self.forward_only:
            raise LogCorrupt("unwinding behind the point of no return")
        self._turn()

    def _adopted(self, event: Adopted) -> None:
        self.owner, self.missing = event.owner, event.missing
        died_in = sorted(self.in_flight)
        self._interrupt()
        for node in died_in:
            self._count_death(node)
        self.plan_anew()  # what is on the agenda may have begun since

    def _released(self, _event: Released) -> None:
        self._interrupt()

    def _interrupt(self) -> None:
        for node in sorted(self.in_flight):
            self.interrupted.add(node)
            self.waiting[node] = None
            if self.status[node] is _STARTED:
                self.tainted.add(node)
        self.in_flight.clear()

    def _count_death(self, node: int) -> None:
        deaths = self.deaths.get(node, 0) + 1
        self.deaths = {**self.deaths, node: deaths}
        if deaths < MOST_DEATHS:
            return
        del self.waiting[node]
        self.stuck_on[node] = StuckReason.POISON
        effect = Effect.POSSIBLE if self.status[node] is _STARTED else None
        error = ErrorRecord(ErrorKind.DIED, f"{deaths} coordinators died while it ran")
        self.failures.append((node, error, effect))

    def _finished(self, event: Finished) -> None:
        if self.in_flight or (event.outcome is not FinalState.ABANDONED and self.waiting):
            raise LogCorrupt(f"finished ({event.outcome}) with work left")
        wanted = FinalState.SUCCEEDED if self.direction is Direction.FORWARD else FinalState.UNWOUND
        if event.outcome is not FinalState.ABANDONED and (
            event.outcome is not wanted or self.stuck_on
        ):
            raise LogCorrupt(f"finished ({event.outcome}) while {self.direction}")
        self.finished = event.outcome

    def _node_started(self, event: Started) -> None:
        node = self._check(event)
        if self.unmet[node]:
            raise LogCorrupt(f"{self._name(node)} started before what it depends on succeeded")
        if self.status[node] is _STARTED:
            if node not in self.waiting:
                raise LogCorrupt(f"{self._name(node)} started again while in flight")
        else:
            if self.direction is _UNWINDING:
                raise LogCorrupt(f"{self._name(node)} started while unwinding")
            self._came_alive(node)
        expected = self.attempts.get(node, 0) + 1
        if event.attempt != expected:
            raise LogCorrupt(f"{self._name(node)}: attempt {event.attempt} instead of {expected}")
        if event.deadline_ms:
            self.deadlines[node] = event.deadline_ms
        self.status[node] = _STARTED
        self.attempts[node] = expected
        self._begin(node)

    def _node_succeeded(self, event: Succeeded) -> None:
        node = self._check(event)
        self._end(node)
        if self.retrying:
            self.retrying.pop(node, None)
        self.outputs[node] = event.output
        self._done(node)

    def _heartbeat(self, event: Heartbeat) -> None:
        node = self._check(event)
        if node not in self.in_flight:
            raise LogCorrupt(f"{self._name(node)}: a heartbeat without an attempt in flight")
        if event.detail is not None:
            if self.heartbeats is None:
                self.heartbeats = {}
            self.heartbeats[node] = event.detail

    def _attempt_failed(self, event: AttemptFailed) -> None:
        node = self._check(event)
        self._end(node)
        if event.effect is Effect.POSSIBLE:
            self.tainted.add(node)
        elif self.dag.nodes[node].atomic:  # a definite end, whatever was interrupted before
            self.tainted.discard(node)
        if self.deadline_ms and node in self.dag.pivots:
            self.expiry_ms = self.deadline_ms  # it waited for what becomes of the pivot
        self._retry(node, event.error, event.retry_at_ms)

    def _node_failed(self, event: Failed) -> None:
        node = self._check(event)
        if node in self.waiting and self._may_be_given_up(node):
            self.waiting.pop(node)
            self.interrupted.discard(node)
        else:
            self._end(node)
        self.retrying.pop(node, None)
        self.failures.append((node, event.error, event.effect))
        if self.forward_only or (self.dag.pivots and self._must_go_forward(event)):
            self.status[node] = NodeStatus.FAILED if event.effect is Effect.NONE else _UNKNOWN
            is_pivot = not self.forward_only and node in self.dag.pivots
            self.stuck_on[node] = (
                StuckReason.OUTCOME_UNKNOWN if is_pivot else StuckReason.FORWARD_FAILED
            )
            return
        if event.effect is Effect.NONE:
            self.status[node] = NodeStatus.FAILED
            self._settle(node)
        else:
            self.status[node] = _UNKNOWN
        self._turn()
        if event.effect is Effect.POSSIBLE:
            self._undo_if_free(node)

    def _must_go_forward(self, event: Failed) -> bool:
        """Whether a failure cannot turn the saga, because a pivot may have had its effect."""
        if event.node in self.dag.pivots:
            return event.effect is Effect.POSSIBLE and self.direction is Direction.FORWARD
        return self.pivot_at_stake() is not None

    def pivot_at_stake(self) -> int | None:
        """Return a pivot that may have had its effect, and has not succeeded."""
        for node in self.dag.pivots:
            begun = self.status[node] in (_STARTED, _UNKNOWN)
            if begun and (node in self.in_flight or node in self.tainted or node in self.stuck_on):
                return node
        return None

    def _may_be_given_up(self, node: int) -> bool:
        """Whether `node` can fail between two attempts: an outcome without one in flight."""
        asks = self.dag.nodes[node].undoing is Undoing.ASK
        return node in self.retrying or (asks and self.direction is Direction.UNWINDING)

    def _undo_started(self, event: UndoStarted) -> None:
        node = self._check(event)
        self._check_undo(node)
        expected = self.undo_attempts.get(node, 0) + 1
        if event.attempt != expected:
            raise LogCorrupt(
                f"{self._name(node)}: undo attempt {event.attempt} instead of {expected}"
            )
        if self.status[node] is not _UNDO_STARTED:
            self._forget_deaths(node)
            self.retrying.pop(node, None)  # they were about the do
            self.deadlines.pop(node, None)
        if event.deadline_ms:
            self.deadlines[node] = event.deadline_ms
        self.status[node] = _UNDO_STARTED
        self.undo_attempts[node] = expected
        self._begin(node)

    def _undo_finished(self, event: UndoFinished) -> None:
        node = self._check(event)
        self.retrying.pop(node, None)
        if self.status[node] is _UNDO_STARTED and not (
            # Steno begins an undo of constants and the like too, and so does a test that lets
            # one fail: when it is interrupted or tried again, ours concludes it, unbegun.
            node in self.waiting and self.dag.nodes[node].undoing is Undoing.NOTHING
        ):
            self._end(node)
        else:
            self._check_undo(node)
            self.waiting.pop(node, None)
            self.interrupted.discard(node)
        self.status[node] = NodeStatus.UNDONE
        self._settle(node)

    def _undo_attempt_failed(self, event: UndoAttemptFailed) -> None:
        node = self._check(event)
        self._end(node)
        self._retry(node, event.error, event.retry_at_ms)

    def _undo_failed(self, event: UndoFailed) -> None:
        node = self._check(event)
        self._end(node)
        self.retrying.pop(node, None)
        self.status[node] = NodeStatus.UNDO_FAILED
        self.failures.append((node, event.error, None))
        self.stuck_on[node] = StuckReason.UNDO_FAILED

    # -- what the handlers share --------------------------------------------

    def _check(self, event: NodeEvent) -> int:
        """Return the node of `event`, if the event is legal there."""
        node = event.node
        if not 0 <= node < len(self.status):
            raise LogCorrupt(f"{event.kind} of node {node}, which does not exist")
        if self.status[node] not in _LEGAL_IN[type(event)]:
            raise LogCorrupt(f"{self._name(node)}: {event.kind} while {self.status[node]}")
        if self.dag.markers[node] and self.started:
            raise LogCorrupt(f"{event.kind} of a marker ({self.dag.nodes[node].kind})")
        return node

    def _check_undo(self, node: int) -> None:
        if self.direction is not Direction.UNWINDING:
            raise LogCorrupt(f"{self._name(node)} undone while going forward")
        if self._live_children[node]:
            raise LogCorrupt(f"{self._name(node)} undone before what depends on it")
        if node in self.in_flight:
            raise LogCorrupt(f"{self._name(node)} undone while in flight")

    def _name(self, node: int) -> str:
        path = self.dag.paths[node]
        return f'node "{path}"' if path else f"{self.dag.nodes[node].kind} marker {node}"

    def _begin(self, node: int) -> None:
        self.waiting.pop(node, None)
        if self.interrupted:
            self.interrupted.discard(node)
        self.in_flight.add(node)

    def _retry(self, node: int, error: ErrorRecord, at_ms: int) -> None:
        before = self.retrying.get(node)
        self.retrying[node] = Retrying(1 if before is None else before.failed + 1, error, at_ms)
        self._enlist(node)

    def _forget_deaths(self, node: int) -> None:
        self.deaths = {each: count for each, count in self.deaths.items() if each != node}

    def _end(self, node: int) -> None:
        if self.deaths:
            self._forget_deaths(node)
        try:
            self.in_flight.remove(node)
        except KeyError:
            raise LogCorrupt(
                f"{self._name(node)}: an outcome of an attempt that was interrupted"
            ) from None

    _HANDLERS: ClassVar[Mapping[type[Any], Callable[[Any, Any], None]]] = {
        Created: _created,
        StartRequested: _start_requested,
        Adopted: _adopted,
        Released: _released,
        Unwinding: _unwinding,
        Decided: Steered.decided,
        Finished: _finished,
        Started: _node_started,
        Heartbeat: _heartbeat,
        AttemptFailed: _attempt_failed,
        Succeeded: _node_succeeded,
        Failed: _node_failed,
        UndoStarted: _undo_started,
        UndoAttemptFailed: _undo_attempt_failed,
        UndoFinished: _undo_finished,
        UndoFailed: _undo_failed,
    }
    """Every kind of event, each with what it changes (a test holds that none is missing)."""
