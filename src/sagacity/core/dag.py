"""The DAG: nodes, edges, bindings and policies. Immutable data, stored with the saga.

What must stay true of every `Dag` that exists (checked when it is made, all
mistakes reported together): names are unique in their (sub)saga, there is no
cycle, edges and bindings name nodes that exist, and a binding only reaches what
the node depends on.

Besides what users write (actions, constants, subsagas) a DAG has markers: `START`
and `END` of a saga built by stages, `SUBSAGA_START`, and `JOIN`, which stands
between two parallel stages so that a boundary of m and n nodes costs m + n edges
and not m x n. Markers have no path and advance by themselves in the fold.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from sagacity.core import paths
from sagacity.core.bindings import OutputOf, leaves
from sagacity.core.dag_mistakes import dataflow_mistakes, name_mistakes, shape_mistakes
from sagacity.core.nodes import NodeKind, Undoing
from sagacity.core.pivots import pivot_mistakes
from sagacity.errors import DagError, LogCorrupt, NoSuchNode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sagacity.core.bindings import Binding
    from sagacity.core.nodes import Node
    from sagacity.core.values import Json


class Siblings(StrEnum):
    """What happens to attempts in flight when their saga begins to unwind."""

    FINISH = "finish"
    CANCEL = "cancel"


class OnStuck(StrEnum):
    """Whether other branches go on unwinding after an undo has failed."""

    CONTINUE = "continue"
    HALT = "halt"


@dataclass(frozen=True, eq=False)
class Dag:
    """A definition. Made by `DagBuilder`, by tracing, or from a stored document."""

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int], ...]
    output: Binding | None = None  # None: null
    version: str = "1"
    constants: tuple[Json, ...] = ()
    siblings: Siblings = Siblings.FINISH
    on_stuck: OnStuck = OnStuck.CONTINUE
    dynamic: bool = False  # constants differ between sagas of this shape
    forward_only: bool = False  # it is beyond the point of no return from the start
    deadline: float | None = None  # seconds from its start; then it unwinds
    parents: tuple[tuple[int, ...], ...] = field(init=False)
    children: tuple[tuple[int, ...], ...] = field(init=False)
    paths: tuple[str, ...] = field(init=False)  # empty for markers
    rank: tuple[int, ...] = field(init=False)  # position in one topological order

    def __post_init__(self) -> None:
        """Check everything and derive what the fold needs.

        Raises:
            DagError: with all mistakes.
        """
        mistakes = shape_mistakes(self)
        if mistakes:
            raise DagError(self.name, mistakes)
        count = len(self.nodes)
        parents: list[list[int]] = [[] for _ in range(count)]
        children: list[list[int]] = [[] for _ in range(count)]
        for parent, child in self.edges:
            parents[child].append(parent)
            children[parent].append(child)
        put = object.__setattr__
        put(self, "parents", tuple(map(tuple, parents)))
        put(self, "children", tuple(map(tuple, children)))
        put(self, "paths", _paths(self.nodes))
        order = _topological_order(self.parents, self.children)
        if len(order) < count:
            cyclic = sorted(set(range(count)) - set(order))
            names = ", ".join(self.paths[node] or self.nodes[node].kind for node in cyclic[:10])
            raise DagError(self.name, [f"its edges form a cycle; in or behind it: {names}"])
        rank = [0] * count
        for position, node in enumerate(order):
            rank[node] = position
        put(self, "rank", tuple(rank))
        mistakes = name_mistakes(self) + pivot_mistakes(self) + dataflow_mistakes(self)
        if mistakes:
            raise DagError(self.name, mistakes)

    def with_constants(self, constants: tuple[Json, ...]) -> Dag:
        """Return this DAG with other constants, without checking the rest again.

        Raises:
            LogCorrupt: their number is another.
        """
        if len(constants) != len(self.constants):
            raise LogCorrupt(
                f'saga "{self.name}" has {len(constants)} constants, not {len(self.constants)}'
            )
        other = copy.copy(self)
        object.__setattr__(other, "constants", constants)
        return other

    def expires_ms(self, started_ms: int) -> int:
        """Return when a saga of this DAG that is started at `started_ms` expires; 0: never."""
        return 0 if self.deadline is None else started_ms + round(self.deadline * 1_000)

    @cached_property
    def roots(self) -> tuple[int, ...]:
        """The nodes without parents."""
        return tuple(node for node, parents in enumerate(self.parents) if not parents)

    @cached_property
    def markers(self) -> tuple[bool, ...]:
        """For each node, whether it is a marker."""
        return tuple(node.kind.is_marker for node in self.nodes)

    @cached_property
    def pivots(self) -> frozenset[int]:
        """The points of no return."""
        return frozenset(
            index for index, node in enumerate(self.nodes) if node.undoing is Undoing.PIVOT
        )

    @cached_property
    def indegrees(self) -> tuple[int, ...]:
        """How many parents each node has."""
        return tuple(map(len, self.parents))

    @cached_property
    def output_sources(self) -> frozenset[int]:
        """The nodes of whose outputs the saga's output takes fields."""
        found = () if self.output is None else leaves(self.output)
        return frozenset(leaf.node for leaf in found if isinstance(leaf, OutputOf) and leaf.field)

    @cached_property
    def by_path(self) -> Mapping[str, int]:
        """From a node's path to its index."""
        return {
            path: index
            for index, path in enumerate(self.paths)
            if not self.nodes[index].kind.is_marker
        }

    @cached_property
    def _by_name(self) -> Mapping[tuple[int, str], int]:
        return {
            (node.scope, node.name): index
            for index, node in enumerate(self.nodes)
            if not node.kind.is_marker
        }

    def find(self, path: str) -> int:
        """Return the index of the node at `path`.

        Raises:
            NoSuchNode: there is none.
        """
        node = self.by_path.get(path)
        if node is None:
            raise NoSuchNode(self.name, path, list(self.by_path)[:20])
        return node

    def find_input(self, node: int, name: str) -> int | None:
        """Return the index of the ancestor of `node` called `name` in its own (sub)saga."""
        target = self._by_name.get((self.nodes[node].scope, name))
        if target is None or not self.depends_on(node, target):
            return None
        return target

    def depends_on(self, node: int, ancestor: int) -> bool:
        """Whether `node` depends on `ancestor`, directly or not."""
        return bool(self.ancestors_among(node, (ancestor,)))

    def ancestors_among(self, node: int, wanted: Collection[int]) -> set[int]:
        """Return those of `wanted` that `node` depends on, directly or not.

        Looks upwards only as far as one of them can be: neighbours are found at once.
        """
        rank, parents = self.rank, self.parents
        found: set[int] = set()
        floor = min((rank[each] for each in wanted), default=0)
        seen: set[int] = set()
        stack = [node]
        while stack:
            above = parents[stack.pop()]
            found.update(parent for parent in above if parent in wanted)
            if len(found) == len(wanted):
                break
            for parent in above:
                if rank[parent] > floor and parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
        return found


