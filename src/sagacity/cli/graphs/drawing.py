"""What is drawn of a DAG, whatever draws it: vertices, boxes for subsagas, arrows.

Markers are structure and not drawn, but for those that keep m x n arrows apart from
m + n: these are points. Knows nothing of formats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sagacity.core.nodes import NodeKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagacity.core.dag import Dag
    from sagacity.core.transitions import NodeStatus
    from sagacity.core.views import SagaView

NO_BOX: Final = -1


@dataclass(frozen=True, slots=True)
class Vertex:
    """Something that arrows go to and from. `box` is the subsaga that it is inside of."""

    key: int
    name: str
    label: str
    kind: NodeKind
    box: int
    status: NodeStatus | None

    @property
    def is_point(self) -> bool:
        """Whether it only holds arrows together."""
        return self.kind not in (NodeKind.ACTION, NodeKind.CONSTANT)


@dataclass(frozen=True, slots=True)
class Box:
    """A subsaga. `box` is the one around it."""

    key: int
    name: str
    label: str
    box: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """All that is drawn. Boxes come before what is inside of them."""

    name: str
    vertices: tuple[Vertex, ...]
    boxes: tuple[Box, ...]
    arrows: tuple[tuple[int, int], ...]


def drawing_of(dag: Dag, view: SagaView | None = None) -> Drawing:
    """Return what is drawn of `dag`; with a view, with the status of each node."""
    statuses: Mapping[str, NodeStatus] = (
        {} if view is None else {node.path: node.status for node in view.nodes}
    )
    arrows = _arrows(dag)
    drawn = {end for arrow in arrows for end in arrow}
    vertices: list[Vertex] = []
    boxes: list[Box] = []
    for index, node in enumerate(dag.nodes):
        if node.kind is NodeKind.SUBSAGA_START:
            boxes.append(Box(index, node.name, node.label, node.scope))
        if node.kind in (NodeKind.ACTION, NodeKind.CONSTANT) or index in drawn:
            # The markers of a subsaga belong inside of its box, where their neighbours are.
            box = index if node.kind is NodeKind.SUBSAGA_START else node.scope
            vertices.append(
                Vertex(index, node.name, node.label, node.kind, box, statuses.get(dag.paths[index]))
            )
    return Drawing(dag.name, tuple(vertices), tuple(boxes), arrows)


def _arrows(dag: Dag) -> tuple[tuple[int, int], ...]:
    """Return the arrows, drawn through every marker that has one on either side at most."""
    before: list[dict[int, None]] = [dict.fromkeys(parents) for parents in dag.parents]
    after: list[dict[int, None]] = [dict.fromkeys(children) for children in dag.children]
    for index, node in enumerate(dag.nodes):
        if node.kind in (NodeKind.ACTION, NodeKind.CONSTANT):
            continue
        ends = node.kind in (NodeKind.START, NodeKind.END)
        if not ends and len(before[index]) > 1 and len(after[index]) > 1:
            continue
        for parent in before[index]:
            after[parent].pop(index)
        for child in after[index]:
            before[child].pop(index)
        if not ends:
            for parent in before[index]:
                after[parent] |= after[index]
            for child in after[index]:
                before[child] |= before[index]
        before[index], after[index] = {}, {}
    return tuple((parent, child) for parent, children in enumerate(after) for child in children)
