"""Where Steno's status text puts each node: stage by stage, subsagas indented.

A stage is what is equally far behind the start of its (sub)saga, counting a whole
subsaga as one step. Joins take no place.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sagacity.core.nodes import NodeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sagacity.core.dag import Dag


def places(dag: Dag) -> Iterator[tuple[int, int | None]]:
    """Yield each line as its indent and its node; None heads a stage of several nodes."""
    ends = _ends(dag)
    stages = _stages(dag, ends)
    # A stack and not recursion: subsagas may nest deeper than Python does.
    pending = [_within(stages[-1], 0)]
    while pending:
        for indent, node in pending[-1]:
            yield indent, node
            if node is not None and dag.nodes[node].kind is NodeKind.SUBSAGA_START:
                pending.append(_closing(stages[node], ends.get(node), indent))
                break
        else:
            pending.pop()


def _within(stages: dict[int, list[int]], indent: int) -> Iterator[tuple[int, int | None]]:
    for _, nodes in sorted(stages.items()):
        if len(nodes) > 1:
            yield indent, None
        for node in nodes:
            yield indent + (len(nodes) > 1), node


def _closing(
    stages: dict[int, list[int]], end: int | None, indent: int
) -> Iterator[tuple[int, int | None]]:
    yield from _within(stages, indent + 1)
    if end is not None:
        yield indent, end


def _ends(dag: Dag) -> dict[int, int]:
    """Return the end of each subsaga by its start; both carry its name."""
    starts = {
        (node.scope, node.name): index
        for index, node in enumerate(dag.nodes)
        if node.kind is NodeKind.SUBSAGA_START
    }
    return {
        starts[node.scope, node.name]: index
        for index, node in enumerate(dag.nodes)
        if node.kind is NodeKind.SUBSAGA_END
    }


def _stages(dag: Dag, ends: dict[int, int]) -> defaultdict[int, dict[int, list[int]]]:
    """Return the nodes of each (sub)saga by stage, subsaga ends and joins left out."""
    ended = {end: start for start, end in ends.items()}
    stage = [0] * len(dag.nodes)
    for index in sorted(range(len(dag.nodes)), key=lambda index: dag.rank[index]):
        if index in ended:
            stage[index] = stage[ended[index]]
            continue
        before = max(
            (
                -1 if dag.nodes[parent].kind is NodeKind.SUBSAGA_START else stage[parent]
                for parent in dag.parents[index]
            ),
            default=-1,
        )
        stage[index] = before + (dag.nodes[index].kind is not NodeKind.JOIN)
    found: defaultdict[int, dict[int, list[int]]] = defaultdict(dict)
    for index, node in enumerate(dag.nodes):
        if index not in ended and node.kind is not NodeKind.JOIN:
            found[node.scope].setdefault(stage[index], []).append(index)
    return found
