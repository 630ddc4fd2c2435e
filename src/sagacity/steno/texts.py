"""Steno's texts of a saga, to the letter: its status, its log, its graph for graphviz."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from sagacity.core.agenda import Direction
from sagacity.core.events import Adopted, StartRequested
from sagacity.core.nodes import NodeKind
from sagacity.core.state import SagaState
from sagacity.core.transitions import NodeStatus
from sagacity.core.values import encode
from sagacity.steno.graph_writing import constant_of, sketch
from sagacity.steno.history import steno_events
from sagacity.steno.layout import places
from sagacity.steno.rust import debug, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sagacity.core.codec import LoggedEvent
    from sagacity.core.dag import Dag
    from sagacity.core.views import SagaView
    from sagacity.steno.model import StenoNode

_INDENT: Final = " " * 8

_WORDS: Final = {
    NodeStatus.STARTED: "working",
    NodeStatus.SUCCEEDED: "done",
    NodeStatus.FAILED: "failed",
    NodeStatus.UNKNOWN: "failed",
    NodeStatus.UNDO_STARTED: "undo-working",
    NodeStatus.UNDONE: "undone",
    NodeStatus.UNDO_FAILED: "undo-failed",
}
_WAITING_WORDS: Final = {
    NodeStatus.NEVER_STARTED: "queued-todo",
    NodeStatus.STARTED: "queued-todo",
    NodeStatus.SUCCEEDED: "queued-undo",
    NodeStatus.UNKNOWN: "queued-undo",
    NodeStatus.UNDO_STARTED: "queued-undo",
}
"""The words for nodes that have something to do which has not begun."""


def status_text(view: SagaView) -> str:
    """Return one line for each node with its status, stage by stage."""
    dag = view.dag
    words = _words(dag, encode(view.params), view.log)
    lines = [f"+ saga execution: {view.id}"]
    for indent, node in places(dag):
        text = "(parallel actions):" if node is None else f"{words[node]}: {_label(dag, node)}"
        lines.append(f"{_INDENT * indent}+-- {text}")
    return "\n".join(lines) + "\n"


def log_text(view: SagaView) -> str:
    """Return the log, one event a line, without outputs and errors."""
    events = steno_events(view.dag, encode(view.params), view.log)
    lines = [
        "SAGA LOG:",
        f"saga id:   {view.id}",
        f"direction: {view.direction}",
        f"events ({len(events)} total):",
        "",
        *(
            f"{position:03} N{event.node:03} {event.kind}"
            for position, event in enumerate(events, start=1)
        ),
    ]
    return "\n".join(lines) + "\n"


def dot(dag: Dag, params: Any = None) -> str:
    """Return the graph in graphviz's language; `params` are shown at the start node.

    A DAG that Steno cannot have is drawn as near to it as can be.

    Raises:
        NotSteno: without joins it has more edges than a DAG may have.
    """
    drawn = sketch(dag, encode(params))
    lines = [
        "digraph {",
        *(
            f'    {index} [ label = "{_in_label(_debug(node))}" ]'
            for index, node in enumerate(drawn.nodes)
        ),
        *(f"    {parent} -> {child} [ ]" for parent, child in drawn.edges),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _in_label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _debug(node: StenoNode) -> str:
    members = ", ".join(
        f"{field.name}: {quoted(value) if isinstance(value, str) else debug(value)}"
        for field in fields(node)
        for value in [getattr(node, field.name)]
    )
    name = type(node).__name__
    return f"{name} {{ {members} }}" if members else name


# -- status ---------------------------------------------------------------------


def _words(dag: Dag, params: bytes, log: Sequence[LoggedEvent]) -> list[str]:
    """Return Steno's word for each node."""
    state = SagaState(dag, params)
    queued: Mapping[int, None] = state.waiting
    for logged in log:
        was_halted = state.halted
        state.apply(logged.event)
        # Steno dispatches nothing once an undo has failed, and calls what becomes free
        # after that `done`; what was queued before, or when it was recovered, stays queued.
        if not state.halted:
            queued = state.waiting
        elif not was_halted or isinstance(logged.event, Adopted | StartRequested):
            queued = dict(state.waiting)
    if state.halted and not state.started:
        queued = state.waiting
    unwinding = state.direction is Direction.UNWINDING
    idle = "abandoned" if unwinding else "blocked"
    return [
        _WAITING_WORDS[status]
        if node in state.waiting and node in queued
        else _WORDS.get(status, idle)
        for node, status in enumerate(state.status)
    ]


def _label(dag: Dag, index: int) -> str:
    node = dag.nodes[index]
    match node.kind:
        case NodeKind.START:
            return "(start node)"
        case NodeKind.END | NodeKind.JOIN:
            return "(end node)"
        case NodeKind.SUBSAGA_START:
            return f"(subsaga start: {quoted(node.label)})"
        case NodeKind.SUBSAGA_END:
            return f"(subsaga end) (produces {quoted(node.name)})"
        case NodeKind.CONSTANT:
            value = constant_of(dag, index).decode()
            return f"(constant = {value}) (produces {quoted(node.name)})"
        case NodeKind.ACTION:
            return f"{node.label} (produces {quoted(node.name)})"