def _paths(nodes: Sequence[Node]) -> tuple[str, ...]:
    # The path of a subsaga is its end's; the insides hang below it. A scope's end is the
    # SUBSAGA_END whose own binding belongs to it: the one that closes the start's block.
    prefixes: dict[int, str] = {-1: ""}
    names = _scope_names(nodes)

    def prefix(scope: int) -> str:
        chain: list[int] = []
        while scope not in prefixes:
            chain.append(scope)
            scope = nodes[scope].scope
        for each in reversed(chain):
            prefixes[each] = paths.join(prefixes[nodes[each].scope], names.get(each, ""))
        return prefixes[chain[0]] if chain else prefixes[scope]

    return tuple(
        "" if node.kind.is_marker else paths.join(prefix(node.scope), node.name) for node in nodes
    )


def _scope_names(nodes: Sequence[Node]) -> dict[int, str]:
    """Return the name of each subsaga by its start marker (which carries it too)."""
    return {
        index: node.name for index, node in enumerate(nodes) if node.kind is NodeKind.SUBSAGA_START
    }


def _topological_order(
    parents: Sequence[Sequence[int]], children: Sequence[Sequence[int]]
) -> list[int]:
    unmet = [len(each) for each in parents]
    ready = deque(node for node, count in enumerate(unmet) if not count)
    order: list[int] = []
    while ready:
        node = ready.popleft()
        order.append(node)
        for child in children[node]:
            unmet[child] -= 1
            if not unmet[child]:
                ready.append(child)
    return order
