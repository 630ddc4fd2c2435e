"""Errors in Steno's words: what Steno wrote comes back as it was."""

from typing import Any

import pytest

from sagacity.core.events import MAX_MESSAGE_CHARS, ErrorKind, ErrorRecord
from sagacity.errors import NotSteno
from sagacity.steno.action_errors import from_steno, to_steno, undo_from_steno, undo_to_steno


@pytest.mark.parametrize(
    ("document", "kind", "message"),
    [
        ("InjectedError", ErrorKind.INJECTED, "error injected"),
        ({"ActionFailed": {"source_error": "no room"}}, ErrorKind.ACTION_FAILED, "no room"),
        (
            {"ActionFailed": {"source_error": {"message": "m", "a": 1}}},
            ErrorKind.ACTION_FAILED,
            "m",
        ),
        ({"ActionFailed": {"source_error": [1, 2]}}, ErrorKind.ACTION_FAILED, "[1,2]"),
        ({"ActionFailed": {"source_error": None}}, ErrorKind.ACTION_FAILED, "null"),
        ({"ActionFailed": {"source_error": "x" * 9_000}}, ErrorKind.ACTION_FAILED, "x" * 4_000),
        ({"DeserializeFailed": {"message": "d"}}, ErrorKind.INPUT, "d"),
        ({"SerializeFailed": {"message": "s"}}, ErrorKind.OUTPUT, "s"),
        ({"SubsagaCreateFailed": {"message": "c"}}, ErrorKind.ACTION_FAILED, "c"),
    ],
)
def test_an_action_error_of_stenos_round_trips(
    document: Any, kind: ErrorKind, message: str
) -> None:
    """Each variant has a kind and a message here, and is written again as it was."""
    error = from_steno(document, "here")
    assert (error.kind, error.message) == (kind, message)
    assert to_steno(error) == document
    assert len(error.message) <= MAX_MESSAGE_CHARS


@pytest.mark.parametrize(
    ("error", "document"),
    [
        (
            ErrorRecord(ErrorKind.ACTION_FAILED, "no capacity", "ActionFailed", b'{"code":42}'),
            {"ActionFailed": {"source_error": {"code": 42}}},
        ),
        (
            ErrorRecord(ErrorKind.EXCEPTION, "division by zero", "ZeroDivisionError"),
            {"ActionFailed": {"source_error": "division by zero"}},
        ),
        (
            ErrorRecord(ErrorKind.CANCELLED, "cut short"),
            {"ActionFailed": {"source_error": "cut short"}},
        ),
        (
            ErrorRecord(ErrorKind.INPUT, "not a Trip"),
            {"DeserializeFailed": {"message": "not a Trip"}},
        ),
        (ErrorRecord(ErrorKind.OUTPUT, "NaN"), {"SerializeFailed": {"message": "NaN"}}),
    ],
)
def test_an_error_of_ours_has_stenos_form(error: ErrorRecord, document: Any) -> None:
    """What the author attached is the source error, or else the message."""
    assert to_steno(error) == document


@pytest.mark.parametrize("source", [{"message": "undo action attempt 1: a: b"}, "text", [1], None])
def test_an_undo_error_of_stenos_round_trips(source: Any) -> None:
    """Its text is not put into Steno's words a second time."""
    document = {"PermanentFailure": {"source_error": source}}
    assert undo_to_steno(undo_from_steno(document, "here")) == document


def test_an_undo_error_of_ours_has_stenos_words() -> None:
    """Steno counts the call; there is one unless a repetition is injected."""
    error = ErrorRecord(ErrorKind.ACTION_FAILED, "refund refused", data=b"1")
    assert undo_to_steno(error) == {
        "PermanentFailure": {"source_error": {"message": "undo action attempt 1: refund refused"}}
    }


@pytest.mark.parametrize(
    "document",
    [
        "Injected",
        None,
        {},
        {"ActionFailed": {}},
        {"ActionFailed": "x"},
        {"DeserializeFailed": {"message": 1}},
        {"SerializeFailed": {"message": "a"}, "more": 1},
        {"ActionFailed": {"source_error": float("nan")}},
    ],
)
def test_what_is_no_error_is_refused(document: Any) -> None:
    """With the place where it stands."""
    with pytest.raises(NotSteno, match=r"^events\[3\]"):
        from_steno(document, "events[3]")
    with pytest.raises(NotSteno, match=r"^events\[4\]"):
        undo_from_steno(document, "events[4]")
