from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagacity.core.bindings import (
    Binding,
    Const,
    FieldPath,
    ListOf,
    ObjectOf,
    OutputOf,
    ParamsOf,
    check_fields,
    from_document,
    inputs_from_document,
    inputs_to_document,
    leaves,
    moved,
    resolve,
    to_document,
)
from sagacity.core.values import Json, decode, encode
from sagacity.errors import LogCorrupt
from sagacity.testing.strategies import bindings

SEEN: dict[Binding, Json] = {
    OutputOf(0): b'{"a":[10,{"b":"text"}]}',
    OutputOf(1): b"1",
    ParamsOf(-1): b'["p"]',
    ParamsOf(2): b'{"q":null}',
    Const(0): b"3.5",
}


@pytest.mark.parametrize(
    ("binding", "text"),
    [
        (OutputOf(0), b'{"a":[10,{"b":"text"}]}'),
        (OutputOf(0, ("a",)), b'[10,{"b":"text"}]'),
        (OutputOf(0, ("a", 1, "b")), b'"text"'),
        (ParamsOf(-1, (0,)), b'"p"'),
        (ParamsOf(2, ("q",)), b"null"),
        (Const(0), b"3.5"),
        (ListOf(()), b"[]"),
        (ListOf((OutputOf(1), ListOf((Const(0),)))), b"[1,[3.5]]"),
        (ObjectOf(()), b"{}"),
        (ObjectOf((("z", OutputOf(1)), ("a", ParamsOf(-1)))), b'{"a":["p"],"z":1}'),
    ],
)
def test_a_binding_is_resolved_to_json(binding: Binding, text: Json) -> None:
    """Leaves are looked up, fields taken, lists and objects put together; all of it canonical."""
    assert resolve(binding, SEEN.__getitem__) == text


@pytest.mark.parametrize(
    "field",
    [("x",), ("a", 2), ("a", "b"), ("a", 1, "b", 0), ("a", 1, "b", "c"), ("a", 0, "b"), (0,)],
)
def test_a_field_that_is_not_there_is_said_by_its_path(field: FieldPath) -> None:
    """Also a part of a text or of a number: those have none."""
    path = ".".join(map(str, field))
    with pytest.raises(LookupError, match=f'the value has no field "{path}"'):
        resolve(OutputOf(0, field), SEEN.__getitem__)


def test_what_is_put_together_has_no_limit_of_its_own() -> None:
    """It is not stored, and the output of a saga that has succeeded must not be refused."""
    large = encode("a" * 600_000)
    both = ObjectOf((("b", Const(0)), ("a", ListOf((Const(0), Const(0))))))
    assert decode(resolve(both, lambda _: large)) == {
        "a": ["a" * 600_000] * 2,
        "b": "a" * 600_000,
    }


def test_an_object_that_is_put_together_is_canonical() -> None:
    """Its members are sorted, and names are written as in any value."""
    members = tuple((name, Const(0)) for name in ("b", "a", 'q"', "\u00e5"))
    text = resolve(ObjectOf(members), lambda _: b"1")
    assert text == encode({"b": 1, "a": 1, 'q"': 1, "\u00e5": 1})


def test_an_output_is_checked_for_the_fields_that_are_taken_of_it() -> None:
    """Before anyone takes them: those of this node, and of no other."""
    binding = ListOf((OutputOf(0, ("a", 0)), OutputOf(1, ("b",)), ParamsOf(-1, ("c",))))
    check_fields(binding, 0, b'{"a":[1]}')
    check_fields(binding, 2, b"null")
    with pytest.raises(LookupError, match=r'no field "a.0"'):
        check_fields(binding, 0, b'{"a":[]}')


def test_leaves_are_given_in_order() -> None:
    """References and constants, whatever lists and objects they stand in."""
    binding = ListOf((OutputOf(1), ObjectOf((("a", Const(0)), ("b", ListOf((ParamsOf(-1),)))))))
    assert list(leaves(binding)) == [OutputOf(1), Const(0), ParamsOf(-1)]


def test_a_binding_moves_with_its_subsaga() -> None:
    """Inside of a larger DAG: nodes renumbered, constants behind, own params those of the start."""
    inner = ListOf((
        OutputOf(0, ("f",)), Const(1), ParamsOf(-1, ("g",)), ObjectOf((("a", ParamsOf(3)),)),
    ))  # fmt: skip
    assert moved(inner, {0: 10, 3: 13}, 5, 9) == ListOf((
        OutputOf(10, ("f",)), Const(6), ParamsOf(9, ("g",)), ObjectOf((("a", ParamsOf(13)),)),
    ))  # fmt: skip


@given(bindings([0, 3], 2, scope=4))
def test_a_binding_is_read_as_it_was_stored(binding: Binding) -> None:
    """To a document, to text, and back."""
    assert from_document(orjson.loads(orjson.dumps(to_document(binding)))) == binding


@given(st.dictionaries(st.text(max_size=3), bindings([0, 3], 2), max_size=3))
def test_inputs_are_read_as_they_were_stored(inputs: dict[str, Binding]) -> None:
    """With their order, which is that of the parameters."""
    back = inputs_from_document(inputs_to_document(inputs))
    assert list(back.items()) == list(inputs.items())


@pytest.mark.parametrize(
    "document",
    [
        None, 1, "const", [], {}, ["const"], ["const", -1], ["const", "0"], ["const", 0, 0],
        ["const", True], ["output"], ["output", -1], ["output", True], ["output", 0, 1.5],
        ["output", 0, True], ["output", 0, None], ["params", -2],
        ["params", False], ["list", 1], ["object", ["a"]], ["object", [1, ["const", 0]]],
        ["object", "ab"], ["other", 0],
    ],
)  # fmt: skip
def test_what_is_no_binding_is_log_corrupt(document: Any) -> None:
    """Reading trusts nothing."""
    with pytest.raises(LogCorrupt):
        from_document(document)


@pytest.mark.parametrize("document", [None, {}, 1, [1], [["a"]], [["a", ["const", -1]]]])
def test_what_are_no_inputs_is_log_corrupt(document: Any) -> None:
    """The same for the inputs of a node."""
    with pytest.raises(LogCorrupt):
        inputs_from_document(document)
