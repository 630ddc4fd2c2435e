"""`Secret` and its stored form; what masking makes of it."""

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given

from sagacity import Secret
from sagacity.core.codec import LoggedEvent
from sagacity.core.events import (
    AttemptFailed,
    Decided,
    Effect,
    ErrorKind,
    ErrorRecord,
    Event,
    Failed,
    Started,
    Succeeded,
)
from sagacity.core.masking import (
    holds_secrets,
    masked,
    masked_log,
    revived,
    secret_places,
    shown,
)
from sagacity.core.values import MAX_DEPTH, decode, encode
from sagacity.errors import ValueNotStorable
from sagacity.testing.strategies import json_values

HUNTER = Secret("hunter2")


@pytest.mark.parametrize(
    "text",
    [str(HUNTER), repr(HUNTER), f"{HUNTER}", f"{HUNTER!r}", f"{HUNTER:>9}", repr([{"a": HUNTER}])],
)
def test_no_text_of_a_secret_shows_it(text: str) -> None:
    """However it is printed."""
    assert "***" in text
    assert "hunter2" not in text


def test_a_secret_is_compared_by_what_it_holds() -> None:
    """With other secrets, never with a plain value."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert {Secret("a"), Secret("a")} == {Secret("a")}
    with pytest.raises(TypeError):
        hash(Secret([]))


def test_a_secret_does_not_change() -> None:
    """Nor is it emptied; a copy is as good."""
    with pytest.raises(AttributeError):
        HUNTER.value = 1  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError):
        del HUNTER._Secret__value  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    assert copy.deepcopy([HUNTER]) == [HUNTER]
    assert pickle.loads(pickle.dumps(HUNTER)) == HUNTER


def test_the_stored_form_is_an_object_with_a_reserved_member() -> None:
    """In it the value is as any other."""
    assert encode({"a": [Secret({"b": (1, 2)})]}) == b'{"a":[{"$secret":{"b":[1,2]}}]}'
    assert encode(Secret(Secret(None))) == b'{"$secret":{"$secret":null}}'


@pytest.mark.parametrize(
    ("value", "reason", "where"),
    [
        (Secret("\0"), "text with a NUL character", "$.$secret"),
        ({"a": Secret([2**64])}, "integer outside", "$.a.$secret[0]"),
        (Secret(object()), "object is not a JSON type", "$.$secret"),
    ],
)
def test_what_a_secret_holds_is_checked(value: Any, reason: str, where: str) -> None:
    """By the same rules, and the error names the place, not the value."""
    with pytest.raises(ValueNotStorable, match=reason) as caught:
        encode(value)
    assert caught.value.where == where


def test_a_secret_counts_as_one_level() -> None:
    """What is stored is not nested deeper than anything else."""
    value: Any = None
    for _ in range(MAX_DEPTH):
        value = Secret(value)
    assert encode(value).count(b"$secret") == MAX_DEPTH
    with pytest.raises(ValueNotStorable, match="nested deeper"):
        encode(Secret(value))


TEXT = encode({"login": {"password": Secret("hunter2")}, "keys": [Secret({"a": 1})], "user": "ann"})


def test_people_see_stars() -> None:
    """In the place of the secret; the rest as it is."""
    assert shown(TEXT) == {"login": {"password": "***"}, "keys": ["***"], "user": "ann"}


def test_what_leaves_the_store_still_says_that_it_was_a_secret() -> None:
    """So that it is masked again, and typed code can read it."""
    assert decode(masked(TEXT)) == {
        "login": {"password": {"$secret": "***"}}, "keys": [{"$secret": "***"}], "user": "ann",
    }  # fmt: skip
    assert secret_places(TEXT) == [".keys[0]", ".login.password"]


def test_who_knows_no_type_gets_secrets_as_secrets() -> None:
    """Whoever looks something up without saying what it is."""
    value = {"login": {"password": Secret("hunter2")}, "keys": [Secret({"a": 1})], "user": "ann"}
    assert revived(TEXT) == value


def test_an_escaped_mark_is_a_mark() -> None:
    """A row that others wrote hides nothing."""
    assert shown(b'{"\\u0024secret":"hunter2"}') == "***"
    assert holds_secrets(b'{"\\u0024s\\u0065cret":1}')


@pytest.mark.parametrize("value", [{"$secret": 1, "a": 2}, ["$secret"], "$secret", {"secret": 1}])
def test_only_the_whole_form_is_a_secret(value: Any) -> None:
    """Other values may have the word in them."""
    assert shown(encode(value)) == value
    assert not holds_secrets(encode(value))


@given(json_values())
def test_values_without_secrets_are_shown_as_they_are(value: Any) -> None:
    """Masking changes nothing else."""
    text = encode(value)
    assert masked(text) == text
    assert shown(text) == revived(text) == decode(text)


def test_every_part_of_an_event_is_masked() -> None:
    """Also that of events which do not exist yet: all JSON of an event is looked at."""
    error = ErrorRecord(ErrorKind.ACTION_FAILED, "no", "E", TEXT)
    events: list[Event] = [
        Succeeded(1, TEXT),
        Failed(1, error, Effect.NONE),
        AttemptFailed(1, error, Effect.NONE, 7),
        Decided("set_output", 1, "ann", "why", "id", TEXT),
    ]
    log = [LoggedEvent(1, 1, 1, "me", event) for event in events]
    hidden = list(masked_log(log))
    assert "hunter2" not in repr(hidden)
    assert repr(hidden).count("user") == 4
    plain = LoggedEvent(1, 1, 1, "me", Started(1, 1))
    assert next(masked_log([plain])) is plain
