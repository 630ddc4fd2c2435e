"""Whatever the network makes of the requests of a saga and its owners."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from sagacity.errors import TokenStale
from sagacity.participants import SQLITE, Level, Verdict
from tests.participants.services import carry_out, request


@dataclass(frozen=True)
class Message:
    """A request on its way; `lost` when the service fails before it commits."""

    node: str
    direction: str
    token: int
    sold_out: bool
    lost: bool


MESSAGES = st.lists(
    st.builds(
        Message,
        node=st.sampled_from(["seat", "meal"]),
        direction=st.sampled_from(["do", "undo"]),
        token=st.integers(1, 3),
        sold_out=st.booleans(),
        lost=st.booleans(),
    ),
    max_size=20,
)


def deliver(connection: sqlite3.Connection, message: Message, level: Level) -> Verdict | None:
    """Return what it came to, or None if it was refused or lost."""
    asked = request(message.direction, message.token, node=message.node, level=level)
    sold_out = message.sold_out and not asked.undo
    try:
        with connection:
            with SQLITE.turn(connection, asked) as turn:
                connection.execute(carry_out(turn, asked, sold_out=sold_out))
            _ = 1 / (not message.lost)
    except (ZeroDivisionError, TokenStale):
        return None
    return turn.verdict


@given(MESSAGES, st.sampled_from([Level.TOMBSTONE, Level.FENCED]))
def test_an_effect_is_there_if_it_was_done_and_no_undo_was_seen(
    messages: list[Message], level: Level
) -> None:
    """In any order, however often, with any tokens; each effect was had and undone at most once."""
    with closing(sqlite3.connect(":memory:")) as connection:
        SQLITE.create(connection)
        connection.execute("CREATE TABLE seats (effect TEXT NOT NULL)")
        highest = 0
        seen: dict[str, list[Message]] = {"seat": [], "meal": []}
        carried_out: list[tuple[str, str]] = []
        for message in messages:
            came_to = deliver(connection, message, level)
            fenced_off = level is Level.FENCED and message.token < highest
            assert (came_to is None) == (fenced_off or message.lost)
            if came_to is None:
                continue
            highest = max(highest, message.token)
            seen[message.node].append(message)
            if came_to is Verdict.CARRY_OUT:
                carried_out.append((message.node, message.direction))

        there = {
            effect.rpartition("/")[2] for (effect,) in connection.execute("SELECT * FROM seats")
        }
        held = {
            effect.rpartition("/")[2]
            for (effect,) in connection.execute("SELECT effect FROM saga_requests WHERE held = 1")
        }
    for node, taken in seen.items():
        undone = any(message.direction == "undo" for message in taken)
        sold_out = not taken or taken[0].sold_out
        assert (node in there) == (bool(taken) and not undone and not sold_out)
    assert there == held
    assert len(carried_out) == len(set(carried_out))
