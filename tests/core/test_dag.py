from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given

from sagacity.core.bindings import Binding, Const, ListOf, ObjectOf, OutputOf, ParamsOf
from sagacity.core.builder import NodeFactory
from sagacity.core.dag import Dag
from sagacity.core.dag_mistakes import MAX_EDGES, MAX_NODES
from sagacity.core.nodes import Node, NodeKind, Undoing
from sagacity.core.paths import MAX_NAME_CHARS
from sagacity.errors import DagError, LogCorrupt, NoSuchNode
from sagacity.testing.strategies import dags
from tests.recovery.shapes import act, acts, named, staged

START, END, JOIN = Node(NodeKind.START), Node(NodeKind.END), Node(NodeKind.JOIN)


def action(name: str, *, scope: int = -1, **inputs: Binding) -> Node:
    return Node(NodeKind.ACTION, name, scope=scope, action="x", atomic=True, inputs=inputs or None)


def mistakes(
    nodes: list[Node],
    *edges: tuple[int, int],
    output: Binding | None = None,
    constants: tuple[bytes, ...] = (),
) -> list[str]:
    """Return the mistakes of a DAG that has some."""
    with pytest.raises(DagError) as caught:
        Dag("s", tuple(nodes), edges, output, constants=constants)
    assert caught.value.saga_name == "s"
    return list(caught.value.mistakes)


def test_a_dag_knows_who_is_next_to_whom() -> None:
    """Parents and children in the order of the edges, and a rank that respects them."""
    dag = Dag("s", (action("a"), action("b"), action("c")), ((2, 0), (1, 0), (2, 1)))
    assert dag.parents == ((2, 1), (2,), ())
    assert dag.children == ((), (0,), (0, 1))
    assert dag.rank == (2, 1, 0)
    assert dag.roots == (2,)
    assert dag.indegrees == (2, 1, 0)


def test_a_dag_cannot_be_changed() -> None:
    """It is data that many sagas share."""
    dag = Dag("s", (action("a"),), ())
    with pytest.raises(FrozenInstanceError):
        dag.name = "t"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def test_paths_name_nodes_from_the_saga_down() -> None:
    """A subsaga's own path means its end; markers have none; `/` in a name is escaped."""
    inner = staged("inner", acts("i/1"), acts("j"))
    outer = staged("outer", acts("a"), [NodeFactory.subsaga("s", inner, "a"), act("b")], acts("c"))
    assert list(outer.by_path) == ["a", "s/i~11", "s/j", "s", "b", "c"]
    assert outer.nodes[outer.find("s")].kind is NodeKind.SUBSAGA_END
    assert [path for path, marker in zip(outer.paths, outer.markers, strict=True) if marker] == [
        "", "", ""
    ]  # fmt: skip


def test_an_unknown_path_is_no_such_node() -> None:
    """The error tells what there is."""
    with pytest.raises(NoSuchNode, match='saga "diamond" has no node "x"; its nodes are a, b'):
        named()["diamond"].find("x")
    with pytest.raises(NoSuchNode):
        named()["diamond"].find("")  # a marker's


def test_an_input_is_found_among_ancestors_in_the_same_scope() -> None:
    """By name, however far above; never a sibling, a descendant, or a name of another scope."""
    dag = named()["subsagas in subsagas"]
    find = dag.find
    assert dag.find_input(find("c"), "a") == find("a")
    assert dag.find_input(find("c"), "n") == find("n")
    assert dag.find_input(find("n/o"), "deep") == find("n/deep")
    assert dag.find_input(find("b"), "n") is None
    assert dag.find_input(find("a"), "c") is None
    assert dag.find_input(find("c"), "o") is None
    assert dag.find_input(find("n/o"), "a") is None
    assert dag.find_input(find("c"), "c") is None


@given(dags())
def test_dependence_is_a_path_of_edges(dag: Dag) -> None:
    """`depends_on` says what following the edges upwards says."""
    above: list[set[int]] = [set() for _ in dag.nodes]
    for node in sorted(range(len(dag.nodes)), key=dag.rank.__getitem__):
        for parent in dag.parents[node]:
            above[node] |= {parent} | above[parent]
    for node in range(len(dag.nodes)):
        for other in range(len(dag.nodes)):
            assert dag.depends_on(node, other) is (other in above[node])


# -- mistakes ------------------------------------------------------------------------------


def test_an_edge_to_nowhere_is_a_mistake() -> None:
    """Each is named, with edges that are there twice."""
    assert mistakes([action("a"), action("b")], (0, 2), (-1, 0), (0, 1), (0, 1)) == [
        "edge (0, 2) names a node that does not exist",
        "edge (-1, 0) names a node that does not exist",
        "edge (0, 1) is there twice",
    ]


def test_a_scope_that_is_no_subsaga_is_a_mistake() -> None:
    """A node is inside of a subsaga's start, of an existing one, and not of itself."""
    start = Node(NodeKind.SUBSAGA_START, "s", scope=4)
    assert mistakes([action("a", scope=1), action("b", scope=9), action("c", scope=-2), start,
                     Node(NodeKind.SUBSAGA_START, "t", scope=4)]) == [
        'node "a" is inside of a subsaga that does not exist',
        'node "b" is inside of a subsaga that does not exist',
        'node "c" is inside of a subsaga that does not exist',
        'node "t" is inside of a subsaga that does not exist',
    ]  # fmt: skip


