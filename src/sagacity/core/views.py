"""Read models for people: a saga as `get`, the command line and exports show it.

Made from what is stored and nothing else, by the same fold that drives the saga.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

from sagacity.core.breakpoints import ANY_NODE
from sagacity.core.events import (
    Adopted,
    AttemptFailed,
    Created,
    Decided,
    EventKind,
    Failed,
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
from sagacity.core.masking import masked, masked_log, shown
from sagacity.core.outcome import all_errors, last_try, outcome_of
from sagacity.core.state import SagaState
from sagacity.errors import LogCorrupt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from sagacity.core.agenda import Direction
    from sagacity.core.breakpoints import Breakpoint
    from sagacity.core.codec import LoggedEvent
    from sagacity.core.dag import Dag
    from sagacity.core.events import ErrorRecord, Event
    from sagacity.core.nodes import NodeKind
    from sagacity.core.outcome import NodeError, Outcome
    from sagacity.core.transitions import NodeStatus
    from sagacity.core.values import Json


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node. Times are milliseconds since the Unix epoch, None where it did not happen.

    `running` says that its owner has an attempt of it (or of its undo) in flight. While
    it waits for a retry, `retry_at_ms` says when that is due, and the error is the last one.
    `waits_for` is what it waits for in the coordinator (a slot, a limit, an attempt that
    lingers), in words; only the coordinator's own process knows.
    `heartbeat` is the last detail that its attempts have told, and `heartbeat_ms` when the last
    heartbeat was that is in the log.
    """

    path: str
    name: str
    label: str
    kind: NodeKind
    status: NodeStatus
    attempt: int
    undo_attempt: int
    output: Any
    error: NodeError | None
    undo_error: NodeError | None
    running: bool
    depends_on: tuple[str, ...]
    started_ms: int | None = None
    ended_ms: int | None = None
    undo_started_ms: int | None = None
    undo_ended_ms: int | None = None
    retry_at_ms: int | None = None
    waits_for: str = ""
    heartbeat: Any = None
    heartbeat_ms: int | None = None


@dataclass(frozen=True, slots=True)
class EventView:
    """One event of the log, readable."""

    sequence: int
    time_ms: int
    kind: EventKind
    node: str | None
    attempt: int | None
    data: Any
    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class BreakpointView:
    """Where a saga pauses by itself; `node` is the path of a node, None for any."""

    at: str
    node: str | None


@dataclass(frozen=True, slots=True)
class SagaView:
    """A saga, whole, as of one moment.

    `waits_for` is what it waits for in the coordinator (a place, a limit, its next retry),
    in words; only the coordinator's own process knows.

    No secret is in it: what is a `Secret` in the saga is `***` here, in `log` too.
    """

    id: UUID
    name: str
    version: str
    state: str
    direction: Direction
    params: Any
    labels: Mapping[str, str]
    nodes: tuple[NodeView, ...]
    events: tuple[EventView, ...]
    errors: tuple[NodeError, ...]
    outcome: Outcome | None
    owner: str
    epoch: int
    created_ms: int
    updated_ms: int
    fingerprint: str
    breakpoints: tuple[BreakpointView, ...]
    """Those that it has not come to."""
    stopped_at: BreakpointView | None
    """The one that has paused it."""
    dag: Dag
    log: tuple[LoggedEvent, ...]
    waits_for: str = ""
    masked: bool = False
    """Whether there are secrets in the saga."""
    priority: int = 0
    """A point of it counts as a minute of age in the line for a coordinator."""

    def node(self, path: str) -> NodeView:
        """Return the node at `path`.

        Raises:
            NoSuchNode: there is none.
        """
        self.dag.find(path)
        return next(node for node in self.nodes if node.path == path)


@dataclass(frozen=True, slots=True)
class SagaSummary:
    """A saga as a list shows it.

    `orphaned`: it has something to do, and nobody alive owns it. `hung`: an attempt takes
    longer than is expected of it; None unless the list was asked to find that out.
    """

    id: UUID
    name: str
    state: str
    direction: Direction
    labels: Mapping[str, str]
    owner: str
    epoch: int
    created_ms: int
    updated_ms: int
    orphaned: bool = False
    hung: bool | None = None
    priority: int = 0


