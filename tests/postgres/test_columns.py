"""Rows that go as the text of arrays and as one run of bytes come out as they went in."""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagacity.stores.postgres.columns import columns_of, pieces_of

READ_BACK = """
SELECT id, number, word,
    substring(%(pieces)s::bytea FROM start FOR a),
    substring(%(pieces)s FROM start + a FOR b)
FROM unnest(
    %(ids)s::text::uuid[], %(numbers)s::text::bigint[], %(words)s::text::text[],
    %(starts)s::text::integer[], %(as)s::text::integer[], %(bs)s::text::integer[]
) AS given (id, number, word, start, a, b)
"""

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
ROWS = st.lists(
    st.tuples(
        st.uuids(),
        st.integers(-(1 << 63), (1 << 63) - 1),
        WORDS | st.sampled_from(['"', "\\", "NULL", "", "{a,b}", '\\"', '","']),
        st.binary(max_size=5),
        st.binary(max_size=5),
    ),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="session")
def connection(shared_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(shared_database, autocommit=True) as made:
        yield made


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_the_server_reads_what_was_written(
    connection: psycopg.Connection, rows: list[tuple[UUID, int, str, bytes, bytes]]
) -> None:
    """Quotes, commas, empty words and NULL as a word are nothing special."""
    names = ("ids", "numbers", "words", "starts", "as", "bs", "pieces")
    values = [*columns_of([row[:3] for row in rows]), *pieces_of([row[3:] for row in rows])]
    read = connection.execute(READ_BACK, dict(zip(names, values, strict=True))).fetchall()
    assert read == rows
