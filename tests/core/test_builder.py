import gc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagacity.core.actions import ActionFunc
from sagacity.core.bindings import Const, OutputOf
from sagacity.core.builder import DagBuilder, NodeFactory, NodeSpec
from sagacity.core.dag import Dag, OnStuck, Siblings
from sagacity.core.definition import definition_of
from sagacity.core.nodes import Node, NodeKind, Undoing
from sagacity.core.paths import MAX_NAME_CHARS
from sagacity.core.planner import plan
from sagacity.core.state import SagaState
from sagacity.errors import DagError
from tests.recovery.shapes import act, acts, named, staged


async def do(_ctx: Any) -> None:
    """Do nothing."""


def mistakes(builder: DagBuilder) -> Sequence[str]:
    with pytest.raises(DagError) as caught:
        builder.build()
    return caught.value.mistakes


def edges_of(dag: Dag) -> set[tuple[str, str]]:
    """Return the edges by path; markers by their kind."""
    names = [path or node.kind.value for path, node in zip(dag.paths, dag.nodes, strict=True)]
    return {(names[parent], names[child]) for parent, child in dag.edges}


# -- what is built -----------------------------------------------------------------------


def test_stages_follow_one_another() -> None:
    """Between start and end; the output is that of the last node."""
    dag = named()["diamond"]
    assert edges_of(dag) == {
        ("start", "a"), ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "end"),
    }  # fmt: skip
    assert dag.output == OutputOf(dag.find("d"))


def test_nodes_are_numbered_as_steno_numbers_them() -> None:
    """In the order of appending; the start is second to last and the end last, joins behind."""
    kinds = [node.kind for node in named()["stages with joins"].nodes]
    assert kinds == [NodeKind.ACTION] * 7 + [NodeKind.START, NodeKind.END] + [NodeKind.JOIN] * 2


def test_a_join_stands_between_parallel_stages() -> None:
    """Each node of the one stage before it, each of the next behind it."""
    dag = staged("s", acts("a", "b"), acts("c", "d"), acts("e"))
    assert edges_of(dag) == {
        ("start", "a"), ("start", "b"), ("a", "join"), ("b", "join"),
        ("join", "c"), ("join", "d"), ("c", "e"), ("d", "e"), ("e", "end"),
    }  # fmt: skip


def test_an_action_object_brings_its_contract() -> None:
    """The node has the action's name, version and undo contract, and the label given."""
    dag = staged("s", [NodeFactory.action("n", "the label", ActionFunc("a", do, version="7"))])
    assert dag.nodes[0] == Node(
        NodeKind.ACTION, "n", "the label", action="a", version="7", atomic=True,
        undoing=Undoing.NOTHING,
    )  # fmt: skip


def test_an_action_by_name_has_stenos_contract() -> None:
    """Nothing else is known of it: atomic, with an undo."""
    dag = staged("s", [NodeFactory.action("n", "", "a")])
    assert dag.nodes[0] == Node(
        NodeKind.ACTION, "n", action="a", version="1", atomic=True, undoing=Undoing.KNOWN
    )


def test_a_constant_is_a_node_with_a_value() -> None:
    """Kept apart, because it differs from saga to saga."""
    dag = staged("s", [NodeFactory.constant("c", {"b": 1, "a": (2,)})])
    assert dag.nodes[0] == Node(NodeKind.CONSTANT, "c", atomic=True, value=Const(0))
    assert dag.constants == (b'{"a":[2],"b":1}',)
    assert dag.dynamic


def test_a_subsaga_is_put_in_between_its_markers() -> None:
    """Its own start and end fall away; its params and its output are bound."""
    inner = staged("inner", [NodeFactory.constant("k", 1)], acts("x", "y"), acts("z"))
    dag = staged("s", acts("a"), [NodeFactory.subsaga("s", inner, "a")], acts("b"))
    assert edges_of(dag) == {
        ("start", "a"), ("a", "subsaga_start"), ("subsaga_start", "s/k"), ("s/k", "s/x"),
        ("s/k", "s/y"), ("s/x", "s/z"), ("s/y", "s/z"), ("s/z", "s"), ("s", "b"), ("b", "end"),
    }  # fmt: skip
    start = next(node for node in dag.nodes if node.kind is NodeKind.SUBSAGA_START)
    assert (start.name, start.label, start.value) == ("s", "inner", OutputOf(dag.find("a")))
    assert dag.nodes[dag.find("s")].value == OutputOf(dag.find("s/z"))
    assert all(dag.nodes[dag.find(path)].scope == 1 for path in ("s/k", "s/x", "s/y", "s/z"))


