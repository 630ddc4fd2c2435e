import contextlib
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagacity.core.bindings import Const, ListOf, OutputOf, ParamsOf
from sagacity.core.builder import DagBuilder, NodeFactory
from sagacity.core.dag import Dag, OnStuck, Siblings
from sagacity.core.definition import constants_of, dag_of, definition_of, read_constants
from sagacity.core.nodes import Node, NodeKind, Undoing
from sagacity.errors import LogCorrupt
from sagacity.testing.strategies import dags, plain_dags
from tests.recovery.shapes import acts, named, staged

GOLDEN = (
    b'{"constants":[{"a":1}],"dynamic":false,"edges":[[0,1],[1,2],[2,3]],"format":1,'
    b'"name":"book-trip","nodes":['
    b'{"kind":"constant","name":"c","atomic":true,"value":["const",0]},'
    b'{"action":"pay","inputs":[["trip",["params",-1]],["n",["output",0,"a"]]],"kind":"action",'
    b'"label":"Pay","name":"p","undoing":"any","version":"2"},'
    b'{"kind":"subsaga_start","label":"inner","name":"s","value":["list",["output",1],["const",0]]},'
    b'{"action":"x","atomic":true,"kind":"action","name":"i","scope":2,"undoing":"known",'
    b'"version":"1"}],"on_stuck":"halt","output":["object",["r",["output",3]]],'
    b'"siblings":"cancel","version":"1"}'
)


def test_a_definition_of_format_1_is_read_as_ever() -> None:
    """Stored with a saga, it must be read by all versions that follow."""
    dag = dag_of(GOLDEN)
    assert (dag.name, dag.version, dag.dynamic) == ("book-trip", "1", False)
    assert (dag.siblings, dag.on_stuck) == (Siblings.CANCEL, OnStuck.HALT)
    assert dag.constants == (b'{"a":1}',)
    assert dag.paths == ("c", "p", "", "s/i")
    assert dag.nodes[0] == Node(NodeKind.CONSTANT, "c", atomic=True, value=Const(0))
    assert dag.nodes[1] == Node(
        NodeKind.ACTION, "p", "Pay", action="pay", version="2", undoing=Undoing.ANY,
        inputs={"trip": ParamsOf(-1), "n": OutputOf(0, ("a",))},
    )  # fmt: skip
    assert dag.nodes[2] == Node(
        NodeKind.SUBSAGA_START, "s", "inner", value=ListOf((OutputOf(1), Const(0)))
    )
    assert dag.nodes[3].scope == 2


def test_what_was_read_is_written_as_it_was() -> None:
    """The text of a definition is canonical: its hash is the same for all who make it."""
    again = definition_of(dag_of(GOLDEN)).document
    assert again == orjson.dumps(orjson.loads(GOLDEN), option=orjson.OPT_SORT_KEYS)


@pytest.mark.parametrize(
    ("name", "fingerprint"),
    [
        ("line of 1", "c3ce45563cd0f066"),
        ("stages with joins", "f3c048e80890508d"),
        ("subsagas in subsagas", "cafd6e7bb005cfc2"),
    ],
)
def test_fingerprints_do_not_change(name: str, fingerprint: str) -> None:
    """Sagas in a store are found by them; a change of form would store each shape anew."""
    assert definition_of(named()[name]).fingerprint[:16] == fingerprint


@given(dags() | plain_dags(with_inputs=True))
def test_a_dag_is_read_as_it_was_stored(dag: Dag) -> None:
    """Every kind of DAG, whole: nodes, edges, bindings, policies, constants."""
    definition = definition_of(dag)
    back = dag_of(definition.document, constants_of(dag))
    assert definition_of(back) == definition
    for part in ("name", "version", "nodes", "edges", "output", "constants", "siblings", "on_stuck",
                 "dynamic", "parents", "children", "paths"):  # fmt: skip
        assert getattr(back, part) == getattr(dag, part)


