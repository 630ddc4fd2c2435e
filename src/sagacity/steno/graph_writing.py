"""Our DAGs as Steno's: the same nodes and numbers, other edges.

Ours put a `JOIN` between two parallel stages, behind all other nodes; Steno has an edge
from each node of the first to each of the second, in the order in which its builder adds
them, and that order decides its order of execution.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sagacity.core.bindings import Const, OutputOf
from sagacity.core.dag_mistakes import MAX_EDGES
from sagacity.core.nodes import NodeKind, Undoing
from sagacity.core.values import NULL
from sagacity.errors import NotSteno
from sagacity.steno.model import (
    VERSION,
    Action,
    Constant,
    End,
    Start,
    StenoDag,
    SubsagaEnd,
    SubsagaStart,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagacity.core.bindings import Binding
    from sagacity.core.dag import Dag
    from sagacity.core.values import Json
    from sagacity.steno.model import StenoNode


@dataclass(frozen=True, slots=True)
class Sketch:
    """A DAG as near to Steno's as it can be said; `reasons` tells what is lost, if anything."""

    nodes: tuple[StenoNode, ...]
    edges: tuple[tuple[int, int], ...]
    reasons: tuple[str, ...]


def from_dag(dag: Dag, params: Json, *, besides: Sequence[str] = ()) -> StenoDag:
    """Return `dag` as Steno has it.

    Raises:
        NotSteno: with all reasons why Steno cannot have it, and those that the caller has.
    """
    drawn = sketch(dag, params)
    reasons = [*drawn.reasons, *besides]
    if reasons:
        listed = "\n".join(f"  - {reason}" for reason in reasons)
        raise NotSteno(f'saga "{dag.name}" cannot be told in Steno\'s format:\n{listed}')
    kinds = [type(node) for node in drawn.nodes]
    return StenoDag(dag.name, drawn.nodes, drawn.edges, kinds.index(Start), kinds.index(End))


def numbers(dag: Dag) -> tuple[int, ...]:
    """Return the number that Steno gives to each node; a join has that of the next one."""
    count = 0
    found: list[int] = []
    for node in dag.nodes:
        found.append(count)
        count += node.kind is not NodeKind.JOIN
    return tuple(found)


def sketch(dag: Dag, params: Json) -> Sketch:
    """Return Steno's nodes and edges of any DAG.

    Raises:
        NotSteno: the edges without joins are over the limit.
    """
    reasons = _shape_reasons(dag)
    nodes: list[StenoNode] = []
    for index, node in enumerate(dag.nodes):
        if node.kind is NodeKind.JOIN:
            continue
        nodes.append(_steno_node(dag, index, params))
        name = f'node "{dag.paths[index]}"' if dag.paths[index] else f"the {node.kind} marker"
        reasons += [f"{name} {reason}" for reason in _node_reasons(dag, index)]
    return Sketch(tuple(nodes), _edges(dag), tuple(reasons))


def _steno_node(dag: Dag, index: int, params: Json) -> StenoNode:
    node = dag.nodes[index]
    match node.kind:
        case NodeKind.START:
            return Start(params)
        case NodeKind.END | NodeKind.JOIN:
            return End()
        case NodeKind.ACTION:
            return Action(node.name, node.label, node.action)
        case NodeKind.CONSTANT:
            return Constant(node.name, constant_of(dag, index))
        case NodeKind.SUBSAGA_START:
            source = node.value
            name = dag.nodes[source.node].name if isinstance(source, OutputOf) else ""
            return SubsagaStart(node.label, name)
        case NodeKind.SUBSAGA_END:
            return SubsagaEnd(node.name)


def constant_of(dag: Dag, index: int) -> Json:
    """Return the value of a constant node."""
    value = dag.nodes[index].value
    return dag.constants[value.index] if isinstance(value, Const) else NULL


def _shape_reasons(dag: Dag) -> list[str]:
    kinds = Counter(node.kind for node in dag.nodes)
    if kinds[NodeKind.START] != 1 or kinds[NodeKind.END] != 1:
        return ["it has no start and end node: only what a DagBuilder built has"]
    reasons: list[str] = []
    if dag.forward_only:
        reasons.append("it only goes forward; in Steno every saga can be unwound")
    for index, node in enumerate(dag.nodes):
        alone = not (dag.parents[index] and dag.children[index])
        if alone and node.kind not in (NodeKind.START, NodeKind.END):
            reasons.append(f'node "{dag.paths[index]}" is not between the start and the end')
        if node.kind is NodeKind.END and not _is_output_of(dag.output, dag.parents[index]):
            reasons.append("its output is not that of its one last node")
    return reasons


def _node_reasons(dag: Dag, index: int) -> list[str]:
    node = dag.nodes[index]
    reasons: list[str] = []
    if node.kind is NodeKind.ACTION:
        if node.inputs is not None:
            reasons.append("has bound inputs; Steno's actions look them up")
        if not node.atomic:
            reasons.append("is not atomic: in Steno a failure always means: no effect")
        if node.undoing is Undoing.ANY:
            reasons.append("has an undo for unknown outcomes, which Steno does not have")
        if node.undoing is Undoing.ASK:
            reasons.append("asks a person instead of an undo; Steno would take it as undone")
        if node.undoing in (Undoing.PIVOT, Undoing.NEVER):
            reasons.append("is not undone because of a point of no return, which Steno has not")
        if node.version != VERSION:
            reasons.append(f"has version {node.version} of its action; Steno has no versions")
    elif node.kind is NodeKind.CONSTANT and not isinstance(node.value, Const):
        reasons.append("is no plain value")
    elif node.kind is NodeKind.SUBSAGA_START:
        match node.value:
            case OutputOf(source, ()) if dag.nodes[source].scope == node.scope:
                pass
            case _:
                reasons.append(f'of "{node.name}" has params that are not the output of one node')
    elif node.kind is NodeKind.SUBSAGA_END and not _is_output_of(node.value, dag.parents[index]):
        reasons.append("has an output that is not that of its one last node")
    return reasons


def _is_output_of(binding: Binding | None, parents: Sequence[int]) -> bool:
    return len(parents) == 1 and binding == OutputOf(parents[0])


def _edges(dag: Dag) -> tuple[tuple[int, int], ...]:
    number = numbers(dag)
    sources: dict[int, list[int]] = {}
    """What stands before each join, other joins looked through."""
    for join in sorted(
        (index for index, node in enumerate(dag.nodes) if node.kind is NodeKind.JOIN),
        key=lambda index: dag.rank[index],
    ):
        sources[join] = [
            each for parent in dag.parents[join] for each in sources.get(parent, [parent])
        ]
    kept = [edge for edge in dag.edges if edge[1] not in sources]
    count = sum(len(sources.get(parent, [parent])) for parent, _ in kept)
    if count > MAX_EDGES:
        raise NotSteno(
            f'saga "{dag.name}" would have {count:,} edges in Steno\'s format, over the limit of '
            f"{MAX_EDGES:,}: put a single node between its largest parallel stages"
        )
    return tuple(
        (number[each], number[child])
        for parent, child in kept
        for each in sources.get(parent, [parent])
    )
