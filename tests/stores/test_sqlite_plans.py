"""How SQLite looks for what is asked: by an index, never through all sagas."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagacity.core.state import Direction
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
    conditions, _ = reads._conditions(query)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return plan(connection, f"{QUERIES['heads']}{where} ORDER BY head.saga LIMIT ?")


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


@pytest.mark.parametrize(
    "name",
    [
        "adoptable",
        "adopt_if_unfinished",
        "append_if_steady",
        "body",
        "command_sent",
        "definition_if_final",
        "delete_commands",
        "delete_head",
        "delete_log",
        "delete_saga",
        "finish_command",
        "inbox_count",
        "position",
        "record_at",
        "records",
        "summary_of",
        "waiting_commands",
    ],
)
def test_nothing_else_goes_through_a_table(name: str, connection: sqlite3.Connection) -> None:
    """What is done often costs the same however many sagas there are."""
    steps = plan(connection, QUERIES[name])

    through = [s for s in steps if s.startswith("SCAN") and "USING INDEX inbox_waiting" not in s]
    assert not [step for step in through if "CONSTANT ROW" not in step], steps
