"""Damaged input of the vectors: ours refuses what makes no sense, and says what is wrong.

Where Steno took its own log back or ran what it should not have, ours does better.
"""

from typing import Any

import pytest

from sagacity.errors import DagError, NotSteno
from sagacity.steno import dump, load, status_text
from tests.steno.driver import Faults, Run
from tests.steno.expectations import new_events, order_mistakes, result_of, stenos
from tests.steno.spec import Call, build, registry
from tests.steno.vectors import (
    Case,
    collect,
    document,
    given,
    needs_vectors,
    new_run,
    read,
    spec_of,
)

# Steno wrote such logs itself: the join behind the two was never started.
REFUSED_BY_MISTAKE = "dia_sibling_failed_other_undo_started"
# Steno takes these silently: an event of a node that does not exist.
TAKEN_BY_MISTAKE = ("node_id_beyond_graph_started", "node_id_max_started")

# What our text says of each, beside which node or edge it is.
BAD_DAGS = {
    "missing_graph": 'no member "graph"',
    "missing_edge_property": 'no member "edge_property"',
    "edge_null": "edges[3]: None is not [from, to, null]",
    "edge_weight_nonnull": "edges[0]: [0, 1, 5] is not [from, to, null]",
    "start_node_out_of_range": "start_node is 77",
    "end_node_wrong_index": "end_node is 1",
    "cycle": 'cycle: node 0 ("n1") <- node 1 ("n2") <- node 0 ("n1")',
    "orphan_node": 'node 4 ("orphan") is behind no other node',
    "subsaga_pair_bad_params_name": '"zzz"',
    "end_with_two_parents": "must end in exactly one node",
    "duplicate_edge": "edge (0, 1) is there twice",
    "nodes_and_edges_empty": "the start nodes of the graph are []",
}
BUILDER_ERRORS = {
    "empty": ["the saga must end in exactly one node"],
    "empty_stage": ["a parallel stage has no nodes", "the saga must end in exactly one node"],
    "dup_direct": ['node "a": the name is used more than once'],
    "sub_params_missing": ['subsaga "b": its params come from node "barf", but'],
    "sub_params_sibling": ['subsaga "b": its params come from node "c", but', "exactly one node"],
    "two_errors_first_wins_dup_and_params": [
        'node "a": the name is used more than once',
        'subsaga "b": its params come from node "nope", but',
    ],
}

each = pytest.mark.parametrize


def cases(name: str) -> dict[str, Case]:
    return {case["case"]: case for case in read(name)["cases"]}


def logs(*, refused: bool) -> list[str]:
    """Return the damaged logs that ours refuses, or those that it takes."""

    def is_refused(case: Case) -> bool:
        name = case["case"]
        return name in TAKEN_BY_MISTAKE or (case["kind"] == "none" and name != REFUSED_BY_MISTAKE)

    named = cases("invalid_logs.json").items()
    return [name for name, case in named if is_refused(case) is refused]


def injections() -> dict[str, Case]:
    """Return what Steno does to an error at each node, by the node's index."""
    return {str(case["inject_error_at"]): case for case in read("odd_injections.json")["cases"]}


@each("name", given(lambda: logs(refused=True)))
def test_a_log_that_cannot_be_is_refused(name: str) -> None:
    """One clear error that names the node, where Steno answers, panics, or takes it."""
    case = cases("invalid_logs.json")[name]
    with pytest.raises(NotSteno, match=r"^events.*(node \d|another saga)"):
        load(document(case["dag_id"], case["events"]))


@each("name", given(lambda: logs(refused=False)))
def test_a_log_that_can_be_is_taken(name: str) -> None:
    """In whatever order it is; and it ends as in Steno."""
    case = cases("invalid_logs.json")[name]
    events = case["events"]
    run = Run.resumed(load(document(case["dag_id"], events)), registry(spec_of(case["dag_id"]), []))
    before = status_text(run.view())
    view = run.drive()
    assert order_mistakes(dump(view)) == []
    if name == REFUSED_BY_MISTAKE:
        assert result_of(view)["err"]["error_node_name"] == "b2"
        assert "undone: (start node)" in status_text(view)
        return
    assert before == case["initial_status"]
    assert status_text(view) == case["final_status"]
    assert result_of(view) == case["result"]
    assert new_events(view, events) == stenos(case["new_events"])


@each("name", given(lambda: BAD_DAGS))
def test_a_graph_that_cannot_be_is_refused(name: str) -> None:
    """When it is read, and not when it runs; the text says which node or edge."""
    with pytest.raises(NotSteno) as caught:
        load({**document("linear2", []), "dag": cases("bad_dags.json")[name]["dag"]})
    assert BAD_DAGS[name] in str(caught.value)


@needs_vectors
def test_every_bad_graph_has_been_looked_at() -> None:
    """The others run as in Steno, or fail for want of an action."""
    others = {name: case for name, case in cases("bad_dags.json").items() if name not in BAD_DAGS}

    def difference(case: Case) -> Any:
        saga = load({**document("linear2", []), "dag": case["dag"]})
        actions = registry(spec_of("linear2"), [])
        if case["case"] == "unregistered_action":
            return actions.missing_for(saga.dag) != ['no action "nope" is registered']
        return result_of(Run.resumed(saga, actions).drive()) != case["result"]

    assert len(others) == 5
    assert collect(others.values(), difference) == {}


@each("at", given(injections))
def test_any_named_node_can_fail_on_purpose(at: str) -> None:
    """Constants and subsaga ends too; what has no name cannot be aimed at, so nothing panics."""
    case, node = injections()[at], int(at)
    calls: list[Call] = []
    run = new_run("samename", calls)
    if node not in run.state.dag.by_path.values():
        assert case["kind"] == "none" or case["node"] is None
        return
    view = run.drive(Faults(errors=frozenset({node})))
    assert result_of(view) == case["result"]
    assert status_text(view) == case["status"]
    assert sorted(f"{verb} {name}" for verb, name, _ in calls) == sorted(case["action_calls"])


@each("name", given(lambda: cases("builder_errors.json")))
def test_the_builder_finds_the_same_mistakes(name: str) -> None:
    """And all of them, where Steno reports the first."""
    case = cases("builder_errors.json")[name]
    if name == "empty_names_ok":
        assert build(case["spec"]).by_path == {"": 0}
        return
    with pytest.raises(DagError) as caught:
        build(case["spec"])
    mistakes = caught.value.mistakes
    assert all(any(text in mistake for mistake in mistakes) for text in BUILDER_ERRORS[name])