def fold_log(dag: Dag, params: Json, log: Iterable[LoggedEvent]) -> SagaState:
    """Return the state of a stored log.

    Raises:
        LogCorrupt: names the sequence of the event that cannot be.
    """
    state = SagaState(dag, params)
    for logged in log:
        event = logged.event
        try:
            state.apply(event)
        except LogCorrupt as error:
            raise LogCorrupt(f"event {logged.sequence}: {error}") from error
        if isinstance(event, Started | UndoStarted):
            undo = event.kind is EventKind.UNDO_STARTED
            state.remember_begin(event.node, undo=undo, time_ms=logged.time_ms)
    return state


def nodes_of(state: SagaState, log: Sequence[LoggedEvent]) -> tuple[NodeView, ...]:
    """Return the nodes of a saga (markers left out), in the order of the DAG."""
    dag = state.dag
    times = _times(log)
    errors: dict[str, NodeError] = {}
    undo_errors: dict[str, NodeError] = {}
    for error in all_errors(state):
        (undo_errors if error.undo else errors)[error.node] = error
    for index in state.retrying:
        last = last_try(state, index)
        if last is not None:
            (undo_errors if last.undo else errors)[last.node] = last
    heartbeats = state.heartbeats or {}
    views: list[NodeView] = []
    visible: dict[tuple[int, ...], tuple[str, ...]] = {}  # a wide stage shares its parents
    for index, path in enumerate(dag.paths):
        if dag.nodes[index].kind.is_marker:
            continue
        node = dag.nodes[index]
        output = state.outputs.get(index)
        parents = dag.parents[index]
        if parents not in visible:
            visible[parents] = _visible_parents(dag, parents)
        views.append(
            NodeView(
                path=path,
                name=node.name,
                label=node.label,
                kind=node.kind,
                status=state.status[index],
                attempt=state.attempts.get(index, 0),
                undo_attempt=state.undo_attempts.get(index, 0),
                output=None if output is None else shown(output),
                error=errors.get(path),
                undo_error=undo_errors.get(path),
                running=index in state.in_flight,
                depends_on=visible[parents],
                retry_at_ms=_retry_at(state, index),
                heartbeat=shown(heartbeats[index]) if index in heartbeats else None,
                **times.get(index, {}),
            )
        )
    return tuple(views)


def _retry_at(state: SagaState, node: int) -> int | None:
    retrying = state.retrying.get(node)
    return retrying.at_ms if retrying is not None and node in state.waiting else None


def event_view(dag: Dag, logged: LoggedEvent) -> EventView:
    """Return one event, readable."""
    event = logged.event
    return EventView(
        sequence=logged.sequence,
        time_ms=logged.time_ms,
        kind=event.kind,
        node=_path_of(dag, event),
        attempt=event.attempt if isinstance(event, Started | UndoStarted) else None,
        data=_data(event),
        owner=logged.owner,
        epoch=logged.epoch,
    )


def _path_of(dag: Dag, event: Event) -> str | None:
    about_one = isinstance(event, NodeEvent) or (isinstance(event, Decided) and event.node >= 0)
    return dag.paths[event.node] if about_one else None  # type: ignore[union-attr]


def _data(event: Event) -> Any:
    match event:
        case Succeeded(output=output):
            return shown(output)
        case Failed(error=error, effect=effect):
            return {**_error_data(error), "effect": effect.value}
        case AttemptFailed(error=error, effect=effect, retry_at_ms=retry_at_ms):
            return {**_error_data(error), "effect": effect.value, "retry_at_ms": retry_at_ms}
        case UndoAttemptFailed(error=error, retry_at_ms=retry_at_ms):
            return {**_error_data(error), "retry_at_ms": retry_at_ms}
        case UndoFailed(error=error):
            return _error_data(error)
        case Heartbeat(detail=detail):
            return None if detail is None else shown(detail)
        case UndoFinished(how=how):
            return how.value
        case Adopted(owner=owner, missing=missing) if missing:
            return {"owner": owner, "missing": list(missing)}
        case Created(owner="", by=by):
            return by
        case Created(owner=owner) | Adopted(owner=owner):
            return owner
        case Unwinding(reason=reason):
            return reason
        case Decided():
            return _decision_data(event)
        case Finished(outcome=outcome):
            return outcome.value
        case Started() | UndoStarted() | StartRequested() | Released():
            return None
        case _:
            assert_never(event)


