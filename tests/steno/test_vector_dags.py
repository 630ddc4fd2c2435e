"""The nine DAGs of the vectors, built by our builder: document, exact text, DOT, status."""

import json

import orjson
import pytest

from sagacity.core.values import encode
from sagacity.steno import dot, dump, load, status_text
from sagacity.steno.document import render_dag
from sagacity.steno.graph_writing import from_dag
from tests.steno.spec import build
from tests.steno.vectors import dag_file, dag_ids, document, given, new_run, spec_of

each_dag = pytest.mark.parametrize("dag_id", given(dag_ids))


@each_dag
def test_a_built_dag_is_stenos(dag_id: str) -> None:
    """Numbering, edges and their order are Steno's, to the letter of its own text."""
    steno = dag_file(dag_id)
    dag = from_dag(build(spec_of(dag_id)), encode(steno["params"]))
    assert orjson.dumps(render_dag(dag)).decode() == steno["saga_dag_text"]


@each_dag
def test_nodes_have_stenos_numbers(dag_id: str) -> None:
    """The named nodes are those that Steno lists, under the same index and name."""
    dag = build(spec_of(dag_id))
    named = [(index, node.name) for index, node in enumerate(dag.nodes) if not node.kind.is_marker]
    assert named == [(node["index"], node["name"]) for node in dag_file(dag_id)["get_nodes"]]


@each_dag
def test_the_drawing_is_stenos(dag_id: str) -> None:
    """DOT is the same text."""
    steno = dag_file(dag_id)
    assert dot(build(spec_of(dag_id)), steno["params"]) == steno["dot"]


@each_dag
def test_the_status_before_the_start_is_stenos(dag_id: str) -> None:
    """A new saga shows what Steno shows: the start node is queued, all else blocked."""
    assert status_text(new_run(dag_id, []).view()) == dag_file(dag_id)["initial_status"]


@each_dag
def test_a_read_dag_is_written_as_it_was(dag_id: str) -> None:
    """Reading and writing keep the order of nodes and edges."""
    steno = dag_file(dag_id)
    saga = load(json.dumps(document(dag_id, [])))
    assert render_dag(from_dag(saga.dag, saga.params)) == steno["saga_dag"]


@each_dag
def test_a_new_saga_has_an_empty_log(dag_id: str) -> None:
    """What was created and not started is dumped with its DAG and nothing more."""
    assert dump(new_run(dag_id, []).view()) == document(dag_id, [])
