"""Views as JSON documents: from core's words to the documented ones, field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagacity.cli.graphs.outline import places_of
from sagacity.cli.json_documents import (
    EventDocument,
    GraphDocument,
    GraphNodeDocument,
    LogDocument,
    NodeDocument,
    NodeErrorDocument,
    OutcomeDocument,
    SagaDocument,
    SummaryDocument,
)
from sagacity.core.outcome import Abandoned, Stuck, Succeeded

if TYPE_CHECKING:
    from sagacity.core.dag import Dag
    from sagacity.core.outcome import NodeError
    from sagacity.core.views import EventView, NodeView, SagaSummary, SagaView


def saga_document(view: SagaView, *, coordinator: bool | None = None) -> SagaDocument:
    """Return a saga as a document; `coordinator`: whether one is alive, if that is known."""
    return SagaDocument(
        id=str(view.id),
        name=view.name,
        version=view.version,
        state=view.state,
        direction=view.direction.value,
        params=view.params,
        labels=dict(view.labels),
        owner=view.owner,
        coordinator=coordinator,
        epoch=view.epoch,
        created_ms=view.created_ms,
        updated_ms=view.updated_ms,
        fingerprint=view.fingerprint,
        outcome=_outcome_document(view),
        errors=[_error_document(error) for error in view.errors],
        nodes=[_node_document(node) for node in view.nodes],
    )


def summary_document(summary: SagaSummary) -> SummaryDocument:
    """Return a saga of a list as a document."""
    return SummaryDocument(
        id=str(summary.id),
        name=summary.name,
        state=summary.state,
        direction=summary.direction.value,
        labels=dict(summary.labels),
        owner=summary.owner,
        epoch=summary.epoch,
        created_ms=summary.created_ms,
        updated_ms=summary.updated_ms,
    )


def log_document(view: SagaView) -> LogDocument:
    """Return a log as a document."""
    return LogDocument(str(view.id), view.name, [_event_document(each) for each in view.events])


def graph_document(dag: Dag, view: SagaView | None) -> GraphDocument:
    """Return a DAG as a document; with a view, with the status of each node."""
    statuses = {} if view is None else {node.path: node.status.value for node in view.nodes}
    return GraphDocument(
        dag.name,
        dag.version,
        [
            GraphNodeDocument(
                path=place.view.path,
                label=place.view.label,
                kind=place.view.kind.value,
                action=place.node.action,
                action_version=place.node.version,
                atomic=place.node.atomic,
                undoing=place.node.undoing.value,
                step=place.step,
                depends_on=list(place.view.depends_on),
                status=statuses.get(place.view.path),
            )
            for place in places_of(dag)
        ],
    )


def _outcome_document(view: SagaView) -> OutcomeDocument | None:
    outcome = view.outcome
    if outcome is None:
        return None
    kind = type(outcome).__name__.lower()
    match outcome:
        case Succeeded(output=output):
            return OutcomeDocument(kind, output, None, None)
        case Stuck(reason=reason):
            return OutcomeDocument(kind, None, reason.value, None)
        case Abandoned(reason=reason, by=by):
            return OutcomeDocument(kind, None, reason, by)
        case _:
            return OutcomeDocument(kind, None, None, None)


def _error_document(error: NodeError) -> NodeErrorDocument:
    return NodeErrorDocument(
        node=error.node,
        undo=error.undo,
        kind=error.kind.value,
        message=error.message,
        data=error.data,
        effect=None if error.effect is None else error.effect.value,
        class_name=error.class_name,
        traceback=error.traceback,
    )


def _node_document(node: NodeView) -> NodeDocument:
    return NodeDocument(
        path=node.path,
        name=node.name,
        label=node.label,
        kind=node.kind.value,
        status=node.status.value,
        running=node.running,
        attempt=node.attempt,
        undo_attempt=node.undo_attempt,
        output=node.output,
        depends_on=list(node.depends_on),
        started_ms=node.started_ms,
        ended_ms=node.ended_ms,
        undo_started_ms=node.undo_started_ms,
        undo_ended_ms=node.undo_ended_ms,
        retry_at_ms=node.retry_at_ms,
    )


def _event_document(event: EventView) -> EventDocument:
    return EventDocument(
        sequence=event.sequence,
        time_ms=event.time_ms,
        kind=event.kind.value,
        node=event.node,
        attempt=event.attempt,
        data=event.data,
        owner=event.owner,
        epoch=event.epoch,
    )
