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
from sagacity.cli.why_documents import (
    ActDocument,
    CauseDocument,
    ChoiceDocument,
    CurrentNodeDocument,
    HeldDocument,
    OwnershipDocument,
    WhyDocument,
)
from sagacity.core.outcome import Abandoned, Stuck, Succeeded

if TYPE_CHECKING:
    from sagacity.core.dag import Dag
    from sagacity.core.outcome import NodeError
    from sagacity.core.views import EventView, NodeView, SagaSummary, SagaView
    from sagacity.core.why import Why


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
        priority=view.priority,
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
        priority=summary.priority,
        orphaned=summary.orphaned,
        hung=summary.hung,
    )


def why_document(why: Why) -> WhyDocument:
    """Return what was found out about a saga as a document."""
    return WhyDocument(
        id=str(why.id),
        name=why.name,
        version=why.version,
        labels=dict(why.labels),
        state=why.state,
        direction=why.direction.value,
        created_ms=why.created_ms,
        created_by=why.created_by,
        deadline_ms=why.deadline_ms,
        seen_ms=why.seen_ms,
        moving=why.moving,
        hung=why.hung,
        orphaned=why.orphaned,
        last_event=None if why.last_event is None else _event_document(why.last_event),
        turned=why.turned or None,
        nodes=[
            CurrentNodeDocument(
                each.path, each.doing.value, each.undo, each.attempt, each.since_ms,
                each.hung_at_ms, each.next_at_ms, each.deadline_ms,
            )
            for each in why.nodes
        ],
        causes=[
            CauseDocument(
                each.kind.value, each.text, each.node or None, each.since_ms, each.until_ms,
                each.by or None,
            )
            for each in why.causes
        ],
        error=None if why.error is None else _error_document(why.error),
        owner=why.owner,
        epoch=why.epoch,
        owned=why.owned,
        owners=[
            OwnershipDocument(each.owner, each.epoch, each.since_ms, each.until_ms)
            for each in why.owners
        ],
        held=[HeldDocument(each.node, each.output, each.certain) for each in why.held],
        choices=[
            ChoiceDocument(each.verb.value, each.node or None, each.answer.value, each.text)
            for each in why.choices
        ],
        acts=[
            ActDocument(each.time_ms, each.verb, each.node or None, each.by, each.reason)
            for each in why.acts
        ],
    )  # fmt: skip


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
        heartbeat=node.heartbeat,
        heartbeat_ms=node.heartbeat_ms,
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