def fingerprint(dag: Dag) -> str:
    return definition_of(dag).fingerprint


def constant(value: int, *, name: str = "s") -> Dag:
    return staged(name, [NodeFactory.constant("c", value)], acts("a"))


def test_equal_dags_have_one_fingerprint() -> None:
    """However they were made: it is the SHA-256 of the document."""
    assert definition_of(named()["diamond"]) == definition_of(named()["diamond"])
    assert len(fingerprint(named()["diamond"])) == 64


def test_constants_of_a_dynamic_dag_are_kept_with_the_saga() -> None:
    """All sagas of one shape share one stored definition."""
    one, two = constant(1), constant(2)
    assert fingerprint(one) == fingerprint(two)
    assert (constants_of(one), constants_of(two)) == (b"[1]", b"[2]")


def test_constants_of_another_dag_are_part_of_it() -> None:
    """They are the same for all its sagas, and another one is another definition."""
    one, two = (replace(constant(value), dynamic=False) for value in (1, 2))
    assert fingerprint(one) != fingerprint(two)
    assert constants_of(one) == b"[]"
    assert dag_of(definition_of(two).document).constants == (b"2",)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "t"}, {"version": "2"}, {"siblings": Siblings.CANCEL}, {"on_stuck": OnStuck.HALT},
        {"dynamic": False}, {"output": None}, {"output": OutputOf(0)}, {"edges": ()},
    ],
)  # fmt: skip
def test_what_a_saga_is_is_in_the_fingerprint(change: dict[str, Any]) -> None:
    """Shape, bindings, names, version and policies."""
    dag = constant(1)
    assert fingerprint(replace(dag, **change)) != fingerprint(dag)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "z"}, {"label": "z"}, {"action": "z"}, {"version": "9"},
        {"undoing": Undoing.NOTHING}, {"undoing": Undoing.ANY}, {"inputs": {}},
        {"inputs": {"x": ParamsOf(-1)}}, {"inputs": {"x": OutputOf(0)}},
    ],
)  # fmt: skip
def test_what_a_node_is_is_in_the_fingerprint(change: dict[str, Any]) -> None:
    """Names, versions, bindings and undo contracts."""
    dag = constant(1)
    nodes = (dag.nodes[0], replace(dag.nodes[1], **change), *dag.nodes[2:])
    assert fingerprint(replace(dag, nodes=nodes)) != fingerprint(dag)


def test_a_contract_that_is_the_same_either_way_has_one_document() -> None:
    """What is the default is left out, so that documents stay small."""
    node = orjson.loads(definition_of(replace(constant(1))).document)["nodes"][1]
    assert node == {
        "action": "x", "atomic": True, "kind": "action", "label": "a", "name": "a",
        "undoing": "known", "version": "1",
    }  # fmt: skip


# -- damage ----------------------------------------------------------------------------------


def damaged(**members: Any) -> bytes:
    return orjson.dumps({**orjson.loads(GOLDEN), **members})


NODE = {"kind": "action", "name": "a", "action": "x"}


@pytest.mark.parametrize(
    "document",
    [
        b"", b"null", b"[]", b"{}", b"\xff", damaged(name=1), damaged(version=None),
        damaged(siblings="some"), damaged(on_stuck=1), damaged(dynamic=1), damaged(nodes={}),
        damaged(nodes=[1]), damaged(nodes=[{}]), damaged(nodes=[{"kind": "odd"}]),
        damaged(nodes=[{**NODE, "name": 1}]), damaged(nodes=[{**NODE, "scope": "cafd6e7bb005cfc2"}]),
        damaged(nodes=[{**NODE, "scope": True}]), damaged(nodes=[{**NODE, "atomic": 1}]),
        damaged(nodes=[{**NODE, "undoing": "odd"}]), damaged(nodes=[{**NODE, "undoing": None}]),
        damaged(nodes=[{**NODE, "inputs": {}}]), damaged(nodes=[{**NODE, "value": 1}]),
        damaged(edges=1), damaged(edges=[[0]]), damaged(edges=[[0, "1"]]), damaged(edges=[[0, 9]]),
        damaged(edges=[[0, True]]), damaged(edges=[[1, 0], [0, 1]]), damaged(output=1),
        damaged(output=["output", 9]), damaged(constants=None), damaged(constants=[]),
    ],
)  # fmt: skip
def test_a_damaged_definition_is_log_corrupt(document: bytes) -> None:
    """In form, or in what it says: both are refused when it is read."""
    with pytest.raises(LogCorrupt):
        dag_of(document)


