"""A DAG as stored: a JSON document, shared by all sagas of its shape, found by its hash.

Constants of a dynamic DAG differ from saga to saga: they are kept with the saga
and are not part of the document.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import orjson

from sagacity.core import bindings
from sagacity.core.dag import Dag, OnStuck, Siblings
from sagacity.core.nodes import Node, NodeKind, Undoing
from sagacity.core.policies import Retry
from sagacity.core.sealed import refuse_sealed
from sagacity.core.values import decode, encode_again
from sagacity.errors import DagError, LogCorrupt

if TYPE_CHECKING:
    from sagacity.core.values import Json

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Definition:
    """A stored definition: `fingerprint` is the SHA-256 of `document`, in hex."""

    fingerprint: str
    document: Json


def definition_of(dag: Dag) -> Definition:
    """Return what is stored of `dag`; equal DAGs give equal documents."""
    # Members that have their default are left out, so that older builds read what they can run.
    rare: dict[str, Any] = {"forward_only": True} if dag.forward_only else {}
    if dag.deadline is not None:
        rare["deadline"] = dag.deadline
    document = orjson.dumps(
        {
            **rare,
            "format": FORMAT,
            "name": dag.name,
            "version": dag.version,
            "siblings": dag.siblings,
            "on_stuck": dag.on_stuck,
            "dynamic": dag.dynamic,
            "nodes": [_node_document(node) for node in dag.nodes],
            "edges": dag.edges,
            "output": None if dag.output is None else bindings.to_document(dag.output),
            "constants": []
            if dag.dynamic
            else [orjson.Fragment(constant) for constant in dag.constants],
        },
        option=orjson.OPT_SORT_KEYS,
    )
    return Definition(hashlib.sha256(document).hexdigest(), document)


def constants_of(dag: Dag) -> Json:
    """Return the constants that are kept with the saga: a JSON array, empty unless dynamic."""
    return b"[%b]" % b",".join(dag.constants) if dag.dynamic else b"[]"


def read_constants(text: Json) -> tuple[Json, ...]:
    """Read the constants that are kept with a saga.

    Raises:
        LogCorrupt: they are no list.
    """
    match decode(text):
        case [*constants]:
            return tuple(encode_again(each) for each in constants)
        case _:
            refuse_sealed(decode(text))
            raise LogCorrupt(f"not a list of constants: {text!r:.100}")


def dag_of(document: Json, constants: Json = b"[]") -> Dag:
    """Read a stored definition; `constants` are those kept with the saga.

    Raises:
        LogCorrupt: it is damaged, or of a format that this build does not know.
    """
    try:
        return _dag(decode(document), constants)
    except (ValueError, DagError) as error:
        raise LogCorrupt(f"not a definition: {error}") from error
    except RecursionError as error:
        raise LogCorrupt("a definition is nested deeper than any of ours") from error


def _dag(document: Any, constants: Json) -> Dag:
    match document:
        case {"format": int(form)} if form != FORMAT:
            raise LogCorrupt(f"definition of format {form}; this build reads format {FORMAT}")
        case {
            "name": str(name),
            "version": str(version),
            "siblings": str(siblings),
            "on_stuck": str(on_stuck),
            "dynamic": bool(dynamic),
            "nodes": [*nodes],
            "edges": [*edges],
            "output": output,
            "constants": [*shared],
        }:
            own = read_constants(constants)
            return Dag(
                name=name,
                version=version,
                nodes=tuple(_node(node) for node in nodes),
                edges=tuple(_edge(edge) for edge in edges),
                output=None if output is None else bindings.from_document(output),
                constants=own if dynamic else tuple(encode_again(each) for each in shared),
                siblings=Siblings(siblings),
                on_stuck=OnStuck(on_stuck),
                dynamic=dynamic,
                forward_only=_typed(document, "forward_only", default=False),
                deadline=_seconds(document, "deadline"),
            )
        case _:
            raise LogCorrupt(f"not a definition: {document!r:.100}")


def _edge(document: Any) -> tuple[int, int]:
    match document:
        case [parent, child] if type(parent) is type(child) is int:
            return parent, child
        case _:
            raise LogCorrupt(f"not an edge: {document!r:.100}")


def _node_document(node: Node) -> dict[str, Any]:
    # Members that have their default are left out: definitions stay small and readable.
    members = (
        ("name", node.name, ""),
        ("label", node.label, ""),
        ("scope", node.scope, -1),
        ("action", node.action, ""),
        ("version", node.version, ""),
        ("atomic", node.atomic, False),
        ("undoing", node.undoing, Undoing.NOTHING),
    )
    document: dict[str, Any] = {"kind": node.kind}
    document |= {name: value for name, value, default in members if value != default}
    if node.retry is not None:
        document["retry"] = node.retry.to_document()
    if node.timeout is not None:
        document["timeout"] = node.timeout
    if node.inputs is not None:
        document["inputs"] = bindings.inputs_to_document(node.inputs)
    if node.value is not None:
        document["value"] = bindings.to_document(node.value)
    return document


def _node(document: Any) -> Node:
    match document:
        case {"kind": str(kind)}:
            pass
        case _:
            raise LogCorrupt(f"not a node: {document!r:.100}")
    inputs, value = document.get("inputs"), document.get("value")
    retry = document.get("retry")
    return Node(
        kind=NodeKind(kind),
        name=_typed(document, "name", ""),
        label=_typed(document, "label", ""),
        scope=_typed(document, "scope", -1),
        action=_typed(document, "action", ""),
        version=_typed(document, "version", ""),
        atomic=_typed(document, "atomic", default=False),
        undoing=Undoing(_typed(document, "undoing", "nothing")),
        retry=None if retry is None else Retry.from_document(retry),
        timeout=_seconds(document, "timeout"),
        inputs=None if inputs is None else bindings.inputs_from_document(inputs),
        value=None if value is None else bindings.from_document(value),
    )


def _seconds(document: dict[str, Any], name: str) -> float | None:
    value = document.get(name)
    if value is not None and type(value) not in (int, float):
        raise LogCorrupt(f'"{name}" of a definition is {value!r:.60}')
    return cast("float | None", value)


def _typed(document: dict[str, Any], name: str, default: Any) -> Any:
    value = document.get(name, default)
    if type(value) is not type(default):
        raise LogCorrupt(f'"{name}" of a definition is {value!r:.60}')
    return value
