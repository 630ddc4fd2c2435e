"""A DAG in the making: what `DagBuilder` and tracing put nodes, edges and subsagas into.

Joins are numbered apart (as negative ids) while the draft grows, and come behind
all other nodes in the finished DAG, so that the numbers of the others are those
that Steno would give them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sagacity.core.bindings import Const, leaves, moved
from sagacity.core.dag import Dag
from sagacity.core.masking import holds_secrets
from sagacity.core.nodes import Node, NodeKind, Undoing
from sagacity.core.pivots import reached
from sagacity.errors import DagError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sagacity.core.bindings import Binding
    from sagacity.core.dag import OnStuck, Siblings
    from sagacity.core.values import Json

_NOT_INLINED = frozenset({NodeKind.START, NodeKind.END, NodeKind.JOIN})


class DagDraft:
    """Grows node by node. Ids are indices of the finished DAG, negative for joins."""

    def __init__(self) -> None:
        """Begin empty."""
        self.nodes: list[Node] = []
        self.constants: list[Json] = []
        self._edges: list[tuple[int, int]] = []
        self._joins = 0

    def copy(self) -> DagDraft:
        """Return a draft that is the same and grows apart."""
        other = DagDraft()
        other.nodes, other.constants = list(self.nodes), list(self.constants)
        other._edges, other._joins = list(self._edges), self._joins
        return other

    def constant(self, value: Json) -> Const:
        """Keep a constant and return the binding to it."""
        self.constants.append(value)
        return Const(len(self.constants) - 1)

    def add(self, node: Node, after: Sequence[int] = ()) -> int:
        """Add a node that depends on the ids `after`; return its id."""
        self.nodes.append(node)
        index = len(self.nodes) - 1
        self.connect(after, index)
        return index

    def join(self, before: Sequence[int]) -> int:
        """Add a join behind `before`; return its id."""
        self._joins += 1
        self.connect(before, -self._joins)
        return -self._joins

    def connect(self, before: Sequence[int], node: int) -> None:
        """Add an edge from each of `before` to `node`."""
        self._edges += [(each, node) for each in before]

    def add_subsaga(
        self, name: str, dag: Dag, params: Binding | None, after: Sequence[int], scope: int = -1
    ) -> tuple[int, int]:
        """Put `dag` in as a subsaga between a start and an end marker; return their ids."""
        start = self.add(Node(NodeKind.SUBSAGA_START, name, dag.name, scope, value=params), after)
        first_constant = len(self.constants)
        self.constants += dag.constants
        ids: dict[int, int] = {}
        inner = [index for index, node in enumerate(dag.nodes) if node.kind not in _NOT_INLINED]
        for position, index in enumerate(inner):
            ids[index] = start + 1 + position
        joins = [index for index, node in enumerate(dag.nodes) if node.kind is NodeKind.JOIN]
        for index in joins:
            self._joins += 1
            ids[index] = -self._joins
        for index in inner:
            self.nodes.append(_moved_node(dag.nodes[index], ids, first_constant, start))
        # The order of edges decides Steno's order of execution, and it copies the incoming
        # edges of each inner node in reverse; its texts can only be matched by doing so too.
        for index in [*joins, *inner]:
            parents = [ids[each] for each in reversed(dag.parents[index]) if each in ids]
            self.connect(parents, ids[index])
        for index in [*inner, *joins]:
            if not any(parent in ids for parent in dag.parents[index]):
                self.connect([start], ids[index])
        end = self.add(
            Node(
                NodeKind.SUBSAGA_END,
                name,
                scope=scope,
                atomic=True,
                value=None if dag.output is None else moved(dag.output, ids, first_constant, start),
            )
        )
        leaves = [
            ids[index]
            for index in [*inner, *joins]
            if not any(child in ids for child in dag.children[index])
        ]
        self.connect(leaves or [start], end)
        return start, end

    def behind_pivots(self) -> set[int]:
        """Return the ids of what depends on a pivot."""
        pivots = [index for index, node in enumerate(self.nodes) if node.undoing is Undoing.PIVOT]
        if not pivots:
            return set()
        children: dict[int, list[int]] = {}
        for parent, child in self._edges:
            children.setdefault(parent, []).append(child)
        return reached(pivots, lambda node: children.get(node, ()))

    def finish(
        self,
        name: str,
        *,
        version: str,
        output: Binding | None,
        siblings: Siblings,
        on_stuck: OnStuck,
        dynamic: bool,
        forward_only: bool = False,
        deadline: float | None = None,
    ) -> Dag:
        """Return the finished DAG.

        Raises:
            DagError: with all mistakes.
        """
        if not dynamic:
            self._check_secrets(name)
        behind = len(self.nodes)
        edges = tuple(
            (
                parent if parent >= 0 else behind - 1 - parent,
                child if child >= 0 else behind - 1 - child,
            )
            for parent, child in self._edges
        )
        return Dag(
            name=name,
            nodes=(*self.nodes, *[Node(NodeKind.JOIN)] * self._joins),
            edges=edges,
            output=output,
            version=version,
            constants=tuple(self.constants),
            siblings=siblings,
            on_stuck=on_stuck,
            dynamic=dynamic,
            forward_only=forward_only,
            deadline=deadline,
        )

    def _check_secrets(self, name: str) -> None:
        """Refuse secrets that every saga of the shape would share, and everybody could read."""
        secret = {index for index, each in enumerate(self.constants) if holds_secrets(each)}
        if secret:
            given = [
                f'node "{node.name}" is given a Secret, which would be in the definition of the '
                "saga: take it from the params, or from ctx.deps"
                for node in self.nodes
                if secret.intersection(_constants_in(node))
            ]
            raise DagError(name, given or ["its output is a Secret that is known before it runs"])


def _constants_in(node: Node) -> Iterator[int]:
    """Yield the constants that the inputs and the value of a node are made of."""
    bound = [*(node.inputs or {}).values(), *([] if node.value is None else [node.value])]
    for leaf in (leaf for binding in bound for leaf in leaves(binding)):
        if isinstance(leaf, Const):
            yield leaf.index


def _moved_node(node: Node, ids: dict[int, int], first_constant: int, scope: int) -> Node:
    return replace(
        node,
        scope=scope if node.scope < 0 else ids[node.scope],
        inputs=None
        if node.inputs is None
        else {
            name: moved(binding, ids, first_constant, scope)
            for name, binding in node.inputs.items()
        },
        value=None if node.value is None else moved(node.value, ids, first_constant, scope),
    )
