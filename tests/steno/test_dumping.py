"""Writing a saga in Steno's form: its events, and what that form cannot say."""

import json
from dataclasses import replace
from typing import Any

import pytest

from sagacity.core.actions import ActionFunc
from sagacity.core.bindings import OutputOf, ParamsOf
from sagacity.core.builder import DagBuilder, NodeFactory
from sagacity.core.codec import LoggedEvent
from sagacity.core.dag import Dag
from sagacity.core.events import (
    Effect,
    ErrorKind,
    ErrorRecord,
    Failed,
    FinalState,
    Finished,
    Started,
    StartRequested,
    Unwinding,
)
from sagacity.core.nodes import Node, NodeKind, Undoing
from sagacity.core.views import SagaView
from sagacity.errors import NotSteno
from sagacity.steno import dump, load, log_text, status_text
from tests.steno.driver import SAGA_ID, Faults, Run
from tests.steno.expectations import order_mistakes
from tests.steno.spec import Spec, action_node, build, registry

# a, then a subsaga with b and c side by side, then d.
NESTED: Spec = {
    "saga_name": "outer",
    "stages": [
        [action_node("a")],
        [
            {
                "kind": "subsaga",
                "name": "sub",
                "params_node": "a",
                "dag": {
                    "saga_name": "inner",
                    "stages": [
                        [action_node("b", use_params=True)],
                        [action_node("c", "b"), action_node("k", "b")],
                        [action_node("e", "c", "k"), action_node("f", "c", "k")],
                        [action_node("g", "e", "f")],
                    ],
                },
            },
            action_node("x", "a"),
        ],
        [action_node("d", "sub", "x")],
    ],
}


def created(spec: Spec, params: Any = None) -> Run:
    return Run.created(build(spec), params, registry(spec, []))


def kinds(document: Any) -> list[tuple[int, str]]:
    """Return node and kind of each event."""
    return [
        (event["node_id"], kind if isinstance(kind, str) else next(iter(kind)))
        for event in document["events"]
        for kind in [event["event_type"]]
    ]


def test_a_small_saga_is_dumped_to_the_letter() -> None:
    """The members are in Steno's order: those of the saga as declared, those of `dag` by name."""
    view = created({"saga_name": "one", "stages": [[action_node("a")]]}, {"v": 1}).drive()
    event = f'{{"saga_id": "{SAGA_ID}", "node_id": %d, "event_type": %s}}'
    events = [
        event % (1, '"started"'),
        event % (1, '{"succeeded": null}'),
        event % (0, '"started"'),
        event % (0, '{"succeeded": {"n": "a", "v": 1}}'),
        event % (2, '"started"'),
        event % (2, '{"succeeded": null}'),
    ]
    assert json.dumps(dump(view)) == (
        f'{{"saga_id": "{SAGA_ID}", '
        '"dag": {"end_node": 2, "graph": {"edge_property": "directed", '
        '"edges": [[1, 0, null], [0, 2, null]], "node_holes": [], "nodes": ['
        '{"Action": {"action_name": "do_a", "label": "DoA", "name": "a"}}, '
        '{"Start": {"params": {"v": 1}}}, "End"]}, "saga_name": "one", "start_node": 1}, '
        f'"events": [{", ".join(events)}]}}'
    )


def test_markers_of_subsagas_are_logged_where_they_advance() -> None:
    """A subsaga's start is done before what is inside of it begins, and undone after it."""
    run = created(NESTED)
    document = dump(run.drive(Faults(errors=frozenset({run.state.dag.find("d")}))))
    assert order_mistakes(document) == []
    start = run.state.dag.nodes.index(
        next(node for node in run.state.dag.nodes if node.kind is NodeKind.SUBSAGA_START)
    )
    assert [kind for node, kind in kinds(document) if node == start] == [
        "started", "succeeded", "undo_started", "undo_finished",
    ]  # fmt: skip


