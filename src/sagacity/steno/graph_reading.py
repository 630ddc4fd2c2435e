"""Steno's graph as a DAG of ours: the same nodes, numbers and edges, and what they mean.

Steno's nodes do not say which subsaga they are inside of, nor which start belongs to
which end; that follows from the edges. What cannot be run is refused here, with the
node or edge that is wrong: Steno takes some of it and fails when it gets there.

No joins are made: what was read is written again as it was.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from sagacity.core.bindings import Const, OutputOf
from sagacity.core.dag import Dag, OnStuck
from sagacity.core.nodes import Node, NodeKind, Undoing
from sagacity.errors import DagError, NotSteno
from sagacity.steno.model import VERSION, Action, Constant, End, Start, SubsagaEnd, SubsagaStart

if TYPE_CHECKING:
    from sagacity.core.values import Json
    from sagacity.steno.model import StenoDag, StenoNode


def to_dag(steno: StenoDag) -> tuple[Dag, Json]:
    """Return the DAG and the params; its actions are atomic and have an undo, as Steno's do.

    Raises:
        NotSteno: no saga can have this graph; the text says which node or edge is wrong.
    """
    try:
        shape = _Shape(steno)
        return shape.dag(), shape.params
    except (DagError, NotSteno) as error:
        raise NotSteno(f"dag: {error}") from error


class _Shape:
    """The graph of a saga: checked, with the (sub)saga that each node is inside of."""

    def __init__(self, steno: StenoDag) -> None:
        self._steno = steno
        start = self._marker(Start, steno.start_node, "start")
        self._marker(End, steno.end_node, "end")
        assert isinstance(start, Start)
        self.params = start.params
        count = len(steno.nodes)
        self._parents: list[list[int]] = [[] for _ in range(count)]
        self._children: list[list[int]] = [[] for _ in range(count)]
        for parent, child in steno.edges:
            if parent >= count or child >= count:
                raise NotSteno(f"edge {parent} -> {child} names a node that does not exist")
            self._parents[child].append(parent)
            self._children[parent].append(child)
        self._scopes: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._walk()

    def dag(self) -> Dag:
        steno = self._steno
        names: dict[tuple[int, str], int] = {}
        for index, node in enumerate(steno.nodes):
            if isinstance(node, Action | Constant | SubsagaEnd):
                names.setdefault((self._scopes[index], node.name), index)
        constants: list[Json] = []
        return Dag(
            name=steno.saga_name,
            nodes=tuple(self._node(index, names, constants) for index in range(len(steno.nodes))),
            edges=steno.edges,
            output=OutputOf(self._last_before(steno.end_node, "the saga")),
            constants=tuple(constants),
            on_stuck=OnStuck.HALT,
            dynamic=True,
        )

    def _node(self, index: int, names: dict[tuple[int, str], int], constants: list[Json]) -> Node:
        scope = self._scopes[index]
        match self._steno.nodes[index]:
            case Start():
                return Node(NodeKind.START)
            case End():
                return Node(NodeKind.END)
            case Action(name, label, action_name):
                return Node(
                    NodeKind.ACTION, name, label, scope, action_name, VERSION,
                    atomic=True, undoing=Undoing.KNOWN,
                )  # fmt: skip
            case Constant(name, value):
                constants.append(value)
                binding = Const(len(constants) - 1)
                return Node(NodeKind.CONSTANT, name, scope=scope, atomic=True, value=binding)
            case SubsagaStart(saga_name, params_node_name):
                source = names.get((scope, params_node_name))
                if source is None:
                    raise NotSteno(
                        f"{self._name(index)} takes its params from node "
                        f'"{params_node_name}", which is not there before it'
                    )
                end = self._steno.nodes[self._ends[index]]
                assert isinstance(end, SubsagaEnd)
                return Node(
                    NodeKind.SUBSAGA_START, end.name, saga_name, scope, value=OutputOf(source)
                )
            case SubsagaEnd(name):
                last = OutputOf(self._last_before(index, self._name(index)))
                return Node(NodeKind.SUBSAGA_END, name, scope=scope, atomic=True, value=last)

    def _marker(self, variant: type[Start | End], index: int, what: str) -> StenoNode:
        nodes = self._steno.nodes
        found = [each for each, node in enumerate(nodes) if isinstance(node, variant)]
        if found != [index]:
            raise NotSteno(
                f"{what}_node is {index}, but the {what} nodes of the graph are {found}; "
                "there must be one, and it must be that"
            )
        return nodes[index]

    def _walk(self) -> None:
        """Go through the graph in dependency order and find where each node belongs."""
        try:
            order = list(TopologicalSorter(dict(enumerate(self._parents))).static_order())
        except CycleError as error:
            cycle = " <- ".join(self._name(index) for index in error.args[1][:10])
            raise NotSteno(f"its edges form a cycle: {cycle}") from error
        for index in order:
            self._place(index)
        for index, node in enumerate(self._steno.nodes):
            if isinstance(node, SubsagaStart) and index not in self._ends:
                raise NotSteno(f"{self._name(index)} has no end")

    def _place(self, index: int) -> None:
        node = self._steno.nodes[index]
        if not self._parents[index] and not isinstance(node, Start):
            raise NotSteno(f"{self._name(index)} is behind no other node")
        if bool(self._children[index]) == isinstance(node, End):
            wrong = "has nodes behind it" if isinstance(node, End) else "leads to no other node"
            raise NotSteno(f"{self._name(index)} {wrong}")
        around = {self._scope_behind(parent) for parent in self._parents[index]} or {-1}
        if len(around) > 1:
            raise NotSteno(f"{self._name(index)} is behind nodes of different subsagas")
        (scope,) = around
        if isinstance(node, SubsagaEnd):
            if scope < 0:
                raise NotSteno(f"{self._name(index)} ends a subsaga that has no start")
            if scope in self._ends:
                raise NotSteno(f"{self._name(scope)} has more than one end")
            self._ends[scope] = index
            scope = self._scopes[scope]
        elif isinstance(node, End) and scope >= 0:
            raise NotSteno(f"{self._name(scope)} has not ended before the saga does")
        self._scopes[index] = scope

    def _scope_behind(self, index: int) -> int:
        is_start = isinstance(self._steno.nodes[index], SubsagaStart)
        return index if is_start else self._scopes[index]

    def _last_before(self, end: int, what: str) -> int:
        """Return the node whose output is that of the (sub)saga that ends at `end`."""
        match self._parents[end]:
            case [last] if not isinstance(self._steno.nodes[last], Start | SubsagaStart):
                return last
            case before:
                raise NotSteno(f"{what} must end in exactly one node, but ends in {before}")

    def _name(self, index: int) -> str:
        match self._steno.nodes[index]:
            case Action(name=name) | Constant(name=name) | SubsagaEnd(name=name):
                return f'node {index} ("{name}")'
            case SubsagaStart(saga_name=name):
                return f'node {index} (start of subsaga "{name}")'
            case node:
                return f"node {index} ({type(node).__name__})"
