"""What can be done next: which nodes are ready to start, and which are free to be undone.

Forward, a node waits for all that it depends on. Unwinding, it waits for all that
depends on it. Each edge is walked a bounded number of times in a saga's life, so a
whole log costs what the DAG and the log cost, whatever their shape.

Markers (`START`, `END`, `SUBSAGA_START`, `JOIN`) have no events of their own in our
logs: once the saga is started they advance here, in both directions. (A log taken
over from Steno has events for them, legal until the saga is started.)
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sagacity.core.dag import OnStuck
from sagacity.core.data import SagaData
from sagacity.core.nodes import Undoing
from sagacity.core.transitions import NodeStatus

if TYPE_CHECKING:
    from sagacity.core.dag import Dag
    from sagacity.core.values import Json

_NEVER_STARTED: Final = NodeStatus.NEVER_STARTED
_SUCCEEDED: Final = NodeStatus.SUCCEEDED
_UNKNOWN: Final = NodeStatus.UNKNOWN


class Direction(StrEnum):
    """Where a saga goes: forward, or taking back what it did."""

    FORWARD = "forward"
    UNWINDING = "unwinding"


_UNWINDING: Final = Direction.UNWINDING


class StuckReason(StrEnum):
    """Why a person must decide."""

    UNDO_FAILED = "undo_failed"
    OUTCOME_UNKNOWN = "outcome_unknown"
    ASKS = "asks"
    FORWARD_FAILED = "forward_failed"
    POISON = "poison"


_FORWARD_FAILED: Final = StuckReason.FORWARD_FAILED


class Agenda(SagaData):
    """The part of a saga's state that says what is left to do."""

    __slots__ = (
        "_frontier",
        "_live_children",
        "agenda",
        "deadline_ms",
        "direction",
        "expiry_ms",
        "forward_only",
        "interrupted",
        "started",
        "status",
        "stuck_on",
        "unmet",
        "waiting",
    )

    def __init__(self, dag: Dag, params: Json) -> None:
        """Begin with nothing done."""
        super().__init__(dag, params)
        count = len(dag.nodes)
        self.started = False
        self.direction = Direction.FORWARD
        self.forward_only = dag.forward_only
        """Whether a point of no return is behind it, and nothing is undone any more."""
        self.status: list[NodeStatus] = [_NEVER_STARTED] * count
        self.unmet: list[int] = list(dag.indegrees)
        self.interrupted: set[int] = set()
        """Nodes whose attempt died with an earlier owner."""
        self.waiting: dict[int, None] = dict.fromkeys(dag.roots)
        """Nodes with something to do that has not begun, in the order they became so."""
        self.deadline_ms = 0
        """When it is taken back if it still goes forward; 0: never."""
        self.expiry_ms = 0
        """The same, until `plan` has handed it out."""
        self.agenda: list[int] = list(dag.roots)
        """The part of `waiting` that `plan` has not handed out yet."""
        self.stuck_on: dict[int, StuckReason] = {}
        self._live_children: list[int] = [0] * count
        self._frontier: dict[int, None] = {}

    @property
    def halted(self) -> bool:
        """Whether nothing new may begin because an undo failed (`on_stuck="halt"`)."""
        return bool(self.stuck_on) and self.dag.on_stuck is OnStuck.HALT

    def plan_anew(self) -> None:
        """Put all that waits on the agenda: nobody planned while this log was read."""
        self.agenda = list(self.waiting)
        self.expiry_ms = self.deadline_ms

    def _enlist(self, node: int) -> None:
        self.waiting[node] = None
        self.agenda.append(node)

    def _came_alive(self, node: int) -> None:
        live_children, frontier = self._live_children, self._frontier
        frontier[node] = None
        for parent in self.dag.parents[node]:
            live_children[parent] += 1
            frontier.pop(parent, None)

    def _done(self, node: int) -> None:
        """`node` has succeeded: its children may be ready, markers among them at once."""
        self.status[node] = _SUCCEEDED
        if self.direction is _UNWINDING:
            self._undo_if_free(node)
            return
        if self.dag.pivots and node in self.dag.pivots:
            self.forward_only = True
        markers, unmet, children = self.dag.markers, self.unmet, self.dag.children
        reached = list(children[node])
        for child in reached:  # it grows with each marker
            unmet[child] = left = unmet[child] - 1
            if left:
                continue
            if markers[child] and self.started:
                self._came_alive(child)
                self.status[child] = _SUCCEEDED
                reached += children[child]
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
        for node in [each for each in self.waiting if self.status[each] is _NEVER_STARTED]:
            del self.waiting[node]
        self.agenda = list(self.waiting)
        failed = [each for each, why in self.stuck_on.items() if why is _FORWARD_FAILED]
        # Where nobody need know what became of it, it is undone. An atomic one would run again.
        poison = [
            each
            for each, why in self.stuck_on.items()
            if why is StuckReason.POISON and not self.dag.nodes[each].atomic
        ]
        for node in (*failed, *poison):  # all, before anything asks whether the saga is halted
            del self.stuck_on[node]
        for node in failed:
            if self.status[node] is NodeStatus.FAILED:
                self._settle(node)
        for node in poison:
            self._enlist(node)
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
        what = self.dag.nodes[node]
        if status in (_SUCCEEDED, _UNKNOWN) and what.undoing is Undoing.ASK:
            self.stuck_on[node] = StuckReason.ASKS
        elif status in (_SUCCEEDED, _UNKNOWN) and what.undoing is Undoing.PIVOT:
            self.stuck_on[node] = StuckReason.OUTCOME_UNKNOWN
        elif status is _SUCCEEDED:
            self._enlist(node)
        elif status is _UNKNOWN:
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