def test_subsagas_inside_of_each_other_are_a_mistake() -> None:
    """Else their paths would have no end."""
    first = Node(NodeKind.SUBSAGA_START, "s", scope=1)
    second = Node(NodeKind.SUBSAGA_START, "t", scope=0)
    assert mistakes([first, second, action("a", scope=1)]) == ['subsaga "t" is inside of itself']


def test_a_cycle_is_a_mistake_that_names_nodes() -> None:
    """Those in it, and those behind it, which could never start either."""
    nodes = [action("a"), action("b"), action("c"), action("d"), JOIN]
    assert mistakes(nodes, (0, 1), (1, 2), (2, 1), (2, 3), (3, 4)) == [
        "its edges form a cycle; in or behind it: b, c, d, join"
    ]


def test_an_edge_to_itself_is_a_cycle() -> None:
    """The smallest one."""
    assert mistakes([action("a")], (0, 0)) == ["its edges form a cycle; in or behind it: a"]


def test_mistakes_of_names_are_reported_together() -> None:
    """Used twice, too long, and what no store could hold."""
    long = "x" * (MAX_NAME_CHARS + 1)
    assert mistakes([action("a"), action("a"), action(long), action("b\0"),
                     action("\ud800")]) == [
        'node "a": the name is used more than once',
        f'the name "{"x" * 40}..." is over {MAX_NAME_CHARS} chars',
        "the name 'b\\x00' has a NUL character or a lone surrogate",
        "the name '\\ud800' has a NUL character or a lone surrogate",
    ]  # fmt: skip


@pytest.mark.parametrize("field", ["label", "action", "version"])
def test_texts_that_no_store_can_hold_are_a_mistake(field: str) -> None:
    """A definition that cannot be stored must not get as far as a store."""
    bad: dict[str, Any] = {field: "\udfff"}
    node = replace(action("a"), **bad)
    assert mistakes([node]) == [
        f"node \"a\": the {field} '\\udfff' has a NUL character or a lone surrogate"
    ]


@pytest.mark.parametrize(("name", "version"), [("s\0", "1"), ("s", "\ud800")])
def test_a_saga_whose_own_name_cannot_be_stored_is_a_mistake(name: str, version: str) -> None:
    """The saga's name and version are stored, too."""
    with pytest.raises(DagError, match="NUL character or a lone surrogate"):
        Dag(name, (action("a"),), (), version=version)


def test_one_name_in_two_scopes_is_fine() -> None:
    """Names are unique in their (sub)saga, not in all of the saga."""
    inner = staged("inner", acts("a"), acts("b"))
    outer = staged("outer", acts("a"), [NodeFactory.subsaga("b", inner, "a")])
    assert set(outer.by_path) == {"a", "b", "b/a", "b/b"}


def test_an_undo_that_cannot_meet_an_unknown_outcome_needs_an_atomic_action() -> None:
    """The commonest mistake of all: failed half way, and its own undo could not run."""
    node = Node(NodeKind.ACTION, "a", action="x", undoing=Undoing.KNOWN)
    assert mistakes([node]) == [
        'node "a": its undo cannot meet an unknown outcome and it is not atomic'
    ]


def test_bindings_reach_only_what_a_node_depends_on() -> None:
    """Each parameter is named that does not; directly or not, and in lists and objects too."""
    nodes = [
        action("a"),
        action("b", near=OutputOf(0, ("f",)), c=Const(0), p=ParamsOf(-1)),
        action("c", far=ListOf((OutputOf(0), OutputOf(1)))),
        action(
            "d",
            sibling=ObjectOf((("x", OutputOf(1)),)),
            itself=OutputOf(3),
            marker=OutputOf(4),
            nowhere=OutputOf(99),
            constant=Const(1),
            params=ParamsOf(0),
        ),
        JOIN,
        Node(NodeKind.CONSTANT, "e", value=Const(7)),
    ]
    assert mistakes(
        nodes, (0, 1), (1, 2), (0, 4), (4, 3), output=OutputOf(9), constants=(b"1",)
    ) == [
        'node "d", parameter "sibling": uses the output of "b", which it does not depend on',
        'node "d", parameter "itself": uses the output of "d", which it does not depend on',
        'node "d", parameter "marker": output of a node that does not exist (4)',
        'node "d", parameter "nowhere": output of a node that does not exist (99)',
        'node "d", parameter "constant": constant 1 does not exist',
        'node "d", parameter "params": params of a subsaga that does not exist (0)',
        'node "e": constant 7 does not exist',
        "its output: output of a node that does not exist (9)",
    ]