def test_one_dag_can_be_put_in_twice() -> None:
    """Each time with nodes and constants of its own."""
    inner = staged("inner", [NodeFactory.constant("k", 1)], acts("x"))
    dag = staged(
        "s", acts("a"), [NodeFactory.subsaga("p", inner, "a"), NodeFactory.subsaga("q", inner, "a")],
        acts("b"),
    )  # fmt: skip
    assert {"p/k", "p/x", "q/k", "q/x"} < set(dag.by_path)
    assert len(dag.constants) == 2
    assert dag.nodes[dag.find("q/k")].value == Const(1)
    assert not dag.depends_on(dag.find("q/k"), dag.find("p/k"))


def test_a_traced_dag_can_be_put_in_with_joins_loose_ends_and_nothing_at_all() -> None:
    """All roots hang on the start, all leaves on the end, whatever kinds they are."""
    loose = Dag("loose", (act_node("x"), act_node("y"), Node(NodeKind.JOIN)), ((0, 2),))
    empty = Dag("empty", (), ())
    dag = staged(
        "s", acts("a"),
        [NodeFactory.subsaga("l", loose, "a"), NodeFactory.subsaga("e", empty, "a")], acts("b"),
    )  # fmt: skip
    names = [path or node.kind.value for path, node in zip(dag.paths, dag.nodes, strict=True)]
    start, end = dag.find("l/x") - 1, dag.find("l")
    assert {names[child] for child in dag.children[start]} == {"l/x", "l/y"}
    assert {names[parent] for parent in dag.parents[end]} == {"l/y", "join"}
    assert dag.parents[dag.find("e")] == (dag.find("e") - 1,)
    assert dag.nodes[dag.find("e")].value is None


def act_node(name: str) -> Node:
    return Node(NodeKind.ACTION, name, action="x", atomic=True)


def test_policies_are_part_of_the_dag() -> None:
    """As given, or the defaults."""
    builder = DagBuilder("s", version="3", siblings="cancel", on_stuck="halt")
    builder.append(act("a"))
    dag = builder.build()
    assert (dag.name, dag.version) == ("s", "3")
    assert (dag.siblings, dag.on_stuck) == (Siblings.CANCEL, OnStuck.HALT)
    default = staged("s", acts("a"))
    assert (default.siblings, default.on_stuck) == (Siblings.FINISH, OnStuck.CONTINUE)
    assert default.version == "1"


def test_building_twice_gives_the_same() -> None:
    """`build` changes nothing; what is appended afterwards is in the next one only."""
    builder = DagBuilder("s")
    builder.append(act("a"))
    first = builder.build()
    assert definition_of(builder.build()) == definition_of(first)
    builder.append(act("b"))
    assert definition_of(builder.build()) == definition_of(staged("s", acts("a"), acts("b")))


# -- mistakes ------------------------------------------------------------------------------


def test_all_mistakes_are_reported_together() -> None:
    """Each that could be found, in the order in which it was made."""
    builder = DagBuilder("s", siblings="wait", on_stuck="stop")
    builder.append_parallel([])
    builder.append_parallel([act("a"), act("a")])
    builder.append(act("a"))
    builder.append(NodeFactory.constant("c", {1, 2}))
    builder.append("b")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    builder.append(NodeFactory.subsaga("s", named()["diamond"], "nobody"))
    builder.append_parallel([act("x"), act("y")])
    assert mistakes(builder) == (
        'siblings="wait" is none of "finish", "cancel"',
        'on_stuck="stop" is none of "continue", "halt"',
        "a parallel stage has no nodes",
        'node "a": the name is used more than once',
        'node "a": the name is used more than once',
        'constant "c": set is not a JSON type (at $)',
        "'b' is not a node: use Node.action and the like",
        'subsaga "s": its params come from node "nobody", but it does not depend on any such node',
        "the saga must end in exactly one node",
    )


def test_mistakes_of_the_builder_and_of_the_dag_come_together() -> None:
    """None hides another."""
    builder = DagBuilder("s")
    builder.append_parallel([act("a"), act("a"), act("x" * 300)])
    assert mistakes(builder) == (
        'node "a": the name is used more than once',
        "the saga must end in exactly one node",
        f'the name "{"x" * 40}..." is over 200 chars',
    )


def test_a_subsaga_takes_its_params_from_an_earlier_stage() -> None:
    """A sibling is not one that it depends on."""
    builder = DagBuilder("s")
    builder.append_parallel([act("a"), NodeFactory.subsaga("s", named()["diamond"], "a")])
    builder.append(act("b"))
    assert mistakes(builder) == (
        'subsaga "s": its params come from node "a", but it does not depend on any such node',
    )


