"""How SQLite looks for what is asked: by an index, never through all sagas."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagacity.core.agenda import Direction
from sagacity.ports.store import SagaQuery, SagaStatus
from sagacity.stores.sqlite import reads
from sagacity.stores.sqlite.connecting import open_writer
from sagacity.stores.sqlite.files import QUERIES
from sagacity.testing._promises._making import saga_id


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_writer(path)
    yield connection
    connection.close()


def plan(connection: sqlite3.Connection, query: str) -> list[str]:
    numbered = [int(number) for number in re.findall(r"\?(\d+)", query)]
    values = [None] * max(numbered, default=query.count("?"))
    rows = connection.execute(f"EXPLAIN QUERY PLAN {query}", values)
    return [detail.decode() for *_, detail in rows]


def listing(connection: sqlite3.Connection, query: SagaQuery) -> list[str]:
    where, _ = reads.conditions_of(query)
    return plan(connection, f"{QUERIES['shown']}{where} ORDER BY saga LIMIT ?")


@pytest.mark.parametrize(
    "query",
    [
        SagaQuery(),
        SagaQuery(after=saga_id(1)),
        SagaQuery(direction=Direction.UNWINDING, after=saga_id(1)),
        SagaQuery(state=SagaStatus.SUCCEEDED),
    ],
)
def test_a_page_of_all_sagas_is_not_sorted(
    query: SagaQuery, connection: sqlite3.Connection
) -> None:
    """They are in the order of their ids, and the page ends where it is full."""
    steps = listing(connection, query)

    assert not any("TEMP B-TREE" in step for step in steps)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (SagaQuery(state=SagaStatus.STUCK), "head_by_state (state=?)"),
        (SagaQuery(state=SagaStatus.UNWOUND, direction=Direction.UNWINDING), "head_by_state"),
        (SagaQuery(name="trip"), "saga_by_name (name=?)"),
        (SagaQuery(labels={"team": "blue"}), "label USING PRIMARY KEY (name=? AND value=?)"),
    ],
)
def test_what_is_rare_is_found_by_an_index(
    query: SagaQuery, index: str, connection: sqlite3.Connection
) -> None:
    """Ten stuck ones among a million are found at once."""
    steps = listing(connection, query)

    assert any(index in step for step in steps), steps
    assert not any(step.startswith("SCAN") for step in steps), steps


def test_the_newest_of_a_name_are_taken_from_the_end_of_its_index(
    connection: sqlite3.Connection,
) -> None:
    """However many sagas have the name, and without sorting them."""
    steps = plan(connection, QUERIES["newest"])

    assert any("COVERING INDEX saga_by_name (name=?)" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps


@pytest.mark.parametrize(
    "name",
    [
        "append_if_steady",
        "choose_adoptable",
        "is_all_adopted",
        "position",
        "record_at",
        "records",
        "request_of",
        "stored",
        "summary_of",
        "waiting_commands",
    ],
)
def test_nothing_else_goes_through_a_table(name: str, connection: sqlite3.Connection) -> None:
    """What is done often costs the same however many sagas there are."""
    steps = plan(connection, QUERIES[name])

    # The coordinator has one row; the inbox is read in its order, and ends where it is full.
    harmless = (
        "SCAN CONSTANT ROW",
        "SCAN coordinator",
        "SCAN inbox USING INDEX inbox_waiting",
        "SCAN json_each VIRTUAL TABLE INDEX 1:",  # what the caller has given
    )
    through = [step for step in steps if step.startswith("SCAN") and step not in harmless]
    assert not [step for step in through if not step.startswith("SCAN (subquery")], steps


@pytest.mark.parametrize(
    "name",
    [
        "adopt_chosen",
        "choose_definitions",
        "delete_commands",
        "delete_heads",
        "delete_labels",
        "delete_log",
        "delete_sagas",
        "forget_final",
        "forget_unfinished",
    ],
)
def test_what_is_about_chosen_sagas_goes_through_those_alone(
    name: str, connection: sqlite3.Connection
) -> None:
    """A page of ids is looked up id by id."""
    steps = plan(connection, QUERIES[name])

    through = [step for step in steps if step.startswith("SCAN")]
    assert all("chosen" in step or "each" in step for step in through), steps
