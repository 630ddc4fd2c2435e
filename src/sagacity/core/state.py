"""The state of a saga: the fold of its log. Live execution and recovery both use it.

`apply` takes the next event, refuses what no engine of ours can have written, and
keeps the agenda: the nodes that have something to do. Each event costs the edges
of its node, and each edge is walked a bounded number of times in a saga's life,
so a whole log costs what the DAG and the log cost, whatever their shape.

Markers (`START`, `END`, `SUBSAGA_START`, `JOIN`) have no events of their own in our
logs: once the saga is started they advance inside of the fold, in both directions.
(A log taken over from Steno has events for them, legal until the saga is started.)
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, assert_never

from sagacity.core.dag import OnStuck, Undoing
from sagacity.core.data import SagaData
from sagacity.core.events import (
    Adopted,
    Created,
    Effect,
    EventKind,
    Failed,
    FinalState,
    Finished,
    Started,
    StartRequested,
    Succeeded,
    UndoFailed,
    UndoFinished,
    UndoStarted,
    Unwinding,
)
from sagacity.core.transitions import TRANSITIONS, NodeStatus
from sagacity.core.values import NULL
from sagacity.errors import LogCorrupt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sagacity.core.dag import Dag
    from sagacity.core.events import ErrorRecord, Event, NodeEvent
    from sagacity.core.values import Json

_LEGAL: Final = frozenset(TRANSITIONS)

_NEVER_STARTED: Final = NodeStatus.NEVER_STARTED
_STARTED: Final = NodeStatus.STARTED
_SUCCEEDED: Final = NodeStatus.SUCCEEDED
_UNKNOWN: Final = NodeStatus.UNKNOWN
_UNDO_STARTED: Final = NodeStatus.UNDO_STARTED


class Direction(StrEnum):
    """Where a saga goes: forward, or taking back what it did."""

    FORWARD = "forward"
    UNWINDING = "unwinding"


class StuckReason(StrEnum):
    """Why a person must decide."""

    UNDO_FAILED = "undo_failed"
    OUTCOME_UNKNOWN = "outcome_unknown"


class SagaState(SagaData):
    """What a log adds up to. Changed by `apply` only."""

    __slots__ = (
        "_frontier",
        "_live_children",
        "agenda",
        "attempts",
        "created",
        "direction",
        "failures",
        "finished",
        "in_flight",
        "interrupted",
        "owner",
        "sequence",
        "started",
        "status",
        "stuck_on",
        "undo_attempts",
        "unmet",
        "waiting",
    )

    def __init__(self, dag: Dag, params: Json = NULL) -> None:
        """Begin with an empty log."""
        super().__init__(dag, params)
        count = len(dag.nodes)
        self.sequence = 0
        self.created = False
        self.started = False
        self.owner = ""
        self.direction = Direction.FORWARD
        self.finished: FinalState | None = None
        self.status: list[NodeStatus] = [_NEVER_STARTED] * count
        self.attempts: dict[int, int] = {}
        self.undo_attempts: dict[int, int] = {}
        self.failures: list[tuple[int, ErrorRecord, Effect | None]] = []
        """Node, error and effect, in the order of the log; of an undo without an effect."""
        self.unmet: list[int] = list(dag.indegrees)
        self.in_flight: set[int] = set()
        """Nodes whose do or undo the owner has begun and not ended."""
        self.interrupted: set[int] = set()
        """Nodes whose attempt died with an earlier owner."""
        self.waiting: dict[int, None] = dict.fromkeys(dag.roots)
        """Nodes with something to do that has not begun, in the order they became so."""
        self.agenda: list[int] = list(dag.roots)
        """The part of `waiting` that `plan` has not handed out yet."""
        self.stuck_on: dict[int, StuckReason] = {}
        self._live_children: list[int] = [0] * count
        self._frontier: dict[int, None] = {}

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
    def halted(self) -> bool:
        """Whether nothing new may begin because an undo failed (`on_stuck="halt"`)."""
        return bool(self.stuck_on) and self.dag.on_stuck is OnStuck.HALT

    @property
    def errors(self) -> list[tuple[int, ErrorRecord, Effect]]:
        """The errors of dos, in the order of the log."""
        return [(node, error, effect) for node, error, effect in self.failures if effect]

    @property
    def undo_errors(self) -> list[tuple[int, ErrorRecord]]:
        """The errors of undos, in the order of the log."""
        return [(node, error) for node, error, effect in self.failures if not effect]

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
        match event:  # the commonest first
            case Started():
                self._node_started(event)
            case Succeeded():
                self._node_succeeded(event)
            case UndoStarted():
                self._undo_started(event)
            case UndoFinished():
                self._undo_finished(event)
            case Failed():
                self._node_failed(event)
            case UndoFailed():
                self._undo_failed(event)
            case Created():
                self._created(event)
            case StartRequested():
                self._start_requested()
            case Finished():
                self._finished(event)
            case Unwinding():
                self._turn()
            case Adopted():
                self._adopted(event)
            case _:
                assert_never(event)
        self.sequence += 1

    def _created(self, event: Created) -> None:
        if self.created:
            raise LogCorrupt("created twice")
        self.created = True
        self.owner = event.owner

    def _start_requested(self) -> None:
        if self.started:
            raise LogCorrupt("started twice")
        self.started = True
        self._advance_markers()

    def _adopted(self, event: Adopted) -> None:
        self.owner = event.owner
        for node in sorted(self.in_flight):
            self.interrupted.add(node)
            self.waiting[node] = None
        self.in_flight.clear()
        # Nobody planned while this log was read: what is on the agenda may have begun since.
        self.agenda = list(self.waiting)

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
        node = event.node
        self._check(event)
        if self.unmet[node]:
            raise LogCorrupt(f"{self._name(node)} started before what it depends on succeeded")
        repeat = self.status[node] is _STARTED
        if repeat and node not in self.interrupted:
            raise LogCorrupt(f"{self._name(node)} started again while in flight")
        if not repeat:
            if self.direction is Direction.UNWINDING:
                raise LogCorrupt(f"{self._name(node)} started while unwinding")
            self._came_alive(node)
        expected = self.attempts.get(node, 0) + 1
        if event.attempt != expected:
            raise LogCorrupt(f"{self._name(node)}: attempt {event.attempt} instead of {expected}")
        self.status[node] = _STARTED
        self.attempts[node] = expected
        self._begin(node)

    def _node_succeeded(self, event: Succeeded) -> None:
        node = event.node
        self._check(event)
        self._end(node)
        self.outputs[node] = event.output
        self._done(node)

    def _node_failed(self, event: Failed) -> None:
        node = event.node
        self._check(event)
        self._end(node)
        self.failures.append((node, event.error, event.effect))
        if event.effect is Effect.NONE:
            self.status[node] = NodeStatus.FAILED
            self._settle(node)
        else:
            self.status[node] = _UNKNOWN
        self._turn()
        if event.effect is Effect.POSSIBLE:
            self._undo_if_free(node)

    def _undo_started(self, event: UndoStarted) -> None:
        node = event.node
        self._check(event)
        self._check_undo(node)
        expected = self.undo_attempts.get(node, 0) + 1
        if event.attempt != expected:
            raise LogCorrupt(
                f"{self._name(node)}: undo attempt {event.attempt} instead of {expected}"
            )
        self.status[node] = _UNDO_STARTED
        self.undo_attempts[node] = expected
        self._begin(node)

    def _undo_finished(self, event: UndoFinished) -> None:
        node = event.node
        self._check(event)
        interrupted = node in self.interrupted
        if self.status[node] is _UNDO_STARTED and not (
            # Steno begins an undo of constants and the like too: ours concludes it, unbegun.
            interrupted and self.dag.nodes[node].undoing is Undoing.NOTHING
        ):
            self._end(node)
        else:
            self._check_undo(node)
            self.waiting.pop(node, None)
            self.interrupted.discard(node)
        self.status[node] = NodeStatus.UNDONE
        self._settle(node)

    def _undo_failed(self, event: UndoFailed) -> None:
        node = event.node
        self._check(event)
        self._end(node)
        self.status[node] = NodeStatus.UNDO_FAILED
        self.failures.append((node, event.error, None))
        self.stuck_on[node] = StuckReason.UNDO_FAILED

    # -- what the handlers share --------------------------------------------

    def _check(self, event: NodeEvent) -> None:
        node = event.node
        if not 0 <= node < len(self.status):
            raise LogCorrupt(f"{event.kind} of node {node}, which does not exist")
        if (self.status[node], event.kind) not in _LEGAL:
            raise LogCorrupt(f"{self._name(node)}: {event.kind} while {self.status[node]}")
        if self.started and self.dag.markers[node]:
            raise LogCorrupt(f"{event.kind} of a marker ({self.dag.nodes[node].kind})")

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

    def _enlist(self, node: int) -> None:
        self.waiting[node] = None
        self.agenda.append(node)

    def _begin(self, node: int) -> None:
        self.waiting.pop(node, None)
        self.interrupted.discard(node)
        self.in_flight.add(node)

    def _end(self, node: int) -> None:
        try:
            self.in_flight.remove(node)
        except KeyError:
            raise LogCorrupt(
                f"{self._name(node)}: an outcome of an attempt that was interrupted"
            ) from None

    def _came_alive(self, node: int) -> None:
        live_children, frontier = self._live_children, self._frontier
        frontier[node] = None
        for parent in self.dag.parents[node]:
            live_children[parent] += 1
            frontier.pop(parent, None)

    def _done(self, node: int) -> None:
        """`node` has succeeded: its children may be ready, markers among them at once."""
        self.status[node] = _SUCCEEDED
        if self.direction is Direction.UNWINDING:
            self._undo_if_free(node)
            return
        stack = [node]
        markers, unmet, children = self.dag.markers, self.unmet, self.dag.children
        while stack:
            for child in children[stack.pop()]:
                unmet[child] -= 1
                if unmet[child]:
                    continue
                if markers[child] and self.started:
                    self._came_alive(child)
                    self.status[child] = _SUCCEEDED
                    stack.append(child)
                else:
                    self.waiting[child] = None
                    self.agenda.append(child)

    def _settle(self, node: int) -> None:
        """`node` holds nothing any more: its parents may be undone, markers at once."""
        stack = [node]
        markers, live_children, frontier = self.dag.markers, self._live_children, self._frontier
        while stack:
            settled = stack.pop()
            frontier.pop(settled, None)
            for parent in self.dag.parents[settled]:
                live_children[parent] -= 1
                if live_children[parent]:
                    continue
                frontier[parent] = None
                if self.direction is Direction.FORWARD:
                    continue
                if markers[parent] and self.started and not self.halted:
                    self.status[parent] = NodeStatus.UNDONE
                    stack.append(parent)
                else:
                    self._undo_if_free(parent)

    def _turn(self) -> None:
        """Begin to unwind: nothing new starts, and what nothing depends on can be undone."""
        if self.direction is Direction.UNWINDING:
            return
        self.direction = Direction.UNWINDING
        for node in [each for each in self.waiting if each not in self.interrupted]:
            del self.waiting[node]
        self.agenda = list(self.waiting)
        for node in list(self._frontier):
            if self.started and self.dag.markers[node]:
                self.status[node] = NodeStatus.UNDONE
                self._settle(node)
            else:
                self._undo_if_free(node)

    def _undo_if_free(self, node: int) -> None:
        """Put the undo of `node` on the agenda, if it holds something and nothing depends on it."""
        status = self.status[node]
        if self._live_children[node] or node in self.waiting:
            return
        if status is _SUCCEEDED:
            self._enlist(node)
        elif status is _UNKNOWN:
            what = self.dag.nodes[node]
            # An atomic action promises a definite end: without one, nobody knows what is there.
            if what.undoing is Undoing.KNOWN or (what.atomic and what.undoing is Undoing.ANY):
                self.stuck_on[node] = StuckReason.OUTCOME_UNKNOWN
            else:
                self._enlist(node)

    def _advance_markers(self) -> None:
        """Let markers pass that a log taken over from Steno has left standing."""
        if self.halted:  # they stand in the way of nothing else, and must not be lost
            return
        markers = self.dag.markers
        for node in [each for each in self.waiting if markers[each]]:
            del self.waiting[node]
            self.interrupted.discard(node)
            if self.direction is Direction.FORWARD:
                if self.status[node] is _NEVER_STARTED:
                    self._came_alive(node)
                self._done(node)
            else:
                self.status[node] = NodeStatus.UNDONE
                self._settle(node)
        self.agenda = [node for node in self.agenda if node in self.waiting]


def replay(dag: Dag, params: Json, events: Iterable[Event]) -> SagaState:
    """Return the state that `events` add up to.

    Raises:
        LogCorrupt: naming the event that cannot be.
    """
    state = SagaState(dag, params)
    for event in events:
        try:
            state.apply(event)
        except LogCorrupt as error:
            raise LogCorrupt(f"event {state.sequence + 1}: {error}") from error
    return state
