"""Steno's JSON to typed values and back; its form only, not whether it makes sense.

Reading takes what Steno takes (unknown members, `{"End": null}`, no `node_holes`) and
says of anything else where it stands and what was expected. Writing gives the members
in the order in which Steno declares them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sagacity.core.dag_mistakes import MAX_EDGES, MAX_NODES
from sagacity.core.events import ErrorRecord, EventKind
from sagacity.core.values import decode
from sagacity.errors import NotSteno
from sagacity.steno.action_errors import from_steno, to_steno, undo_from_steno, undo_to_steno
from sagacity.steno.model import (
    EVENT_KINDS,
    Action,
    Constant,
    End,
    Start,
    StenoDag,
    StenoDocument,
    StenoEvent,
    SubsagaEnd,
    SubsagaStart,
)
from sagacity.steno.reading import (
    array_at,
    index_at,
    member_of,
    object_at,
    text_at,
    uuid_at,
    value_at,
    variant_of,
)

if TYPE_CHECKING:
    from sagacity.steno.model import StenoNode

_VARIANTS: Final[Mapping[str, type[StenoNode]]] = {
    variant.__name__: variant
    for variant in (Start, End, Action, Constant, SubsagaStart, SubsagaEnd)
}
_TEXT_FIELDS: Final = frozenset({"name", "label", "action_name", "saga_name", "params_node_name"})


def parse(document: Mapping[str, Any] | str | bytes) -> StenoDocument:
    """Read a serialized saga: parsed JSON, or its text.

    Raises:
        NotSteno: says where it is not as Steno writes it, and what was expected there.
    """
    if isinstance(document, str | bytes):
        document = _parsed(document)
    root = object_at(document, "the saga")
    return StenoDocument(
        saga_id=uuid_at(member_of(root, "saga_id", "the saga"), "saga_id"),
        dag=_dag(object_at(member_of(root, "dag", "the saga"), "dag")),
        events=_events(root),
    )


def render(document: StenoDocument) -> dict[str, Any]:
    """Return a serialized saga as JSON values."""
    return {
        "saga_id": str(document.saga_id),
        "dag": render_dag(document.dag),
        "events": [_event_document(document.saga_id, event) for event in document.events],
    }


def render_dag(dag: StenoDag) -> dict[str, Any]:
    """Return a DAG as Steno serializes it by itself."""
    return {
        "saga_name": dag.saga_name,
        "graph": {
            "nodes": [_node_document(node) for node in dag.nodes],
            "node_holes": [],
            "edge_property": "directed",
            "edges": [[parent, child, None] for parent, child in dag.edges],
        },
        "start_node": dag.start_node,
        "end_node": dag.end_node,
    }


# -- writing ------------------------------------------------------------------


def _node_document(node: StenoNode) -> Any:
    if isinstance(node, End):
        return "End"
    members = {field.name: getattr(node, field.name) for field in fields(node)}
    return {
        type(node).__name__: {
            name: value if name in _TEXT_FIELDS else decode(value)
            for name, value in members.items()
        }
    }


def _event_document(saga_id: UUID, event: StenoEvent) -> dict[str, Any]:
    kind: Any = event.kind.value
    if isinstance(event.payload, ErrorRecord):
        to_document = to_steno if event.kind is EventKind.FAILED else undo_to_steno
        kind = {kind: to_document(event.payload)}
    elif event.payload is not None:
        kind = {kind: decode(event.payload)}
    return {"saga_id": str(saga_id), "node_id": event.node, "event_type": kind}


# -- reading ------------------------------------------------------------------


def _parsed(text: str | bytes) -> Any:
    # Not orjson: it takes the last of two members of one name, where Steno's reader refuses.
    try:
        return json.loads(
            text if isinstance(text, str) else text.decode(), object_pairs_hook=_unique_members
        )
    except (ValueError, RecursionError) as error:
        raise NotSteno(f"not JSON: {error}") from error


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        [(name, _), *_] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f'member "{name}" is there more than once')
    return members


def _dag(document: Mapping[str, Any]) -> StenoDag:
    graph = object_at(member_of(document, "graph", "dag"), "dag.graph")
    if graph.get("node_holes", []) != []:
        raise NotSteno("dag.graph.node_holes: must be [] or absent; Steno's graphs have no holes")
    if member_of(graph, "edge_property", "dag.graph") != "directed":
        raise NotSteno('dag.graph.edge_property: must be "directed"')
    nodes = array_at(member_of(graph, "nodes", "dag.graph"), "dag.graph.nodes", MAX_NODES)
    edges = array_at(member_of(graph, "edges", "dag.graph"), "dag.graph.edges", MAX_EDGES)
    return StenoDag(
        saga_name=text_at(member_of(document, "saga_name", "dag"), "dag.saga_name"),
        nodes=tuple(_node(node, f"dag.graph.nodes[{index}]") for index, node in enumerate(nodes)),
        edges=tuple(_edge(edge, f"dag.graph.edges[{index}]") for index, edge in enumerate(edges)),
        start_node=index_at(member_of(document, "start_node", "dag"), "dag.start_node"),
        end_node=index_at(member_of(document, "end_node", "dag"), "dag.end_node"),
    )


def _node(document: Any, where: str) -> StenoNode:
    tag, body = ("End", None) if document == "End" else variant_of(document)
    if tag == "End" and body is None:
        return End()
    variant = _VARIANTS.get(tag)
    if variant is None:
        raise NotSteno(
            f"{where}: {document!r:.80} is no node of Steno's; "
            f'it has "End" and {{variant: {{...}}}} with {", ".join(_VARIANTS)}'
        )
    members = object_at(body, f"{where}.{tag}")
    values: dict[str, Any] = {}
    for field in fields(variant):
        place = f"{where}.{tag}.{field.name}"
        value = member_of(members, field.name, f"{where}.{tag}")
        values[field.name] = (
            text_at(value, place) if field.name in _TEXT_FIELDS else value_at(value, place)
        )
    node: StenoNode = variant(**values)
    return node


def _edge(document: Any, where: str) -> tuple[int, int]:
    match document:
        case [parent, child, None]:
            return index_at(parent, f"{where}[0]"), index_at(child, f"{where}[1]")
        case _:
            raise NotSteno(f"{where}: {document!r:.80} is not [from, to, null]")


def _events(root: Mapping[str, Any]) -> tuple[StenoEvent, ...]:
    # Nothing legal is longer: each node has a start, an end, and the same of its undo.
    events = array_at(member_of(root, "events", "the saga"), "events", 4 * MAX_NODES)
    saga_id = uuid_at(root["saga_id"], "saga_id")
    return tuple(_event(event, saga_id, f"events[{index}]") for index, event in enumerate(events))


def _event(document: Any, saga_id: UUID, where: str) -> StenoEvent:
    members = object_at(document, where)
    owner = uuid_at(member_of(members, "saga_id", where), f"{where}.saga_id")
    if owner != saga_id:
        raise NotSteno(f"{where}: an event of another saga ({owner}) in the log of {saga_id}")
    node = index_at(member_of(members, "node_id", where), f"{where}.node_id")
    where += ".event_type"
    event = members.get("event_type")
    if event in ("started", "undo_started", "undo_finished"):
        return StenoEvent(node, EventKind(event))
    match variant_of(event):
        case "succeeded", output:
            return StenoEvent(node, EventKind.SUCCEEDED, value_at(output, f"{where}.succeeded"))
        case "failed", error:
            return StenoEvent(node, EventKind.FAILED, from_steno(error, f"{where}.failed"))
        case "undo_failed", error:
            failure = undo_from_steno(error, f"{where}.undo_failed")
            return StenoEvent(node, EventKind.UNDO_FAILED, failure)
        case _:
            kinds = ", ".join(EVENT_KINDS)
            raise NotSteno(f"{where}: {event!r:.80} is no event of Steno's; it has {kinds}")
