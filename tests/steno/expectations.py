"""What is compared with the vectors: results in Steno's form, events as a set, their order.

What depends on the order among parallel siblings, which is an accident of Steno's graph
library, is left out: once an undo has failed and stops all others, how far the branches
came that have nothing to do with it.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable
from typing import Any

from sagacity.core.dag import Dag
from sagacity.core.folding import fold_log
from sagacity.core.outcome import Stuck, Succeeded, Unwound
from sagacity.core.values import decode, encode
from sagacity.core.views import SagaView
from sagacity.steno import dump
from sagacity.steno.action_errors import to_steno, undo_to_steno
from sagacity.steno.layout import places

_BEFORE = {
    "succeeded": "started",
    "failed": "started",
    "undo_started": "succeeded",
    "undo_finished": "undo_started",
    "undo_failed": "undo_started",
}
_TEXTS = {"InjectedError": "error injected", "ActionFailed": "action failed"}


def result_of(view: SagaView) -> Any:
    """Return the result as Steno reports it: of several errors, that of the lowest node."""
    match view.outcome:
        case Succeeded(output):
            return {"ok": {"saga_output": output}}
        case Unwound() | Stuck():
            return {"err": _errors_of(view)}
        case other:
            return f"not ended: {other}"


def _errors_of(view: SagaView) -> Any:
    state = fold_log(view.dag, encode(view.params), view.log)
    node, error, _ = min(state.errors, key=lambda each: each[0])
    source = to_steno(error)
    variant = source if isinstance(source, str) else next(iter(source))
    undo_failure = None
    if state.undo_errors:
        undo_node, undo_error = min(state.undo_errors, key=lambda each: each[0])
        document = undo_to_steno(undo_error)
        detail = json.dumps(document["PermanentFailure"]["source_error"], indent=2)
        undo_failure = {
            "error": document,
            "node_name": view.dag.nodes[undo_node].name,
            "text": f"undo action failed permanently: {detail}",
        }
    return {
        "error_node_name": view.dag.nodes[node].name,
        "error_source": source,
        "error_source_text": _TEXTS.get(variant) or f"deserialize failed: {error.message}",
        "undo_failure": undo_failure,
    }


def outputs_of(view: SagaView) -> dict[str, Any]:
    """Return Steno's flat table of outputs; of two nodes of one name the last counts."""
    state = fold_log(view.dag, encode(view.params), view.log)
    return {
        view.dag.nodes[node].name: decode(state.outputs[node])
        for node in sorted(state.outputs)
        if not view.dag.nodes[node].kind.is_marker
    }


def as_set(events: list[Any]) -> set[str]:
    """Return serialized events as a set; a log of Steno's has no event twice."""
    found = {
        json.dumps([event["node_id"], event["event_type"]], sort_keys=True) for event in events
    }
    assert len(found) == len(events)
    return found


def new_events(view: SagaView, before: list[Any]) -> set[str]:
    """Return the events of a dump that were not there before; none of those may be lost."""
    now, then = as_set(dump(view)["events"]), as_set(before)
    assert then <= now
    return now - then


def stenos(events: list[Any]) -> set[str]:
    """Return the events of a resumed run, which the vectors give as [node, type(, payload)]."""
    return as_set(
        [
            {"node_id": node, "event_type": {kind: payload[0]} if payload else kind}
            for node, kind, *payload in events
        ]
    )


def settled_by_order(dag: Dag, stuck: Iterable[int]) -> set[int]:
    """Return the nodes whose undo depends on the order, when the undos of `stuck` failed."""
    unrelated = set(range(len(dag.nodes)))
    for node in stuck:
        unrelated -= {
            other
            for other in unrelated
            if other == node or dag.depends_on(other, node) or dag.depends_on(node, other)
        }
    return unrelated


def started_in(events: Iterable[Any]) -> set[int]:
    """Return the nodes that serialized events have begun."""
    return {event["node_id"] for event in events if event["event_type"] == "started"}


def has_failed(events: Iterable[Any]) -> bool:
    """Return whether a node failed in serialized events: nothing new may start then."""
    return any("failed" in event["event_type"] for event in events)


def without_undos(events: Iterable[Any], nodes: Container[int]) -> list[Any]:
    """Return serialized events less the undos of `nodes`."""
    return [
        event
        for event in events
        if not (event["node_id"] in nodes and "undo" in json.dumps(event["event_type"]))
    ]


def without_lines(text: str, dag: Dag, nodes: Container[int]) -> list[str]:
    """Return the lines of a status text less those of `nodes`."""
    header, *lines = text.splitlines()
    shown = [node for _, node in places(dag)]
    assert len(shown) == len(lines)
    kept = [
        line for node, line in zip(shown, lines, strict=True) if node is None or node not in nodes
    ]
    return [header, *kept]


def order_mistakes(document: Any) -> list[str]:
    """Return where a serialized log breaks the order that its graph asks for.

    Written against the graph alone, so that it says something that the fold does not.
    """
    place: dict[tuple[int, str], int] = {}
    for position, event in enumerate(document["events"]):
        kind = event["event_type"]
        name = kind if isinstance(kind, str) else next(iter(kind))
        place[event["node_id"], name] = position
    never = len(document["events"])
    mistakes: list[str] = []
    for parent, child, _ in document["dag"]["graph"]["edges"]:
        if (begun := place.get((child, "started"))) is None:
            continue
        if begun < place.get((parent, "succeeded"), never):
            mistakes.append(f"{child} started before {parent} had succeeded")
        undone = place.get((parent, "undo_started"))
        settled = min(place.get((child, end), never) for end in ("undo_finished", "failed"))
        if undone is not None and undone < settled:
            mistakes.append(f"{parent} undone before {child} was settled")
    for (node, name), position in place.items():
        before = _BEFORE.get(name)
        if before is not None and position < place.get((node, before), never):
            mistakes.append(f"{name} of {node} before its {before}")
    return mistakes
