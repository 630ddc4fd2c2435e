import pytest

from sagacity.core.bindings import Binding, Const, ListOf, ObjectOf, OutputOf, ParamsOf
from sagacity.core.builder import NodeFactory
from sagacity.core.dag import Dag
from sagacity.core.data import SagaData
from sagacity.core.nodes import Node, NodeKind
from tests.recovery.shapes import acts, named, staged


def test_inputs_are_what_the_parameters_are_bound_to() -> None:
    """Params, outputs, constants, and what is put together of them; by parameter, in order."""
    inputs: dict[str, Binding] = {
        "z": ParamsOf(-1, ("trip",)),
        "a": ListOf((OutputOf(0), Const(0))),
        "m": ObjectOf((("k", OutputOf(0, (1,))),)),
    }
    nodes = (
        Node(NodeKind.ACTION, "x", action="x", atomic=True),
        Node(NodeKind.ACTION, "y", action="x", atomic=True, inputs=inputs),
    )
    data = SagaData(Dag("s", nodes, ((0, 1),), constants=(b"7",)), b'{"trip":"Rome"}')
    data.outputs[0] = b"[1,2]"
    assert list(data.inputs(1).items()) == [
        ("z", b'"Rome"'),
        ("a", b"[[1,2],7]"),
        ("m", b'{"k":2}'),
    ]
    assert data.inputs(0) == {}


def test_an_input_with_a_field_that_is_not_there_is_a_lookup_error() -> None:
    """The value that came is not the one that was meant."""
    node = Node(NodeKind.ACTION, "x", action="x", atomic=True, inputs={"a": ParamsOf(-1, ("b",))})
    with pytest.raises(LookupError, match='no field "b"'):
        SagaData(Dag("s", (node,), ()), b"{}").inputs(0)


def test_params_of_a_subsaga_are_its_own() -> None:
    """Of one inside of another, too: each its own."""
    dag = named()["subsagas in subsagas"]
    data = SagaData(dag, b'"outer"')
    data.outputs[dag.find("a")] = b'"a"'
    data.outputs[dag.find("n/c")] = b'"c"'
    assert data.params_of(-1) == b'"outer"'
    assert data.params_of(dag.nodes[dag.find("n/m")].scope) == b'"a"'
    assert data.params_of(dag.nodes[dag.find("n/deep/i")].scope) == b'"c"'


def test_a_subsaga_without_params_has_null() -> None:
    """As a saga without."""
    dag = Dag("s", (Node(NodeKind.SUBSAGA_START, "s"),), ())
    assert SagaData(dag, b"1").params_of(0) == b"null"


def test_the_output_of_a_saga_is_what_it_is_bound_to() -> None:
    """With `DagBuilder` that of its last node; without any it is null."""
    dag = staged("s", [NodeFactory.constant("c", 1)], acts("a"))
    data = SagaData(dag, b"null")
    data.outputs[1] = b'"out"'
    assert data.output() == b'"out"'
    assert SagaData(Dag("s", (), ()), b"1").output() == b"null"


def test_only_leaves_are_looked_up() -> None:
    """What is put together of them is for `resolve`."""
    data = SagaData(Dag("s", (), ()), b"1")
    assert data.resolve(ListOf((ParamsOf(-1),))) == b"[1]"
    with pytest.raises(AssertionError):
        data.lookup(ListOf(()))
