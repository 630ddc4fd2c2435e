"""The 240 runs of the vectors, driven by our planner and fold: each ends as in Steno."""

import json
from collections import Counter
from functools import cache
from typing import Any, NamedTuple

import pytest

from sagacity.core.outcome import Unwound
from sagacity.core.views import SagaView
from sagacity.steno import dump, load, log_text, status_text
from sagacity.steno.document import parse
from tests.steno.expectations import (
    as_set,
    order_mistakes,
    outputs_of,
    result_of,
    settled_by_order,
    without_lines,
    without_undos,
)
from tests.steno.spec import Call
from tests.steno.vectors import Case, collect, dag_ids, faults_of, given, index, new_run, read, runs

LINEAR = frozenset({"linear1", "linear2", "linear5", "samename", "fails_action_failed"})
# Ours words the mistake in the look-up itself.
OWN_WORDS = "fails_bad_lookup"

each_dag = pytest.mark.parametrize("dag_id", given(dag_ids))


class Ours(NamedTuple):
    view: SagaView
    document: Any
    calls: list[Call]


@cache
def ours(case_index: int) -> Ours:
    case = index()[case_index]
    calls: list[Call] = []
    view = new_run(case["dag_id"], calls).drive(faults_of(case))
    return Ours(view, dump(view), calls)


def run(case: Case) -> tuple[Ours, Case]:
    return ours(index().index(case)), read(case["run_file"])


def by_order(case: Case, view: SagaView) -> set[int]:
    """Return the nodes whose undo depends on the order among siblings."""
    stuck = [node for node, _ in case["inject"]["undo_error"]]
    return settled_by_order(view.dag, stuck) if case["kind"] == "stuck" else set()


def ended(dag_id: str) -> list[Case]:
    return runs(dag_id, "ok", "failed", "stuck")


@each_dag
def test_the_result_is_stenos(dag_id: str) -> None:
    """Output, node outputs, the error and the undo error that Steno reports."""

    def difference(case: Case) -> Any:
        own, steno = run(case)
        expected = steno["result"]
        if "ok" in expected:
            outputs = expected["ok"].pop("node_outputs")
            if outputs_of(own.view) != outputs:
                return outputs_of(own.view), outputs
        found = result_of(own.view)
        if dag_id == OWN_WORDS:
            for result in (expected, found):
                assert result["err"].pop("error_source").popitem()[0] == "DeserializeFailed"
                assert result["err"].pop("error_source_text").startswith("deserialize failed: ")
        return found != expected and (found, expected)

    assert collect(ended(dag_id), difference) == {}


@each_dag
def test_the_final_status_is_stenos(dag_id: str) -> None:
    """Every node ends in the status that Steno prints."""

    def difference(case: Case) -> Any:
        own, steno = run(case)
        free = by_order(case, own.view)
        found = without_lines(status_text(own.view), own.view.dag, free)
        expected = without_lines(steno["status"], own.view.dag, free)
        return found != expected and (found, expected)

    assert collect(ended(dag_id), difference) == {}


@each_dag
def test_the_events_are_stenos(dag_id: str) -> None:
    """The dump has the same events, those of the markers among them."""

    def difference(case: Case) -> Any:
        own, steno = run(case)
        free = by_order(case, own.view)
        found = as_set(without_undos(own.document["events"], free))
        expected = as_set(without_undos(steno["serialized"]["events"], free))
        if dag_id == OWN_WORDS:
            found, expected = (
                {each for each in events if "DeserializeFailed" not in each}
                for events in (found, expected)
            )
        return found ^ expected

    assert collect(ended(dag_id), difference) == {}


@each_dag
def test_the_order_of_events_keeps_the_dependencies(dag_id: str) -> None:
    """Nothing starts before what it depends on is done, nor is undone before its dependents."""
    cases = runs(dag_id, "ok", "failed", "stuck", "none")
    assert collect(cases, lambda case: order_mistakes(run(case)[0].document)) == {}


@each_dag
def test_the_calls_are_stenos(dag_id: str) -> None:
    """The same actions and undos are called, as often, and undos see the same output."""

    def difference(case: Case) -> Any:
        own, steno = run(case)
        if "action_calls" not in steno:  # Steno's own example does not count its calls
            return None
        dag = own.view.dag
        free = {dag.nodes[node].name for node in by_order(case, own.view)}

        def counted(calls: list[Any]) -> Counter[tuple[Any, ...]]:
            return Counter(
                tuple(call) for call in calls if not (call[0] == "undo" and call[1] in free)
            )

        found, expected = counted(list(own.calls)), counted(steno["action_calls"])
        return found != expected and (found - expected, expected - found)

    assert collect(ended(dag_id), difference) == {}


@pytest.mark.parametrize("dag_id", given(lambda: LINEAR))
def test_where_the_order_is_certain_the_texts_are_stenos(dag_id: str) -> None:
    """In a chain the pretty log and the whole serialized text are the same, byte for byte."""

    def difference(case: Case) -> Any:
        own, steno = run(case)
        found = log_text(own.view), json.dumps(own.document)
        expected = steno["pretty_log"], json.dumps(steno["serialized"])
        return found != expected and (found, expected)

    assert collect(ended(dag_id), difference) == {}


@each_dag
def test_the_dumped_dag_is_stenos(dag_id: str) -> None:
    """Inside `dag` the members are sorted by name, as Steno leaves them."""

    def difference(case: Case) -> Any:
        own, steno = run(case)
        return json.dumps(own.document["dag"]) != json.dumps(steno["serialized"]["dag"])

    assert collect(ended(dag_id), difference) == {}


@each_dag
def test_where_steno_panicked_ours_unwinds(dag_id: str) -> None:
    """Siblings that fail at once kill Steno's coordinator; here both errors are kept."""

    def difference(case: Case) -> Any:
        view = run(case)[0].view
        failed: dict[int, str] = dict(case["inject"]["error"])
        clean = isinstance(view.outcome, Unwound) and len(view.errors) == len(failed)
        lowest = result_of(view)["err"]["error_node_name"] == failed[min(failed)]
        return not (clean and lowest) and view.outcome

    assert collect(runs(dag_id, "none"), difference) == {}


@each_dag
def test_a_dump_can_be_loaded(dag_id: str) -> None:
    """What was written is read again: no event is lost, none is added."""

    def difference(case: Case) -> Any:
        document = run(case)[0].document
        load(json.dumps(document))
        read_again = parse(document)
        return set(read_again.events) != set(parse(json.dumps(document)).events)

    assert collect(runs(dag_id, "ok", "failed", "stuck", "none"), difference) == {}
