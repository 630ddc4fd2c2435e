"""The headers, on both sides."""

import subprocess
import sys
from uuid import UUID

import pytest

from sagacity.errors import RequestUnreadable
from sagacity.participants import (
    FENCING_TOKEN,
    IDEMPOTENCY_KEY,
    MAX_KEY_CHARS,
    Level,
    headers_for,
    read_request,
)
from sagacity.testing import context

SAGA = UUID(int=7)
KEY = f"{SAGA}/inner/pay/do"
GOOD = {IDEMPOTENCY_KEY: KEY, FENCING_TOKEN: "3"}
MOST = 2**63 - 1


def test_what_a_context_sends_is_read_back() -> None:
    """Saga, effect, direction and token; do and undo share the effect."""
    do, undo = (
        context(saga_id=SAGA, node="pay ü", undo=undo, fencing_token=3, output=None)
        for undo in (False, True)
    )

    asked = read_request(headers_for(do), b"420", Level.FENCED)
    cancelled = read_request(headers_for(undo), b"420", Level.FENCED)

    assert headers_for(do) == {
        "Idempotency-Key": f"{SAGA}/pay%20%C3%BC/do",
        "Saga-Fencing-Token": "3",
    }
    assert (asked.saga, asked.effect, asked.token) == (str(SAGA), do.effect_key, 3)
    assert (asked.undo, cancelled.undo) == (False, True)
    assert asked.effect == cancelled.effect


def test_each_level_looks_at_what_it_needs() -> None:
    """Idempotent takes any client's key, and tells do from undo by the key alone; no token below fenced."""
    plain = read_request({IDEMPOTENCY_KEY: "order 66"}, b"", Level.IDEMPOTENT)
    own = read_request(GOOD, b"", Level.IDEMPOTENT)
    tombstone = read_request({IDEMPOTENCY_KEY: KEY}, b"", Level.TOMBSTONE)

    assert (plain.effect, own.effect) == ("order 66", KEY)
    assert (own.saga, own.undo, own.token) == ("", False, None)
    assert (tombstone.effect, tombstone.token) == (f"{SAGA}/inner/pay", None)


def test_requests_are_told_apart_by_their_content() -> None:
    """By a digest: the content itself is not kept."""
    one, same, other = (read_request(GOOD, content, Level.FENCED) for content in (b"1", b"1", b"2"))

    assert one == same
    assert one != other
    assert len(one.digest) == 64


def test_names_of_headers_have_no_case() -> None:
    """A plain dict in small letters will do; HTTP/2 sends them so."""
    small = {name.lower(): value for name, value in GOOD.items()}

    assert read_request(small, b"", Level.FENCED) == read_request(GOOD, b"", Level.FENCED)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {FENCING_TOKEN: "3"},
        {IDEMPOTENCY_KEY: "", FENCING_TOKEN: "3"},
        {**GOOD, IDEMPOTENCY_KEY.lower(): KEY},
        {IDEMPOTENCY_KEY: KEY},
        *({**GOOD, FENCING_TOKEN: token} for token in ("", "-1", "+1", "1.0", "x", " 1", "٣")),
        {**GOOD, FENCING_TOKEN: str(MOST + 1)},
        {**GOOD, FENCING_TOKEN: "1" * 5_000},
        *(
            {**GOOD, IDEMPOTENCY_KEY: key}
            for key in (
                "order 66",
                f'"{KEY}"',
                f"{SAGA}/do",
                f"{SAGA}//do",
                f"{SAGA}/pay/redo",
                f"{str(SAGA)[:-1]}/pay/do",
                f"{SAGA}/pay/do\n",
                f"{SAGA}/p\x00y/do",
                f"{SAGA}/päy/do",
                f"{SAGA}/{'x' * (MAX_KEY_CHARS - 39)}/do",
            )
        ),
    ],
    ids=lambda headers: str(headers)[:60],
)
def test_what_no_saga_sends_is_refused(headers: dict[str, str]) -> None:
    """At the edge, naming the header; nothing of it reaches a database."""
    with pytest.raises(RequestUnreadable) as refused:
        read_request(headers, b"", Level.FENCED)

    assert refused.value.header in {IDEMPOTENCY_KEY, FENCING_TOKEN}
    assert refused.value.status == 400


def test_keys_and_tokens_at_their_limits_are_read() -> None:
    """2,000 characters, and what fits into 64 bits with a sign."""
    key = f"{SAGA}/{'x' * (MAX_KEY_CHARS - 40)}/do"

    request = read_request({IDEMPOTENCY_KEY: key, FENCING_TOKEN: str(MOST)}, b"", Level.FENCED)

    assert (len(key), request.token) == (2_000, 9_223_372_036_854_775_807)


def test_nobody_needs_a_driver_but_their_own() -> None:
    """Neither a service nor the rest of sagacity imports one before there is a store for it."""
    program = "import sys, sagacity, sagacity.participants; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert {"psycopg", "asyncpg"} & set(ran.stdout.split()) == set()
