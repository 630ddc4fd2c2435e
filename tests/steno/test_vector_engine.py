"""The vectors on the real engine: runs, resumes, and misuse of its API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from sagacity import NoSuchSaga, SagaExists, SagaStateError, Sec, Stuck, open_store
from sagacity.core.dag import Dag
from sagacity.engine.handle import Handle
from sagacity.steno import load, log_text, status_text
from tests.steno.driver import Faults
from tests.steno.expectations import new_events, result_of, stenos
from tests.steno.spec import Call, build, registry
from tests.steno.test_vector_resumes import prefixes
from tests.steno.vectors import (
    Case,
    dag_file,
    dag_ids,
    document,
    faults_of,
    given,
    index,
    needs_vectors,
    read,
    runs,
    spec_of,
)

each_dag = pytest.mark.parametrize("dag_id", given(dag_ids))


async def inject(handle: Handle[Any], dag: Dag, faults: Faults) -> None:
    """Inject what a vector injects."""
    for node in faults.errors:
        await handle.inject_error(dag.paths[node])
    for node in faults.undo_errors:
        await handle.inject_undo_error(dag.paths[node])
    for node, (action, undo) in faults.repeat.items():
        await handle.inject_repeat(dag.paths[node], action=action, undo=undo)


@each_dag
async def test_a_run_ends_as_in_steno(dag_id: str) -> None:
    """The same result, final status, events and calls, of runs that ended cleanly."""
    calls: list[Call] = []
    dag = build(spec_of(dag_id))
    wrong: dict[str, Any] = {}
    async with Sec(open_store("memory://"), registry(spec_of(dag_id), calls)) as sec:
        for case in runs(dag_id, "ok", "failed"):
            steno = read(case["run_file"])
            steno["result"].get("ok", {}).pop("node_outputs", None)  # the core's tests have it
            calls.clear()
            handle = await sec.create(dag, dag_file(dag_id)["params"])
            await inject(handle, dag, faults_of(case))
            await handle.start()
            await handle.wait()
            view = await handle.view()
            status = status_text(view).replace(str(view.id), steno["serialized"]["saga_id"])
            same = (
                result_of(view) == steno["result"],
                sorted(status.splitlines()) == sorted(steno["status"].splitlines()),
                new_events(view, []) == stenos(steno_events(steno)),
                # Steno's own example does not count its calls.
                sorted(calls) == sorted(tuple(call) for call in steno.get("action_calls", calls)),
            )
            if not all(same) and case["stable"] and dag_id != "fails_bad_lookup":
                wrong[case["case"]] = same
    assert wrong == {}


def steno_events(steno: Case) -> list[Any]:
    """Return the events of a recorded run, as resumes list them."""
    found: list[Any] = []
    for event in steno["serialized"]["events"]:
        kind = event["event_type"]
        if isinstance(kind, str):
            found.append([event["node_id"], kind])
        else:
            ((name, payload),) = kind.items()
            found.append([event["node_id"], name, payload])
    return found


@each_dag
async def test_a_run_that_steno_leaves_stuck_is_stuck(dag_id: str) -> None:
    """An undo that fails leaves the saga stuck, for a person to decide."""
    dag = build(spec_of(dag_id))
    async with Sec(open_store("memory://"), registry(spec_of(dag_id), [])) as sec:
        for case in runs(dag_id, "stuck"):
            handle = await sec.create(dag, dag_file(dag_id)["params"])
            await inject(handle, dag, faults_of(case))
            await handle.start()

            outcome = await handle.wait()

            assert isinstance(outcome, Stuck), case["case"]
            assert outcome.undo_errors, case["case"]


@each_dag
async def test_every_prefix_resumes_and_ends(dag_id: str) -> None:
    """Also those that Steno refuses though it wrote them: all end, and as in Steno where it did."""
    wrong: dict[str, Any] = {}
    actions = registry(spec_of(dag_id), [])
    for name, case, steno, events in prefixes(dag_id):
        if case["kind"] not in {"ok", "failed"}:
            continue
        async with Sec(open_store("memory://"), actions) as sec:
            handle = await sec.resume(load(document(dag_id, events)))
            before = status_text(await handle.view())
            await handle.start()
            await handle.wait()
            view = await handle.view()
        if "create_error" in steno:
            if view.state not in {"succeeded", "unwound"}:
                wrong[name] = view.state
        elif before != steno["initial_status"] or (
            dag_id != "fails_bad_lookup" and result_of(view) != steno["result"]
        ):
            wrong[name] = (before == steno["initial_status"], result_of(view))
    assert wrong == {}


@needs_vectors
async def test_a_look_up_of_the_wrong_shape_is_what_steno_calls_it() -> None:
    """An input that does not fit is told apart from an exception of the action."""
    dag = build(spec_of("fails_bad_lookup"))
    async with Sec(open_store("memory://"), registry(spec_of("fails_bad_lookup"), [])) as sec:
        handle = await sec.create(dag, dag_file("fails_bad_lookup")["params"])
        await handle.start()
        await handle.wait()
        result = result_of(await handle.view())

    (source,) = result["err"]["error_source"]
    assert source == "DeserializeFailed"


@needs_vectors
async def test_misuse_is_an_error_and_harms_nothing() -> None:
    """What Steno's API answers to misuse, without its panics and forgotten sagas."""
    case = next(case for case in index() if case["dag_id"] == "linear2" and case["kind"] == "ok")
    events = read(case["run_file"])["serialized"]["events"]
    saga = load(document("linear2", events[:2]))
    async with Sec(open_store("memory://"), registry(spec_of("linear2"), [])) as sec:
        with pytest.raises(NoSuchSaga):
            await sec.handle(UUID(int=1)).start()
        with pytest.raises(NoSuchSaga):
            await sec.get(UUID(int=1))
        with pytest.raises(NoSuchSaga):
            await sec.handle(UUID(int=1)).inject_error("n1")
        handle = await sec.resume(saga)
        with pytest.raises(SagaExists):
            await sec.resume(saga)
        await handle.start()
        with pytest.raises(SagaStateError):
            await handle.start()
        await handle.wait()
        with pytest.raises(SagaStateError):
            await handle.start()
        with pytest.raises(SagaStateError):
            await handle.inject_error("n1")

        view = await handle.view()
        assert view.state == "succeeded"
        assert log_text(view).count("succeeded") == 4
