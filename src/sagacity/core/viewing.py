"""Makes the views of a saga from what is stored and nothing else, by the fold that drives it."""

from __future__ import annotations

import operator
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
from sagacity.core.folding import fold_log
from sagacity.core.masking import masked, masked_log, shown
from sagacity.core.outcome import all_errors, last_try, outcome_of
from sagacity.core.state import SagaState
from sagacity.core.views import BreakpointView, EventView, NodeView, SagaView

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sagacity.core.breakpoints import Breakpoint
    from sagacity.core.codec import LoggedEvent
    from sagacity.core.dag import Dag
    from sagacity.core.events import ErrorRecord, Event
    from sagacity.core.outcome import NodeError
    from sagacity.core.values import Json


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
