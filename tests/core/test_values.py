import contextlib
import json
import math
import tracemalloc
from collections import OrderedDict
from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagacity.core.values import (
    INT_MAX,
    INT_MIN,
    MAX_DEPTH,
    MAX_VALUE_BYTES,
    canonical,
    decode,
    encode,
)
from sagacity.errors import LogCorrupt, ValueNotStorable
from sagacity.testing.strategies import json_values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, b"null"),
        (True, b"true"),
        (False, b"false"),
        (0, b"0"),
        (-1, b"-1"),
        (1.0, b"1.0"),
        (-0.0, b"-0.0"),
        (1e16, b"1e+16"),
        ("", b'""'),
        ("\u00e5\U0001f600", '"\u00e5\U0001f600"'.encode()),
        ('"\\\n', b'"\\"\\\\\\n"'),
        ([], b"[]"),
        ({}, b"{}"),
        ((1, (2,)), b"[1,[2]]"),
        ({"b": 1, "a": {"d": 1, "c": 2}}, b'{"a":{"c":2,"d":1},"b":1}'),
        (INT_MIN, b"-9223372036854775808"),
        (INT_MAX, b"18446744073709551615"),
    ],
)
def test_each_value_has_one_text(value: Any, text: bytes) -> None:
    """Canonical: sorted members, no spaces, UTF-8 as it is."""
    assert encode(value) == text


class Number(IntEnum):
    ONE = 1


class Word(str):
    __slots__ = ()


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [  # pyright: ignore[reportUnknownArgumentType]
        (math.nan, "nan is not a JSON number"),
        (math.inf, "inf is not a JSON number"),
        (-math.inf, "-inf is not a JSON number"),
        (INT_MIN - 1, "integer outside -2^63 .. 2^64 - 1 (store it as a string)"),
        (INT_MAX + 1, "integer outside -2^63 .. 2^64 - 1 (store it as a string)"),
        ("a\0b", "text with a NUL character"),
        ("\ud800", "text with a lone surrogate"),
        ({"\0": 1}, "text with a NUL character"),
        ({"\udfff": 1}, "text with a lone surrogate"),
        ({1: 1}, "member name 1 is not a string"),
        ({None: 1}, "member name None is not a string"),
        ({Word("a"): 1}, "member name of type Word is not a string"),
        (b"", "bytes is not a JSON type"),
        ({1}, "set is not a JSON type"),
        (Decimal(1), "Decimal is not a JSON type"),
        (1j, "complex is not a JSON type"),
        (Number.ONE, "Number is not a JSON type"),
        (Word("a"), "Word is not a JSON type"),
        (OrderedDict(), "OrderedDict is not a JSON type"),
        (nested(MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH}"),
        ({"a": nested(MAX_DEPTH)}, f"nested deeper than {MAX_DEPTH}"),
    ],
)
def test_what_the_log_may_not_hold_is_refused(value: Any, reason: str) -> None:
    """The set of values is closed; what only a database would refuse never gets that far."""
    with pytest.raises(ValueNotStorable) as caught:
        encode(value)
    assert caught.value.reason == reason


def test_the_place_of_the_offence_is_named() -> None:
    """`where` is the path to the part that cannot be stored."""
    with pytest.raises(ValueNotStorable) as caught:
        encode({"a": [0, ({"b": math.nan},)]})
    assert caught.value.where == "$.a[1][0].b"


def test_the_place_of_the_offence_is_bounded() -> None:
    """A long member name does not make a long message."""
    with pytest.raises(ValueNotStorable) as caught:
        encode({"a" * 10_000: math.nan})
    assert len(caught.value.where) == 200


def test_a_value_in_itself_is_refused() -> None:
    """A list that holds itself is only deep."""
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueNotStorable, match="nested deeper"):
        encode(value)


def test_the_deepest_value_fits() -> None:
    """The limit itself is allowed."""
    assert encode(nested(MAX_DEPTH)) == b"[" * MAX_DEPTH + b"]" * MAX_DEPTH


def test_the_largest_value_fits_and_one_byte_more_does_not() -> None:
    """The limit is on the stored text, quotes included."""
    assert len(encode("a" * (MAX_VALUE_BYTES - 2))) == MAX_VALUE_BYTES
    with pytest.raises(ValueNotStorable, match="over the limit of 1,048,576"):
        encode("a" * (MAX_VALUE_BYTES - 1))


def test_another_limit_can_be_set() -> None:
    """Error data has a limit of its own."""
    assert encode("ab", limit_bytes=4) == b'"ab"'
    with pytest.raises(ValueNotStorable):
        encode("abc", limit_bytes=4)


@given(json_values())
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    """Reading gives what was written, in value and in type."""
    back = decode(encode(value))
    assert repr(back) == repr(json.loads(json.dumps(value))) or back == value
    assert encode(back) == encode(value)


@given(st.dictionaries(st.text("abc", max_size=2), st.integers(0, 9)))
def test_the_order_of_members_does_not_matter(members: dict[str, int]) -> None:
    """Equal objects have equal texts."""
    assert encode(dict(reversed(members.items()))) == encode(members)


@given(st.binary() | st.text().map(str.encode))
def test_reading_damage_is_only_ever_log_corrupt(text: bytes) -> None:
    """Whatever the bytes are, nothing else is raised."""
    with contextlib.suppress(LogCorrupt):
        decode(text)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        (' { "b" : 1.50, "a" : [ ] } ', b'{"a":[],"b":1.5}'),
        (b'"\\u00e5"', '"\u00e5"'.encode()),
        ("18446744073709551615", b"18446744073709551615"),
        ('{"a":{"a":1},"b":{"a":1}}', b'{"a":{"a":1},"b":{"a":1}}'),
    ],
)
def test_text_from_outside_is_made_canonical(text: str | bytes, stored: bytes) -> None:
    """Spaces, escapes and the order of members are the writer's; the stored text is ours."""
    assert canonical(text) == stored


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1,]", "NaN", "Infinity", "1e999", "'a'", '"\\ud800"', '"\\u0000"', "01", b"\xff",
     '"a\nb"', "[" * 2_000, "[" * 101 + "]" * 101],
)  # fmt: skip
def test_text_from_outside_that_is_no_storable_value_is_refused(text: str | bytes) -> None:
    """The same closed set of values, whoever wrote the text."""
    with pytest.raises(ValueNotStorable):
        canonical(text)


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', '[{"b":{"a":1,"a":2}}]', '{"a":1,"\\u0061":2}'])
def test_duplicate_members_are_refused(text: str) -> None:
    """Which of two would count is anybody's guess, so neither does."""
    with pytest.raises(ValueNotStorable, match='"a" is there twice'):
        canonical(text)


@pytest.mark.parametrize(
    "text", ["18446744073709551616", "-9223372036854775809", "[1" + "0" * 5_000 + "]"]
)
def test_an_integer_from_outside_that_is_too_large_is_refused(text: str) -> None:
    """It must not become a float in silence: other digits than its writer's would be stored."""
    with pytest.raises(ValueNotStorable, match="integer outside"):
        canonical(text)


@given(json_values())
def test_what_others_write_reads_as_what_we_write(value: Any) -> None:
    """The standard library's text of a value is taken as the value."""
    assert canonical(json.dumps(value)) == encode(value)


def test_what_is_kept_of_a_value_is_as_large_as_its_text() -> None:
    """A small value does not keep the buffer of 4 KiB that it was written in."""
    count = 200
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = [encode({"v": number}) for number in range(count)]
        took = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert took < 200 * len(kept)
