"""A saga's log as Steno would have written it.

Ours has no events for markers once the saga is started: they advance inside of the fold.
Steno logs them like any node, so the log is replayed and each marker that changes gets
its events then, behind the event that moved it. Steno has one start of a node and one of
its undo, however often they were called; and an undo that had nothing to do has a start
as well as an end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.core.agenda import Direction
from sagacity.core.events import (
    Adopted,
    AttemptFailed,
    Created,
    Decided,
    EventKind,
    Failed,
    Finished,
    Heartbeat,
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
from sagacity.core.nodes import NodeKind, Undoing
from sagacity.core.state import SagaState
from sagacity.core.transitions import NodeStatus
from sagacity.core.values import NULL
from sagacity.steno.graph_writing import numbers
from sagacity.steno.model import StenoEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sagacity.core.codec import LoggedEvent
    from sagacity.core.dag import Dag
    from sagacity.core.events import Event
    from sagacity.core.values import Json

_S = NodeStatus
_K = EventKind

_MARKER_EVENTS: Final = {
    (_S.NEVER_STARTED, _S.SUCCEEDED): (_K.STARTED, _K.SUCCEEDED),
    (_S.STARTED, _S.SUCCEEDED): (_K.SUCCEEDED,),
    (_S.STARTED, _S.UNDONE): (_K.SUCCEEDED, _K.UNDO_STARTED, _K.UNDO_FINISHED),
    (_S.SUCCEEDED, _S.UNDONE): (_K.UNDO_STARTED, _K.UNDO_FINISHED),
    (_S.UNDO_STARTED, _S.UNDONE): (_K.UNDO_FINISHED,),
}
"""What Steno logs of a marker that went from one status to another."""


def steno_events(dag: Dag, params: Json, log: Iterable[LoggedEvent]) -> list[StenoEvent]:
    """Return Steno's events of a log, in the order of the log.

    Raises:
        LogCorrupt: the log cannot be.
    """
    state = SagaState(dag, params)
    number = numbers(dag)
    markers = _Markers(state)
    events: list[StenoEvent] = []
    for logged in log:
        told = list(_told(state, logged.event))
        state.apply(logged.event)
        events += [
            StenoEvent(number[event.node], event.kind, event.payload)
            for event in [*told, *markers.moved_by(logged.event)]
            if dag.nodes[event.node].kind is not NodeKind.JOIN
        ]
    return events


def _told(state: SagaState, event: Event) -> Iterator[StenoEvent]:
    """Yield what Steno logs of `event`, which has not been applied yet."""
    match event:
        case Started(node):
            if state.status[node] is not _S.STARTED:
                yield StenoEvent(node, event.kind)
        case Succeeded(node, output):
            yield StenoEvent(node, event.kind, output)
        case Failed(node, error) | UndoFailed(node, error):
            yield StenoEvent(node, event.kind, error)
        case UndoStarted(node):
            if state.status[node] is not _S.UNDO_STARTED:
                yield StenoEvent(node, event.kind)
        case UndoFinished(node):
            if _is_failed_to_steno(state, node):
                return
            if state.status[node] is not _S.UNDO_STARTED:
                yield StenoEvent(node, _K.UNDO_STARTED)
            yield StenoEvent(node, event.kind)
        case Created() | StartRequested() | Adopted() | Released() | Unwinding() | Finished():
            pass
        case AttemptFailed() | UndoAttemptFailed() | Heartbeat() | Decided():
            pass  # to Steno the node is at it all the while


def _is_failed_to_steno(state: SagaState, node: int) -> bool:
    """Whether `node` failed and has nothing to take back: Steno is done with it."""
    return state.status[node] is _S.UNKNOWN and state.dag.nodes[node].undoing is Undoing.NOTHING


class _Markers:
    """The markers' statuses as last told; each event costs the markers that it moved."""

    def __init__(self, state: SagaState) -> None:
        self._state = state
        self._direction = state.direction
        self._told = {
            index: state.status[index]
            for index, node in enumerate(state.dag.nodes)
            if node.kind.is_marker
        }

    def moved_by(self, event: Event) -> list[StenoEvent]:
        """Return Steno's events of the markers that `event`, just applied, has moved."""
        state, dag = self._state, self._state.dag
        match event:
            case StartRequested():
                moved = self._changed(self._told)
            case Succeeded(node):
                moved = self._behind(node, dag.children)
            case Failed() | Unwinding() if state.direction is not self._direction:
                moved = self._changed(self._told)
            case Failed(node) | UndoFinished(node):
                moved = self._behind(node, dag.parents)
            case Started(node) | UndoStarted(node) if node in self._told:
                self._told[node] = state.status[node]
                moved = []
            case _:
                moved = []
        self._direction = state.direction
        moved.sort(
            key=lambda index: dag.rank[index], reverse=state.direction is Direction.UNWINDING
        )
        return [event for index in moved for event in self._tell(index)]

    def _changed(self, nodes: Iterable[int]) -> list[int]:
        told, status = self._told, self._state.status
        return [node for node in nodes if node in told and told[node] is not status[node]]

    def _behind(self, node: int, neighbours: Sequence[Sequence[int]]) -> list[int]:
        """Return what moved behind `node`, as far as markers follow each other."""
        if node in self._told:
            self._told[node] = self._state.status[node]  # has an event of its own
        moved: dict[int, None] = {}
        stack = [node]
        while stack:
            near = [each for each in self._changed(neighbours[stack.pop()]) if each not in moved]
            moved.update(dict.fromkeys(near))
            stack += near
        return list(moved)

    def _tell(self, node: int) -> Iterator[StenoEvent]:
        before, self._told[node] = self._told[node], self._state.status[node]
        for kind in _MARKER_EVENTS[before, self._told[node]]:
            yield StenoEvent(node, kind, NULL if kind is _K.SUCCEEDED else None)
