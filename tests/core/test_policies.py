"""Policies: their arithmetic, and what they refuse to be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagacity import ActionFunc, Context, action
from sagacity.core.policies import MAX_SECONDS, ONCE, PATIENT, Retry


def test_delays_grow_up_to_the_longest() -> None:
    """In milliseconds, each `factor` times the one before."""
    policy = Retry(backoff=1, factor=3, jitter=0, max_delay=20)
    assert [policy.delay_ms(failed, 0.5) for failed in (1, 2, 3, 4)] == [
        1_000, 3_000, 9_000, 20_000
    ]  # fmt: skip


@given(
    st.integers(1, 10**9),
    st.floats(0, 1),
    st.floats(0, MAX_SECONDS),
    st.floats(1, 1_000),
    st.floats(0, 1),
)
def test_a_delay_is_within_its_jitter(
    failed: int, chance: float, backoff: float, factor: float, jitter: float
) -> None:
    """However often it failed: never below nothing, never beyond the longest and its jitter."""
    policy = Retry(backoff=backoff, factor=factor, jitter=jitter, max_delay=60)
    assert 0 <= policy.delay_ms(failed, chance) <= 60_000 * (1 + jitter) + 1


def test_attempts_are_counted_with_the_first() -> None:
    """Three attempts are two retries; `forever` has no last."""
    assert [Retry(attempts=3).allows(failed) for failed in (1, 2, 3)] == [True, True, False]
    assert Retry(forever=True).allows(10**9)
    assert not ONCE.allows(1)


def about_x(error: BaseException) -> bool:
    return error.args == ("x",)


KINDS: list[tuple[Any, bool]] = [
    (None, True),
    (LookupError, True),
    (OSError, False),
    ((OSError, KeyError), True),
    (about_x, True),
]


@pytest.mark.parametrize(("on", "taken"), KINDS)
def test_the_kind_of_error_decides(on: Any, taken: bool) -> None:
    """A class, several, or a function."""
    assert Retry(on=on).takes(KeyError("x")) is taken


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"attempts": 0}, "attempts=0"),
        ({"attempts": True}, "attempts=True"),
        ({"attempts": 1.5}, "attempts=1.5"),
        ({"backoff": -1}, "backoff=-1"),
        ({"backoff": float("nan")}, "backoff=nan"),
        ({"max_delay": float("inf")}, "max_delay=inf"),
        ({"deadline": -0.1}, "deadline=-0.1"),
        ({"factor": 0.5}, "factor=0.5"),
        ({"jitter": 1.1}, "jitter=1.1"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(members: dict[str, Any], text: str) -> None:
    """Where it is written, with the member's name."""
    with pytest.raises(ValueError, match=text):
        Retry(**members)


def test_a_policy_is_stored_and_read() -> None:
    """As JSON; functions and classes are not data."""
    policy = Retry(attempts=7, backoff=0.5, deadline=60)
    assert Retry.from_document(policy.to_document()) == policy
    for other in (Retry(on=OSError), Retry(gone=lambda _: True)):
        with pytest.raises(ValueError, match="set them on the action"):
            other.to_document()


@pytest.mark.parametrize("document", [None, [], {"attempts": 0}, {"nope": 1}, {"backoff": "1"}])
def test_what_is_no_policy_is_not_read(document: Any) -> None:
    """A stored definition can be damaged."""
    with pytest.raises(ValueError, match=r"."):
        Retry.from_document(document)


def test_undos_are_patient_and_actions_are_not() -> None:
    """The lower layer has Steno's contract: one attempt of each."""

    @action(read_only=True)
    async def one(ctx: Context) -> None: ...

    async def do(_ctx: Any) -> None: ...

    plain = ActionFunc("plain", do)
    assert (one.typed.retry, one.typed.undo_retry) == (ONCE, PATIENT)
    assert (plain.retry, plain.undo_retry) == (ONCE, ONCE)
    with pytest.raises(ValueError, match="timeout=0"):
        ActionFunc("plain", do, timeout=0)
