"""A saga that Steno serialized, taken over: its DAG, and its log in an order that can be.

Steno reads a log as a set: it sorts the events by type and checks each node by itself,
then each against its neighbours. The second of these checks refuses logs that Steno
wrote; ours is the fold that every log has to pass. So the events are put into an order
that could have been: what was begun and done in dependency order, then the failures,
then the undos in reverse order.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sagacity.core.events import (
    Adopted,
    Created,
    Effect,
    ErrorRecord,
    EventKind,
    Failed,
    How,
    Started,
    Succeeded,
    UndoFailed,
    UndoFinished,
    UndoStarted,
)
from sagacity.core.nodes import NodeKind
from sagacity.core.state import SagaState
from sagacity.errors import LogCorrupt, NotSteno
from sagacity.steno.document import parse
from sagacity.steno.graph_reading import to_dag
from sagacity.steno.model import EVENT_KINDS, StenoEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from uuid import UUID

    from sagacity.core.dag import Dag
    from sagacity.core.events import NodeEvent
    from sagacity.core.values import Json
    from sagacity.steno.model import StenoDocument

_K = EventKind

_BEFORE: Final = {
    _K.STARTED: (None,),
    _K.SUCCEEDED: (_K.STARTED,),
    _K.FAILED: (_K.STARTED,),
    _K.UNDO_STARTED: (_K.SUCCEEDED,),
    _K.UNDO_FINISHED: (_K.UNDO_STARTED,),
    _K.UNDO_FAILED: (_K.UNDO_STARTED,),
}
"""What must stand right before each event of a node; None: nothing."""


@dataclass(frozen=True, slots=True)
class StenoSaga:
    """A saga to be resumed: not started, with what it has done so far.

    `events` are legal between `Created` and `Adopted`. Every action of `dag` is atomic,
    has an undo and is of version 1, and the first undo that fails stops all others.
    """

    saga_id: UUID
    dag: Dag
    params: Json
    events: tuple[NodeEvent, ...]


def load(document: Mapping[str, Any] | str | bytes) -> StenoSaga:
    """Read a serialized saga: parsed JSON, or its text. Any log that Steno wrote is taken.

    Raises:
        NotSteno: it is not in Steno's format, or no saga can have this graph or this log;
            the text says which member, node or event is wrong.
    """
    read = parse(document)
    dag, params = to_dag(read.dag)
    events = tuple(_in_order(dag, _by_node(read, dag)))
    _check(dag, params, events)
    return StenoSaga(read.saga_id, dag, params, events)


def _by_node(read: StenoDocument, dag: Dag) -> dict[int, list[StenoEvent]]:
    """Return each node's events in the order that they must have; a node's log is a chain."""
    by_node: defaultdict[int, list[StenoEvent]] = defaultdict(list)
    for event in sorted(read.events, key=lambda event: EVENT_KINDS.index(event.kind)):
        if event.node >= len(dag.nodes):
            raise _damaged(
                f"{event.kind} of node {event.node}, "
                f"but the last node of the graph is {len(dag.nodes) - 1}"
            )
        chain = by_node[event.node]
        last = chain[-1].kind if chain else None
        if last not in _BEFORE[event.kind]:
            place = f"after {last}" if last else "without anything before it"
            raise _damaged(f"{event.kind} of {_name(dag, event.node)} {place}")
        if event.kind is _K.FAILED and dag.nodes[event.node].kind.is_marker:
            raise _damaged(f"{_name(dag, event.node)} failed, which it cannot")
        chain.append(event)
    return by_node


def _in_order(dag: Dag, by_node: dict[int, list[StenoEvent]]) -> Iterator[NodeEvent]:
    forward = sorted(by_node, key=lambda node: dag.rank[node])
    for kinds, nodes in (
        ((_K.STARTED, _K.SUCCEEDED), forward),
        ((_K.FAILED,), sorted(by_node)),  # the first error is then the one that Steno reports
        ((_K.UNDO_STARTED, _K.UNDO_FINISHED, _K.UNDO_FAILED), reversed(forward)),
    ):
        for node in nodes:
            for event in by_node[node]:
                if event.kind in kinds:
                    yield _to_core(dag, event)


def _to_core(dag: Dag, event: StenoEvent) -> NodeEvent:
    node = event.node
    match event.kind, event.payload:
        case _K.STARTED, _:
            return Started(node, attempt=1)
        case _K.SUCCEEDED, bytes(output):
            return Succeeded(node, output)
        case _K.FAILED, ErrorRecord() as error:
            return Failed(node, error, Effect.NONE)
        case _K.UNDO_STARTED, _:
            return UndoStarted(node, attempt=1)
        case _K.UNDO_FINISHED, _:
            is_action = dag.nodes[node].kind is NodeKind.ACTION
            return UndoFinished(node, How.UNDONE if is_action else How.NOTHING)
        case _K.UNDO_FAILED, ErrorRecord() as error:
            return UndoFailed(node, error)
        case _:
            raise AssertionError(event)


def _check(dag: Dag, params: Json, events: Iterable[NodeEvent]) -> None:
    state = SagaState(dag, params)
    state.apply(Created(""))
    for event in events:
        try:
            state.apply(event)
        except LogCorrupt as error:
            name = _name(dag, event.node)
            raise _damaged(f"{event.kind} of {name} cannot be: {error}") from error
    state.apply(Adopted(""))


def _damaged(what: str) -> NotSteno:
    return NotSteno(f"events: {what}; the log is damaged, or another saga's: dump it again")


def _name(dag: Dag, node: int) -> str:
    what = dag.nodes[node]
    return f"node {node} ({what.kind})" if what.kind.is_marker else f'node {node} ("{what.name}")'