def test_params_of_a_subsaga_are_for_those_behind_its_start() -> None:
    """They come of what the start depends on; who is not behind it cannot know them."""
    nodes = [
        action("a"),
        Node(NodeKind.SUBSAGA_START, "s", value=OutputOf(0)),
        action("in", scope=1, ok=ParamsOf(1)),
        action("out", bad=ParamsOf(1)),
    ]
    assert mistakes(nodes, (0, 1), (1, 2)) == [
        'node "out", parameter "bad": uses the params of subsaga "s", which it is not behind'
    ]


def test_params_of_an_enclosing_subsaga_are_known_inside() -> None:
    """However deep, through joins and over the ends of other subsagas."""
    nodes = [
        Node(NodeKind.SUBSAGA_START, "s"),
        Node(NodeKind.SUBSAGA_START, "t", scope=0),
        action("a", scope=1, near=ParamsOf(1), far=ParamsOf(0)),
        Node(NodeKind.SUBSAGA_END, "t", scope=0, value=ListOf((ParamsOf(1), ParamsOf(0)))),
        action("b", scope=0),
        JOIN,
        action("c", scope=0, x=ParamsOf(0)),
        Node(NodeKind.SUBSAGA_END, "s", value=ParamsOf(0)),
    ]
    edges = ((0, 1), (1, 2), (2, 3), (0, 4), (3, 5), (4, 5), (5, 6), (6, 7))
    assert Dag("s", tuple(nodes), edges, ParamsOf(0)).paths[2] == "s/t/a"
    nodes[7] = Node(NodeKind.SUBSAGA_END, "s", value=ParamsOf(1))
    assert mistakes(nodes, *edges) == [
        'node "s": uses the params of subsaga "t", which it is not behind'
    ]


def test_params_of_a_subsaga_cannot_be_made_of_themselves() -> None:
    """Resolving them would never end."""
    nodes = [Node(NodeKind.SUBSAGA_START, "s", value=ListOf((ParamsOf(0),))), action("a", scope=0)]
    assert mistakes(nodes, (0, 1)) == [
        'subsaga_start marker: uses the params of subsaga "s", which it is not behind'
    ]


@pytest.mark.parametrize("depth", [101, 5_000])
def test_a_binding_is_no_deeper_than_a_value(depth: int) -> None:
    """What it stands for could not be stored, nor could the binding."""
    binding: Binding = Const(0)
    for level in range(depth):
        binding = ListOf((binding,)) if level % 2 else ObjectOf((("a", binding),))
    assert mistakes([action("a", x=binding)], constants=(b"1",)) == [
        'node "a", parameter "x": nested deeper than 100'
    ]


def test_mistakes_of_all_kinds_come_in_one_error() -> None:
    """Whoever builds a DAG sees everything that is wrong with it at once."""
    nodes = [
        action("a"),
        replace(action("a"), undoing=Undoing.KNOWN, atomic=False),
        action("b", x=OutputOf(0)),
    ]
    found = mistakes(nodes, output=Const(0))
    assert [mistake.partition(":")[0] for mistake in found] == [
        'node "a"', 'node "a"', 'node "b", parameter "x"', "its output"
    ]  # fmt: skip


def test_the_error_counts_and_lists_mistakes() -> None:
    """Its text is for people."""
    with pytest.raises(DagError) as caught:
        Dag("s", (action("a"), action("a")), ())
    assert str(caught.value) == (
        'saga "s" has 1 mistake:\n  - node "a": the name is used more than once'
    )
    assert "has 2 mistakes:" in str(DagError("s", ["one", "two"]))


# -- limits --------------------------------------------------------------------------------


def test_a_dag_of_the_most_nodes_is_made() -> None:
    """A line of as many nodes as allowed: nothing recurses along it."""
    nodes = tuple(action(f"n{index}") for index in range(MAX_NODES))
    edges = tuple((index, index + 1) for index in range(MAX_NODES - 1))
    dag = Dag("s", nodes, edges, OutputOf(MAX_NODES - 1))
    assert dag.depends_on(MAX_NODES - 1, 0)
    assert dag.rank[-1] == MAX_NODES - 1


def test_one_node_more_is_a_mistake() -> None:
    """Said before anything else is looked at."""
    assert mistakes([action("a")] * (MAX_NODES + 1)) == [
        "100,001 nodes are over the limit of 100,000"
    ]


def test_one_edge_too_many_is_a_mistake() -> None:
    """Likewise."""
    assert mistakes([action("a")], *[(0, 0)] * (MAX_EDGES + 1)) == [
        "1,000,001 edges are over the limit of 1,000,000"
    ]


def test_constants_are_exchanged_without_looking_at_the_rest() -> None:
    """Sagas of one dynamic shape share all but these."""
    dag = staged("s", [NodeFactory.constant("c", 1)], acts("a"))
    other = dag.with_constants((b"2",))
    assert (dag.constants, other.constants) == ((b"1",), (b"2",))
    assert other.parents is dag.parents
    with pytest.raises(LogCorrupt, match='saga "s" has 2 constants, not 1'):
        dag.with_constants((b"1", b"2"))


def test_a_dag_without_nodes_is_one() -> None:
    """An empty traced saga: nothing to do, and `null` for its output."""
    assert Dag("s", (), ()).roots == ()