def test_a_subsaga_needs_a_dag() -> None:
    """Not, say, a builder of one."""
    builder = DagBuilder("s")
    builder.append(act("a"))
    builder.append(NodeFactory.subsaga("s", DagBuilder("t"), "a"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    builder.append(NodeFactory.subsaga("u", None, "a"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    found = mistakes(builder)
    assert [mistake.partition(":")[0] for mistake in found] == ['subsaga "s"', 'subsaga "u"']


def test_a_saga_without_nodes_is_a_mistake() -> None:
    """With `DagBuilder` a saga ends in exactly one node, as in Steno."""
    assert mistakes(DagBuilder("s")) == ("the saga must end in exactly one node",)


def test_the_name_of_a_saga_has_a_limit() -> None:
    """As all names."""
    builder = DagBuilder("x" * (MAX_NAME_CHARS + 1))
    builder.append(act("a"))
    assert mistakes(builder) == ("the name of the saga is over 200 characters",)


def test_after_a_refused_build_the_mistakes_stay() -> None:
    """A builder with a mistake never builds."""
    builder = DagBuilder("s")
    builder.append_parallel([])
    first = mistakes(builder)
    builder.append(act("a"))
    assert mistakes(builder) == first[:1]


# -- cost ------------------------------------------------------------------------------------


def wide(name: str, *widths: int) -> Dag:
    return staged(
        name,
        *[acts(*[f"n{stage}_{place}" for place in range(width)])
          for stage, width in enumerate(widths)],
    )  # fmt: skip


def test_a_stage_boundary_costs_the_sum_not_the_product() -> None:
    """Two stages of 1,000: 2,000 edges between them, and not a million."""
    dag = wide("s", 1000, 1000, 1)
    assert len(dag.edges) == 1000 + (1000 + 1000) + 1000 + 1


def test_a_subsaga_keeps_its_joins() -> None:
    """Put in somewhere, wide stages still cost their sum."""
    dag = staged("s", acts("a"), [NodeFactory.subsaga("s", wide("i", 500, 500, 1), "a")])
    assert len(dag.edges) == 1 + 1 + 500 + (500 + 500) + 500 + 1 + 1


@pytest.mark.parametrize("stages", [1, 10, 100, 1000])
def test_many_narrow_stages_cost_in_proportion(stages: int) -> None:
    """Stages of 2: four edges and one join between two of them."""
    dag = wide("s", *[2] * stages, 1)
    assert len(dag.edges) == 2 + 4 * (stages - 1) + 2 + 1
    assert len(dag.nodes) == 2 * stages + 1 + 2 + (stages - 1)


def test_a_line_of_the_most_nodes_is_built_and_begun() -> None:
    """Nothing recurses along it, in the builder, the DAG or the fold."""
    builder = DagBuilder("s")
    for index in range(99_998):
        builder.append(NodeSpec(NodeKind.ACTION, f"n{index}", action="x"))
    dag = builder.build()
    assert len(dag.nodes) == 100_000
    assert plan(SagaState(dag)) == []
    del dag, builder
    gc.collect()


@given(st.lists(st.integers(1, 4), max_size=6), st.data())
def test_a_node_depends_on_all_earlier_stages_and_on_nothing_else(
    widths: list[int], data: st.DataObject
) -> None:
    """What the stages say, worked out naively: each depends on the whole stage before it."""
    inner = named()[data.draw(st.sampled_from(["diamond", "stages with joins", "line of 1"]))]
    earlier: list[str] = []
    wanted: dict[str, set[str]] = {}
    stages: list[list[NodeSpec]] = []
    for number, width in enumerate([*widths, 1]):
        stage: list[NodeSpec] = []
        for place in range(width):
            name = f"n{number}_{place}"
            wanted[name] = set(earlier)
            if data.draw(st.booleans()) and earlier:
                stage.append(NodeFactory.subsaga(name, inner, earlier[0]))
                inside = {path: {f"{name}/{each}" for each in above}
                          for path, above in names_above(inner).items()}  # fmt: skip
                wanted |= {f"{name}/{path}": set(earlier) | above for path, above in inside.items()}
                wanted[name] |= {f"{name}/{path}" for path in inside}
            else:
                stage.append(act(name))
        stages.append(stage)
        earlier = [path for path in wanted if path not in earlier] + earlier
    assert names_above(staged("s", *stages)) == wanted


def names_above(dag: Dag) -> dict[str, set[str]]:
    """Return for each path those of all it depends on."""
    above: list[set[int]] = [set() for _ in dag.nodes]
    for node in sorted(range(len(dag.nodes)), key=dag.rank.__getitem__):
        for parent in dag.parents[node]:
            above[node] |= {parent} | above[parent]
    return {
        path: {dag.paths[each] for each in above[index] if dag.paths[each]}
        for path, index in dag.by_path.items()
    }


def test_policies_of_an_inner_dag_do_not_count() -> None:
    """A subsaga is part of the same saga; the outer one decides."""
    inner = replace(named()["diamond"], siblings=Siblings.CANCEL, on_stuck=OnStuck.HALT)
    dag = staged("s", acts("z"), [NodeFactory.subsaga("s", inner, "z")])
    assert (dag.siblings, dag.on_stuck) == (Siblings.FINISH, OnStuck.CONTINUE)
