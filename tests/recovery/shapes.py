"""The DAGs that recovery is tried on: all small shapes, and those with a name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import Final

from sagacity.core.builder import DagBuilder, NodeFactory, NodeSpec
from sagacity.core.dag import Dag, OnStuck, Siblings
from sagacity.core.nodes import Node, NodeKind, Undoing

Edges = frozenset[tuple[int, int]]


@dataclass(frozen=True)
class Contract:
    """What is promised of an action: whether it is atomic, and what its undo can meet."""

    atomic: bool
    undoing: Undoing


STENO: Final = Contract(atomic=True, undoing=Undoing.KNOWN)
TYPED: Final = Contract(atomic=False, undoing=Undoing.ANY)
HARMLESS: Final = Contract(atomic=False, undoing=Undoing.NOTHING)
ATOMIC_ANY: Final = Contract(atomic=True, undoing=Undoing.ANY)
ASK: Final = Contract(atomic=True, undoing=Undoing.ASK)
ATOMIC_HARMLESS: Final = Contract(atomic=True, undoing=Undoing.NOTHING)


def is_stuck_when_unknown(node: Node) -> bool:
    """Whether a person must decide when nobody knows if the node had its effect."""
    return node.undoing is Undoing.KNOWN or (node.atomic and node.undoing is Undoing.ANY)


PATTERNS: Final[Sequence[Sequence[Contract]]] = (
    (STENO,),
    (TYPED,),
    (STENO, TYPED, HARMLESS),
    (TYPED, STENO),
    (HARMLESS, TYPED, ATOMIC_ANY, STENO, ATOMIC_HARMLESS),
    (TYPED, ASK, STENO),
)


def plain(count: int, edges: Edges) -> Dag:
    """Return a DAG of actions alone, without markers: every node may be a root or a leaf."""
    nodes = tuple(
        Node(NodeKind.ACTION, f"n{index}", action="x", atomic=True) for index in range(count)
    )
    return Dag("plain", nodes, tuple(sorted(edges)))


def all_edges(count: int) -> Iterator[Edges]:
    """Yield the edges of every DAG of `count` nodes, those of one shape only once."""
    pairs = list(combinations(range(count), 2))
    seen: set[Edges] = set()
    for bits in range(1 << len(pairs)):
        edges = frozenset(pair for bit, pair in enumerate(pairs) if bits >> bit & 1)
        if edges in seen:
            continue
        for order in permutations(range(count)):
            renamed = frozenset((order[parent], order[child]) for parent, child in edges)
            if all(parent < child for parent, child in renamed):
                seen.add(renamed)
        yield edges


def reduced(count: int, edges: Edges) -> bool:
    """Whether no edge is implied by the others."""
    above: list[set[int]] = [set() for _ in range(count)]
    for parent, child in sorted(edges, key=lambda edge: edge[1]):
        above[child] |= {parent} | above[parent]
    return not any(
        (parent, other) in edges and parent in above[middle]
        for parent, other in edges
        for middle in range(count)
        if (middle, other) in edges
    )


def small() -> Iterator[Dag]:
    """Yield every shape of up to 4 nodes, and of 5 those without edges to spare."""
    for count in range(1, 5):
        for edges in all_edges(count):
            yield plain(count, edges)
    for edges in all_edges(5):
        if reduced(5, edges):
            yield plain(5, edges)


def act(name: str) -> NodeSpec:
    return NodeFactory.action(name, name, "x")


def acts(*names: str) -> list[NodeSpec]:
    return [act(name) for name in names]


def staged(name: str, *stages: Sequence[NodeSpec]) -> Dag:
    """Return what `DagBuilder` makes of the stages."""
    builder = DagBuilder(name)
    for stage in stages:
        builder.append_parallel(stage)
    return builder.build()


def named() -> dict[str, Dag]:
    """Return the shapes that people draw, with markers, joins, constants and subsagas."""
    constant, subsaga = NodeFactory.constant, NodeFactory.subsaga
    inner = staged("inner", acts("i"), acts("j", "k"), acts("l"))
    nested = staged(
        "nested", [constant("c", 1)], [subsaga("deep", inner, "c"), act("m")], acts("o")
    )
    small_inner = staged("small", acts("p"), acts("q"))
    return {
        "line of 1": staged("line", acts("a")),
        "line of 6": staged("line", *[acts(name) for name in "abcdef"]),
        "fan of 3": staged("fan", acts("a"), acts("b", "c", "d"), acts("e")),
        "roots": staged("roots", acts("a", "b", "c"), acts("d")),
        "diamond": staged("diamond", acts("a"), acts("b", "c"), acts("d")),
        "stages with joins": staged(
            "stages", acts("a", "b"), acts("c", "d"), acts("e", "f"), acts("g")
        ),
        "a constant among actions": staged(
            "constant", [act("a"), constant("c", {"n": 1})], [constant("d", 2), act("b")], acts("e")
        ),
        "constants alone": staged("constants", [constant("c", 1)], [constant("d", 2)]),
        "a subsaga": staged(
            "outer", acts("a"), [subsaga("s", small_inner, "a"), act("b")], acts("c")
        ),
        "two subsagas": staged(
            "outer",
            acts("a"),
            [subsaga("s", small_inner, "a"), subsaga("t", small_inner, "a")],
            acts("z"),
        ),
        "subsagas in subsagas": staged(
            "outer", acts("a"), [subsaga("n", nested, "a"), act("b")], acts("c")
        ),
        "a subsaga at the end": staged("outer", acts("a"), [subsaga("s", inner, "a")]),
    }


def with_pivot(dag: Dag, place: int, *, atomic: frozenset[int]) -> Iterator[Dag]:
    """Yield the same shape with a point of no return at its `place`-th node that can be one."""
    found = [
        index
        for index, node in enumerate(dag.nodes)
        if node.kind is NodeKind.ACTION
        and not any(
            other.kind is NodeKind.ACTION
            and each != index
            and not (dag.depends_on(index, each) or dag.depends_on(each, index))
            for each, other in enumerate(dag.nodes)
        )
    ]
    if not found:
        return
    pivot = found[place % len(found)]
    nodes = list(dag.nodes)
    for index, node in enumerate(nodes):
        if node.kind is NodeKind.ACTION:
            behind = dag.depends_on(index, pivot)
            undoing = Undoing.NEVER if behind else Undoing.ANY
            nodes[index] = replace(node, atomic=False, undoing=undoing)
    is_atomic = place % 2 == 1 or pivot in atomic
    nodes[pivot] = replace(nodes[pivot], atomic=is_atomic, undoing=Undoing.PIVOT)
    on_stuck = OnStuck.HALT if place % 3 == 0 else OnStuck.CONTINUE
    yield replace(dag, nodes=tuple(nodes), on_stuck=on_stuck)


def with_contracts(
    dag: Dag,
    pattern: Sequence[Contract],
    *,
    siblings: Siblings = Siblings.FINISH,
    on_stuck: OnStuck = OnStuck.CONTINUE,
) -> Dag:
    """Return the same shape with other contracts on its actions, in turn."""
    nodes = list(dag.nodes)
    actions = [index for index, node in enumerate(nodes) if node.kind is NodeKind.ACTION]
    for place, index in enumerate(actions):
        contract = pattern[place % len(pattern)]
        nodes[index] = replace(nodes[index], atomic=contract.atomic, undoing=contract.undoing)
    return replace(dag, nodes=tuple(nodes), siblings=siblings, on_stuck=on_stuck)
