"""What can be wrong with a DAG: each function finds all mistakes of its kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sagacity.core import paths
from sagacity.core.bindings import Const, OutputOf, ParamsOf, is_too_deep, leaves
from sagacity.core.nodes import NodeKind
from sagacity.core.policies import check_timeout
from sagacity.core.values import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sagacity.core.bindings import Binding
    from sagacity.core.dag import Dag
    from sagacity.core.nodes import Node

MAX_NODES: Final = 100_000
MAX_EDGES: Final = 1_000_000


def shape_mistakes(dag: Dag) -> list[str]:
    """Find what makes it impossible to look further: limits, indices out of range."""
    count = len(dag.nodes)
    if count > MAX_NODES:
        return [f"{count:,} nodes are over the limit of {MAX_NODES:,}"]
    if len(dag.edges) > MAX_EDGES:
        return [f"{len(dag.edges):,} edges are over the limit of {MAX_EDGES:,}"]
    mistakes: list[str] = []
    seen: set[tuple[int, int]] = set()
    for edge in dag.edges:
        if not (0 <= edge[0] < count and 0 <= edge[1] < count):
            mistakes.append(f"edge {edge} names a node that does not exist")
        elif edge in seen:
            mistakes.append(f"edge {edge} is there twice")
        seen.add(edge)
    for index, node in enumerate(dag.nodes):
        scope = node.scope
        if scope != -1 and not (
            0 <= scope < count
            and scope != index
            and dag.nodes[scope].kind is NodeKind.SUBSAGA_START
        ):
            mistakes.append(f'node "{node.name}" is inside of a subsaga that does not exist')
    return mistakes or _scope_cycles(dag.nodes)


def _scope_cycles(nodes: Sequence[Node]) -> list[str]:
    sound: set[int] = {-1}
    for index in range(len(nodes)):
        walked: list[int] = []
        scope = nodes[index].scope
        while scope not in sound:
            if scope in walked:
                return [f'subsaga "{nodes[scope].name}" is inside of itself']
            walked.append(scope)
            scope = nodes[scope].scope
        sound.update(walked)
    return []


def name_mistakes(dag: Dag) -> list[str]:
    """Find names that are used twice, out of bounds, or that no store could hold."""
    mistakes: list[str] = []
    seen: set[str] = set()
    for what, text in (("name", dag.name), ("version", dag.version)):
        if not _is_storable(text):
            mistakes.append(f"its {what} {_UNSTORABLE.format(text)}")
    try:
        check_timeout("deadline", dag.deadline)
    except ValueError as error:
        mistakes.append(str(error))
    for node, path in zip(dag.nodes, dag.paths, strict=True):
        mistakes += _text_mistakes(node, path)
        if node.kind.is_marker:
            continue
        if path in seen:
            mistakes.append(f'node "{path}": the name is used more than once')
        seen.add(path)
    return mistakes


def _text_mistakes(node: Node, path: str) -> Iterator[str]:
    """Find names out of bounds, and texts that no store could hold."""
    if len(node.name) > paths.MAX_NAME_CHARS:
        yield f'the name "{node.name[:40]}..." is over {paths.MAX_NAME_CHARS} chars'
    if not _is_storable(node.name):
        yield f"the name {_UNSTORABLE.format(node.name)}"
    for what, text in (("label", node.label), ("action", node.action), ("version", node.version)):
        if not _is_storable(text):
            yield f'node "{path}": the {what} {_UNSTORABLE.format(text)}'


def _is_storable(text: str) -> bool:
    return "\0" not in text and (text.isascii() or not _SURROGATES.search(text))


_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_UNSTORABLE: Final = "{!r:.80} has a NUL character or a lone surrogate"


def dataflow_mistakes(dag: Dag) -> list[str]:
    """Find bindings that reach for what their node does not depend on."""
    mistakes: list[str] = []
    anchors = _anchors(dag)
    for index, node in enumerate(dag.nodes):
        where = f'node "{dag.paths[index]}"' if dag.paths[index] else f"{node.kind} marker"
        if node.inputs is not None:
            for parameter, binding in node.inputs.items():
                mistakes += [
                    f'{where}, parameter "{parameter}": {mistake}'
                    for mistake in _unreachable(dag, anchors, index, binding)
                ]
        if node.value is not None:
            mistakes += [
                f"{where}: {mistake}" for mistake in _unreachable(dag, anchors, index, node.value)
            ]
    if dag.output is not None:
        mistakes += [
            f"its output: {mistake}" for mistake in _unreachable(dag, anchors, None, dag.output)
        ]
    return mistakes


def _anchors(dag: Dag) -> Sequence[int]:
    """Return for each node the start of the subsaga that it is inside of, if it is behind it.

    Else -1, as for nodes of the saga itself. A join has the anchor of what it stands behind.
    """
    anchors = [-1] * len(dag.nodes)
    for node in sorted(range(len(dag.nodes)), key=dag.rank.__getitem__):
        scope = dag.nodes[node].scope
        behind = _anchors_above(dag, anchors, node)
        if dag.nodes[node].kind is NodeKind.JOIN:
            anchors[node] = max(behind, default=-1)
        elif scope in behind or scope in {anchors[start] for start in behind if start >= 0}:
            anchors[node] = scope
    return anchors


def _anchors_above(dag: Dag, anchors: Sequence[int], node: int) -> set[int]:
    start = NodeKind.SUBSAGA_START
    return {each if dag.nodes[each].kind is start else anchors[each] for each in dag.parents[node]}


def _is_behind(dag: Dag, anchors: Sequence[int], node: int, start: int) -> bool:
    """Whether the params of the subsaga that begins at `start` are known where `node` is."""
    if start in _anchors_above(dag, anchors, node):
        return True
    anchor = anchors[node]
    while anchor not in (start, -1):
        anchor = anchors[anchor]
    return anchor == start


def _unreachable(dag: Dag, anchors: Sequence[int], node: int | None, binding: Binding) -> list[str]:
    if is_too_deep(binding):
        return [f"nested deeper than {MAX_DEPTH}"]
    count = len(dag.nodes)
    mistakes: list[str] = []
    found = list(leaves(binding))
    sources = {leaf.node for leaf in found if isinstance(leaf, OutputOf) and leaf.node < count}
    reached = sources if node is None else dag.ancestors_among(node, sources)
    for leaf in found:
        match leaf:
            case Const(index) if index >= len(dag.constants):
                mistakes.append(f"constant {index} does not exist")
            case ParamsOf(scope) if scope >= 0 and not (
                scope < count and dag.nodes[scope].kind is NodeKind.SUBSAGA_START
            ):
                mistakes.append(f"params of a subsaga that does not exist ({scope})")
            case ParamsOf(scope) if (
                scope >= 0 and node is not None and not _is_behind(dag, anchors, node, scope)
            ):
                mistakes.append(
                    f'uses the params of subsaga "{dag.nodes[scope].name}", which it is not behind'
                )
            case OutputOf(source) if source >= count or dag.nodes[source].kind.is_marker:
                mistakes.append(f"output of a node that does not exist ({source})")
            case OutputOf(source) if source not in reached:
                mistakes.append(
                    f'uses the output of "{dag.paths[source]}", which it does not depend on'
                )
            case _:
                pass
    return mistakes
