"""Every prefix of every recorded log, loaded and driven on: 1,888 crash points."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from sagacity.steno import dump, load, status_text
from tests.steno.driver import Run
from tests.steno.expectations import (
    as_set,
    has_failed,
    new_events,
    order_mistakes,
    result_of,
    started_in,
    stenos,
)
from tests.steno.spec import registry
from tests.steno.vectors import (
    Case,
    dag_ids,
    document,
    faults_of,
    given,
    index,
    read,
    spec_of,
)

OWN_WORDS = "fails_bad_lookup"

each_dag = pytest.mark.parametrize("dag_id", given(dag_ids))


@cache
def recorded(dag_id: str) -> list[tuple[Case, Case, list[Any]]]:
    """Return each run that was resumed: its case, its prefixes, all of its events."""
    found: list[tuple[Case, Case, list[Any]]] = []
    for case in index():
        if case["dag_id"] == dag_id and case.get("resume_file"):
            resumes = read(case["resume_file"])
            events = read(resumes["events_from"])["serialized"]["events"]
            found.append((case, resumes, events))
    return found


def prefixes(dag_id: str) -> Iterator[tuple[str, Case, Case, list[Any]]]:
    """Yield a name, the case, what Steno did, and the events so far."""
    for case, resumes, events in recorded(dag_id):
        for prefix in resumes["prefixes"]:
            count = prefix["k"]
            yield f"{case['case']}[:{count}]", case, prefix, events[:count]


def resumed(dag_id: str, events: list[Any]) -> Run:
    return Run.resumed(load(document(dag_id, events)), registry(spec_of(dag_id), []))


@each_dag
def test_a_loaded_saga_shows_stenos_status(dag_id: str) -> None:
    """Before it is started, wherever Steno took its own log."""
    found = {
        name: text
        for name, _, steno, events in prefixes(dag_id)
        if "create_error" not in steno
        and (text := status_text(resumed(dag_id, events).view())) != steno["initial_status"]
    }
    assert found == {}


@each_dag
def test_a_resumed_saga_ends_as_in_steno(dag_id: str) -> None:
    """The same new events, final status and result, wherever Steno could resume."""
    found: dict[str, Any] = {}
    for name, _, steno, events in prefixes(dag_id):
        if "create_error" in steno:
            continue
        view = resumed(dag_id, events).drive()
        ours = [status_text(view), new_events(view, events), result_of(view)]
        theirs = [steno["final_status"], stenos(steno["new_events"]), steno["result"]]
        told = 1 if dag_id == OWN_WORDS else 3
        if ours[:told] != theirs[:told]:
            found[name] = ours, theirs
    assert found == {}


@each_dag
def test_the_same_faults_again_give_the_same_end(dag_id: str) -> None:
    """Injected faults are not in the log; injected again, the end is that of the first run."""
    found: dict[str, Any] = {}
    for name, case, steno, events in prefixes(dag_id):
        again = steno.get("reinjected")
        if again is None or "create_error" in again:
            continue
        view = resumed(dag_id, events).drive(faults_of(case))
        ours = new_events(view, events), result_of(view)
        theirs = stenos(again["new_events"]), again["result"]
        if ours != theirs:
            found[name] = ours, theirs
    assert found == {}


def rest_of(whole: list[Any], before: list[Any]) -> set[str]:
    """Return what a run's events come to when it goes on from `before`.

    All of them, unless a node had failed by then: siblings that had not begun, never do.
    """
    begun = started_in(before if has_failed(before) else whole)
    return as_set([event for event in whole if event["node_id"] in begun])


@each_dag
def test_where_steno_refuses_its_own_log_ours_goes_on(dag_id: str) -> None:
    """The saga ends as the run that was not interrupted: all that had begun is undone."""
    found: dict[str, Any] = {}
    for name, case, steno, events in prefixes(dag_id):
        if "create_error" not in steno:
            continue
        whole = read(case["run_file"])
        view = resumed(dag_id, events).drive(faults_of(case))
        document = dump(view)
        ours = result_of(view), as_set(document["events"])
        theirs = whole["result"], rest_of(whole["serialized"]["events"], events)
        if ours != theirs or order_mistakes(document):
            found[name] = ours, theirs
    assert found == {}


@each_dag
def test_a_loaded_log_is_dumped_whole(dag_id: str) -> None:
    """Loading and dumping, without starting, gives the events that were read and no others."""
    found = {
        name: view
        for name, _, _, events in prefixes(dag_id)
        if new_events(view := resumed(dag_id, events).view(), events)
    }
    assert found == {}


@each_dag
def test_a_crash_of_ours_in_the_middle_changes_nothing(dag_id: str) -> None:
    """A saga that was resumed, dumped half way and resumed again ends the same."""
    found: dict[str, Any] = {}
    for case, _, events in recorded(dag_id):
        faults = faults_of(case)
        for count in range(0, len(events), 5):
            first = resumed(dag_id, events[:count])
            dumped = dump(first.crash_after(2, faults))
            again = Run.resumed(load(dumped), registry(spec_of(dag_id), []))
            ours = as_set(dump(again.drive(faults))["events"])
            theirs = rest_of(events, dumped["events"])
            if ours != theirs and dag_id != OWN_WORDS:
                found[f"{case['case']}[:{count}]"] = ours ^ theirs
    assert found == {}
