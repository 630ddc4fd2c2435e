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
import re
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final

from sagacity.core import paths
from sagacity.core.bindings import Const, OutputOf, ParamsOf, is_too_deep, leaves
from sagacity.core.values import MAX_DEPTH
from sagacity.errors import DagError, LogCorrupt, NoSuchNode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sagacity.core.bindings import Binding
    from sagacity.core.values import Json

MAX_NODES: Final = 100_000
MAX_EDGES: Final = 1_000_000


class NodeKind(StrEnum):
    """What a node is."""

    ACTION = "action"
    CONSTANT = "constant"
    SUBSAGA_END = "subsaga_end"  # carries the subsaga's name and output
    SUBSAGA_START = "subsaga_start"
    START = "start"
    END = "end"
    JOIN = "join"

    @property
    def is_marker(self) -> bool:
        """Whether the node is structure only: no path, no output of its own."""
        return self in _MARKERS


_MARKERS: Final = frozenset({NodeKind.SUBSAGA_START, NodeKind.START, NodeKind.END, NodeKind.JOIN})


class Undoing(StrEnum):
    """How a node is taken back: its undo contract."""

    NOTHING = "nothing"  # no effect worth undoing: read-only, harmless, constants, markers
    KNOWN = "known"  # has an undo that needs the output
    ANY = "any"  # has an undo that also accepts an unknown outcome


class Siblings(StrEnum):
    """What happens to attempts in flight when their saga begins to unwind."""

    FINISH = "finish"
    CANCEL = "cancel"


class OnStuck(StrEnum):
    """Whether other branches go on unwinding after an undo has failed."""

    CONTINUE = "continue"
    HALT = "halt"


@dataclass(frozen=True, slots=True)
class Node:
    """One vertex. `scope` is the `SUBSAGA_START` that it is inside of, -1 for the saga itself."""

    kind: NodeKind
    name: str = ""
    label: str = ""
    scope: int = -1
    action: str = ""
    version: str = ""
    atomic: bool = False
    undoing: Undoing = Undoing.NOTHING
    inputs: Mapping[str, Binding] | None = None  # None: the action looks things up by name
    value: Binding | None = None  # CONSTANT: its value; SUBSAGA_START: params; _END: output


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
    parents: tuple[tuple[int, ...], ...] = field(init=False)
    children: tuple[tuple[int, ...], ...] = field(init=False)
    paths: tuple[str, ...] = field(init=False)  # empty for markers
    rank: tuple[int, ...] = field(init=False)  # position in one topological order

    def __post_init__(self) -> None:
        """Check everything and derive what the fold needs.

        Raises:
            DagError: with all mistakes.
        """
        mistakes = _shape_mistakes(self)
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
        mistakes = _name_mistakes(self) + _dataflow_mistakes(self)
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

    @cached_property
    def roots(self) -> tuple[int, ...]:
        """The nodes without parents."""
        return tuple(node for node, parents in enumerate(self.parents) if not parents)

    @cached_property
    def markers(self) -> tuple[bool, ...]:
        """For each node, whether it is a marker."""
        return tuple(node.kind.is_marker for node in self.nodes)

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


def _shape_mistakes(dag: Dag) -> list[str]:
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


def _name_mistakes(dag: Dag) -> list[str]:
    mistakes: list[str] = []
    seen: set[str] = set()
    for what, text in (("name", dag.name), ("version", dag.version)):
        if not _is_storable(text):
            mistakes.append(f"its {what} {_UNSTORABLE.format(text)}")
    for node, path in zip(dag.nodes, dag.paths, strict=True):
        mistakes += _text_mistakes(node, path)
        if node.kind.is_marker:
            continue
        if path in seen:
            mistakes.append(f'node "{path}": the name is used more than once')
        if node.undoing is Undoing.KNOWN and not node.atomic:
            mistakes.append(
                f'node "{path}": its undo cannot meet an unknown outcome and it is not atomic'
            )
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


def _dataflow_mistakes(dag: Dag) -> list[str]:
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