def test_two_failures_in_subsagas_are_told_with_their_starts() -> None:
    """The second failure undoes a subsaga's start by itself, and that is logged."""
    subsagas: list[Spec] = [
        {
            "kind": "subsaga",
            "name": name,
            "params_node": "a",
            "dag": {"saga_name": name, "stages": [[action_node(f"in{name}")]]},
        }
        for name in ("m", "n")
    ]
    spec: Spec = {
        "saga_name": "s",
        "stages": [[action_node("a")], subsagas, [action_node("z")]],
    }
    run = Run.created(build(spec), 1, registry(spec, []))
    both = frozenset(run.state.dag.find(path) for path in ("m/inm", "n/inn"))
    view = run.drive(Faults(errors=both))
    starts = [index for index, node in enumerate(view.dag.nodes) if node.label in ("m", "n")]
    undone = [
        event["node_id"] for event in dump(view)["events"] if event["event_type"] == "undo_finished"
    ]
    assert set(starts) < set(undone)
    assert len(view.errors) == 2


def test_joins_are_expanded() -> None:
    """Two stages of two have four edges; inside a subsaga each node's come in reverse."""
    dag = build(NESTED)
    assert sum(node.kind is NodeKind.JOIN for node in dag.nodes) == 1
    document = dump(created(NESTED).view())
    index = {path: dag.find(path) for path in ("sub/c", "sub/k", "sub/e", "sub/f")}
    c, k, e, f = index.values()
    between = [edge[:2] for edge in document["dag"]["graph"]["edges"] if edge[1] in (e, f)]
    assert between == [[k, e], [c, e], [k, f], [c, f]]
    assert len(document["dag"]["graph"]["nodes"]) == len(dag.nodes) - 1


def test_a_node_that_ran_again_has_one_start() -> None:
    """Steno does not count: after a crash it runs an action again without saying so."""
    run = created(NESTED)
    run.crash_after(1)
    run.crash()
    document = dump(run.drive())
    assert len(kinds(document)) == len(set(kinds(document)))
    assert order_mistakes(document) == []


def test_an_undo_that_ran_again_has_one_start() -> None:
    """The same while unwinding."""
    run = created({"saga_name": "s", "stages": [[action_node("a")], [action_node("b")]]})
    faults = Faults(errors=frozenset({1}))
    run.crash_after(2, faults)
    run.crash()
    document = dump(run.drive(faults))
    assert kinds(document)[-4:] == [
        (0, "undo_started"), (0, "undo_finished"), (2, "undo_started"), (2, "undo_finished"),
    ]  # fmt: skip


def test_an_action_without_undo_is_undone_as_in_steno() -> None:
    """Ours logs only that there was nothing to take back; Steno logs its no-op undo."""

    async def do(_ctx: Any) -> None: ...

    builder = DagBuilder("s")
    builder.append(NodeFactory.action("a", "A", ActionFunc("do_a", do)))
    builder.append(NodeFactory.action("b", "B", "do_b"))
    spec: Spec = {"saga_name": "s", "stages": [[action_node("a")], [action_node("b")]]}
    run = Run.created(builder.build(), None, registry(spec, []))
    assert run.state.dag.nodes[0].undoing is Undoing.NOTHING
    document = dump(run.drive(Faults(errors=frozenset({1}))))
    assert kinds(document)[6:8] == [(0, "undo_started"), (0, "undo_finished")]


def test_a_saga_in_flight_can_be_dumped() -> None:
    """At any moment; what is in flight has no end yet, and runs again where it is loaded."""
    run = created(NESTED)
    document = dump(run.crash_after(1))
    inside = {run.state.dag.find("sub/b"), run.state.dag.find("x")}
    assert {node for node, kind in kinds(document) if kind == "started"} >= inside
    again = Run.resumed(load(document), registry(NESTED, []))
    assert status_text(again.drive()) == status_text(created(NESTED).drive())


# -- what cannot be said ----------------------------------------------------------


def with_log(run: Run, *events: Any) -> SagaView:
    for event in events:
        run.apply(event)
    return run.view()


