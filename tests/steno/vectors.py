"""The vectors: what the real Steno did, as data. They are shared, not part of this tree."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.steno.driver import SAGA_ID, Faults, Run
from tests.steno.spec import PROVISION, Call, Spec, build, registry

_ROOT = Path(__file__).resolve().parents[2]
_VECTORS = Path(os.environ.get("SAGACITY_SHARED", _ROOT.parent / "shared")) / "steno" / "vectors"

Case = dict[str, Any]


def read(name: str) -> Any:
    """Return the content of a vector file."""
    return json.loads((_VECTORS / name).read_text(encoding="utf-8"))


needs_vectors = pytest.mark.skipif(
    not _VECTORS.is_dir(),
    reason=f"no vectors at {_VECTORS}; SAGACITY_SHARED says where the shared folder is",
)


def given(names: Callable[[], Iterable[str]]) -> Any:
    """Return the parameters of a test over vectors; without vectors, one that is skipped."""
    return sorted(names()) if _VECTORS.is_dir() else [pytest.param("", marks=needs_vectors)]


@cache
def index() -> tuple[Case, ...]:
    """Return all runs, in the order of the index."""
    return tuple(read("index.json")["cases"])


def dag_ids() -> set[str]:
    """Return the ids of all DAGs."""
    return {case["dag_id"] for case in index()}


def runs(dag_id: str, *kinds: str) -> list[Case]:
    """Return the runs of a DAG that ended in one of `kinds`."""
    return [case for case in index() if case["dag_id"] == dag_id and case["kind"] in kinds]


@cache
def dag_file(dag_id: str) -> Case:
    """Return what is known of a DAG."""
    found: Case = read(f"dags/{dag_id}.json")
    return found


def spec_of(dag_id: str) -> Spec:
    """Return the spec of a DAG."""
    spec = dag_file(dag_id)["spec"]
    # Steno's own example comes without a spec.
    return PROVISION if isinstance(spec, str) else spec


def document(dag_id: str, events: list[Any]) -> Case:
    """Return a serialized saga of a DAG."""
    return {"saga_id": str(SAGA_ID), "dag": dag_file(dag_id)["saga_dag"], "events": events}


def faults_of(case: Case) -> Faults:
    """Return what was injected."""
    inject = case["inject"]
    return Faults(
        errors=frozenset(node for node, _ in inject["error"]),
        undo_errors=frozenset(node for node, _ in inject["undo_error"]),
        repeat={node: (counts["action"], counts["undo"]) for node, _, counts in inject["repeat"]},
    )


def new_run(dag_id: str, calls: list[Call]) -> Run:
    """Return a new saga of a DAG."""
    spec = spec_of(dag_id)
    return Run.created(build(spec), dag_file(dag_id)["params"], registry(spec, calls))


def collect(cases: Iterable[Case], difference: Callable[[Case], Any]) -> dict[str, Any]:
    """Return what differs, by case; an empty result is what a test wants."""
    found = {case["case"]: difference(case) for case in cases}
    return {name: what for name, what in found.items() if what}