def _decision_data(event: Decided) -> dict[str, Any]:
    told: dict[str, Any] = {
        "verb": event.verb,
        "by": event.by,
        "reason": event.reason,
        "request": event.request,
    }
    return told if event.value is None else {**told, "value": shown(event.value)}


def _error_data(error: ErrorRecord) -> dict[str, Any]:
    return {
        "kind": error.kind.value,
        "message": error.message,
        "class": error.class_name,
        "traceback": error.traceback,
        "data": None if error.data is None else shown(error.data),
    }


_TIME_OF: Mapping[EventKind, str] = {
    EventKind.STARTED: "started_ms",
    EventKind.HEARTBEAT: "heartbeat_ms",
    EventKind.SUCCEEDED: "ended_ms",
    EventKind.FAILED: "ended_ms",
    EventKind.UNDO_STARTED: "undo_started_ms",
    EventKind.UNDO_FINISHED: "undo_ended_ms",
    EventKind.UNDO_FAILED: "undo_ended_ms",
}


def _times(log: Sequence[LoggedEvent]) -> dict[int, dict[str, Any]]:
    times: dict[int, dict[str, Any]] = {}
    for logged in log:
        event = logged.event
        if not isinstance(event, NodeEvent):
            continue
        name = _TIME_OF.get(event.kind)
        if name is None:
            continue
        of_node = times.setdefault(event.node, {})
        if name.endswith("started_ms"):
            of_node.setdefault(name, logged.time_ms)
        else:
            of_node[name] = logged.time_ms
    return times


def _masked_dag(dag: Dag) -> Dag:
    """Return `dag` without the secrets that the constants of a dynamic saga can have."""
    constants = tuple(masked(each) for each in dag.constants)
    return dag if constants == dag.constants else dag.with_constants(constants)


def _breakpoint_view(dag: Dag, breakpoint_: Breakpoint) -> BreakpointView:
    node = breakpoint_.node
    return BreakpointView(breakpoint_.at.value, None if node == ANY_NODE else dag.paths[node])


def _visible_parents(dag: Dag, parents: tuple[int, ...]) -> tuple[str, ...]:
    """Return the paths of `parents`, looking through markers."""
    found: dict[str, None] = {}
    stack = list(reversed(parents))
    seen: set[int] = set()
    while stack:
        parent = stack.pop()
        if parent in seen:
            continue
        seen.add(parent)
        if dag.nodes[parent].kind.is_marker:
            stack += reversed(dag.parents[parent])
        else:
            found[dag.paths[parent]] = None
    return tuple(found)


def view_of(
    *,
    saga_id: UUID,
    name: str,
    state_name: str,
    labels: Mapping[str, str],
    fingerprint: str,
    owner: str,
    epoch: int,
    created_ms: int,
    updated_ms: int,
    dag: Dag,
    params: Json,
    log: Sequence[LoggedEvent],
    priority: int = 0,
) -> SagaView:
    """Put a view together from what is stored.

    Raises:
        LogCorrupt: the log cannot be.
    """
    state = fold_log(dag, params, log)
    safe_log, safe_dag = tuple(masked_log(log)), _masked_dag(dag)
    safe = safe_dag is dag and masked(params) == params and all(map(operator.is_, log, safe_log))
    return SagaView(
        id=saga_id,
        name=name,
        version=dag.version,
        state=state_name,
        direction=state.direction,
        params=shown(params),
        labels=dict(labels),
        nodes=nodes_of(state, log),
        events=tuple(event_view(dag, logged) for logged in log),
        errors=all_errors(state),
        outcome=outcome_of(state),
        owner=owner,
        epoch=epoch,
        created_ms=created_ms,
        updated_ms=updated_ms,
        fingerprint=fingerprint,
        breakpoints=tuple(
            _breakpoint_view(dag, each)
            for each in sorted(state.breakpoints, key=lambda each: (each.node, each.at))
        ),
        stopped_at=None if state.stopped_at is None else _breakpoint_view(dag, state.stopped_at),
        dag=safe_dag,
        log=safe_log,
        masked=not safe,
        priority=priority,
    )