def test_a_traced_dag_cannot_be_said() -> None:
    """All reasons at once: no start and end, bound inputs, an undo for unknown outcomes."""
    node = Node(
        NodeKind.ACTION, "pay", action="pay", version="2",
        undoing=Undoing.ANY, inputs={"trip": ParamsOf(-1)},
    )  # fmt: skip
    dag = Dag("traced", (node, replace(node, name="book")), ((0, 1),), output=OutputOf(1))
    with pytest.raises(NotSteno) as caught:
        dump(Run.created(dag, None, registry({"stages": []}, [])).view())
    text = str(caught.value)
    for reason in (
        "has no start and end node",
        'node "pay" has bound inputs',
        'node "pay" is not atomic',
        'node "pay" has an undo for unknown outcomes',
        'node "pay" has version 2',
        'node "book" has bound inputs',
    ):
        assert reason in text


def test_an_unknown_outcome_cannot_be_said() -> None:
    """In Steno a failed node never has an effect: it would be left behind silently."""
    run = created({"saga_name": "s", "stages": [[action_node("a")]]})
    error = ErrorRecord(ErrorKind.OUTPUT, "not storable")
    view = with_log(run, StartRequested(), Started(0, 1), Failed(0, error, Effect.POSSIBLE))
    with pytest.raises(NotSteno, match='node "a" failed with an unknown outcome'):
        dump(view)
    assert "failed: DoA" in status_text(view)
    assert "N000 failed" in log_text(view)


def test_an_unknown_outcome_with_nothing_to_take_back_can_be_said() -> None:
    """Steno undoes no failed node, and here there is nothing that could be left behind."""

    async def do(_ctx: Any) -> None: ...

    builder = DagBuilder("s")
    builder.append(NodeFactory.action("a", "A", ActionFunc("do_a", do)))
    run = Run.created(builder.build(), None, registry({"stages": []}, []))
    failure = Failed(0, ErrorRecord(ErrorKind.OUTPUT, "not storable"), Effect.POSSIBLE)
    with_log(run, StartRequested(), Started(0, 1), failure)
    document = dump(run.drive())
    assert [kind for node, kind in kinds(document) if node == 0] == ["started", "failed"]
    assert order_mistakes(document) == []


def test_unwinding_without_a_failure_cannot_be_said() -> None:
    """An abort is no failure of a node: Steno would go forward with it."""
    run = created({"saga_name": "s", "stages": [[action_node("a")]]})
    with pytest.raises(NotSteno, match="unwound although no node failed"):
        dump(with_log(run, StartRequested(), Unwinding("a person said so")))


def test_an_abandoned_saga_cannot_be_said() -> None:
    """Steno would go on with it."""
    run = created({"saga_name": "s", "stages": [[action_node("a")]]})
    with pytest.raises(NotSteno, match="it was abandoned"):
        dump(with_log(run, StartRequested(), Finished(FinalState.ABANDONED)))


def test_a_graph_too_large_without_joins_is_refused() -> None:
    """1,001 nodes behind 1,000 are 2,001 edges here, and 1,001,000 there."""
    builder = DagBuilder("wide")
    for stage, width in enumerate((1_000, 1_001, 1)):
        builder.append_parallel(
            [NodeFactory.constant(f"{stage}-{number}", 1) for number in range(width)]
        )
    run = Run.created(builder.build(), None, registry({"stages": []}, []))
    with pytest.raises(NotSteno, match=r"1,003,002 edges .* over the limit of 1,000,000"):
        dump(run.view())


def test_labels_and_times_are_left_out() -> None:
    """They change nothing of what Steno would do; the docstring says so."""
    view = created({"saga_name": "s", "stages": [[action_node("a")]]}).drive()
    later = tuple(
        LoggedEvent(logged.sequence, 1_700_000_000_000, 7, "somebody", logged.event)
        for logged in view.log
    )
    assert dump(replace(view, labels={"customer": "42"}, log=later)) == dump(view)