@pytest.mark.parametrize("form", [0, 2])
def test_a_definition_of_another_format_is_refused_by_its_number(form: int) -> None:
    """An older build says what it met."""
    with pytest.raises(LogCorrupt, match=f"definition of format {form}; this build reads format 1"):
        dag_of(b'{"format":%d}' % form)


@pytest.mark.parametrize("constants", [b"", b"{}", b"1", b"[1"])
def test_damaged_constants_are_log_corrupt(constants: bytes) -> None:
    """Those that are kept with a saga are read with the same care."""
    with pytest.raises(LogCorrupt):
        read_constants(constants)


def test_too_few_constants_are_log_corrupt() -> None:
    """A node is bound to one that is not there."""
    with pytest.raises(LogCorrupt, match="constant 0 does not exist"):
        dag_of(definition_of(constant(1)).document, b"[]")


@pytest.mark.parametrize("depth", [300, 500, 1_000, 1_020])
@pytest.mark.parametrize("member", ["constants", "output", "nodes", "edges", "name", "extra"])
def test_depth_is_never_anything_but_log_corrupt(member: str, depth: int) -> None:
    """Whatever is nested, and wherever."""
    deep = b"[" * depth + b"]" * depth
    text = GOLDEN.replace(b'"format":1', b'"format":1,"%b":%b' % (member.encode(), deep))
    with contextlib.suppress(LogCorrupt):
        dag_of(text)
    with pytest.raises(LogCorrupt):
        read_constants(b"[%b]" % deep)


@pytest.mark.parametrize("depth", [200, 400, 600, 1_000])
def test_a_deep_binding_is_never_anything_but_log_corrupt(depth: int) -> None:
    """If it can be read at all, the DAG can be used."""
    deep = b'["list",' * depth + b'["const",0]' + b"]" * depth
    try:
        dag = dag_of(GOLDEN.replace(b'["object",["r",["output",3]]]', deep))
    except LogCorrupt:
        return
    assert definition_of(dag).document


@given(st.data())
def test_a_damaged_document_is_read_or_log_corrupt(data: st.DataObject) -> None:
    """Bytes changed, cut out or put in: either it is a definition still, or `LogCorrupt`."""
    text = bytearray(GOLDEN)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 4))
        text[place : place + length] = data.draw(
            st.binary(max_size=3)
            | st.sampled_from([b"cafd6e7bb005cfc2", b"1", b"-1", b"[]", b",", b"null"])
        )
    try:
        dag = dag_of(bytes(text))
    except LogCorrupt:
        return
    definition_of(dag)


@given(st.binary(max_size=80))
def test_bytes_are_only_ever_log_corrupt(document: bytes) -> None:
    """Nothing else is raised, whatever they are."""
    with pytest.raises(LogCorrupt):
        dag_of(document)


def test_a_large_definition_is_stored_and_read() -> None:
    """At the limit of what a builder makes of stages."""
    builder = DagBuilder("s")
    for stage in range(20):
        builder.append_parallel(
            [NodeFactory.action(f"n{stage}_{place}", "", "x") for place in range(100)]
        )
    builder.append(NodeFactory.action("z", "", "x"))
    dag = builder.build()
    assert dag_of(definition_of(dag).document).edges == dag.edges
