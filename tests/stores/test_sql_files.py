"""Named queries and numbered migrations: what their loaders take and refuse."""

import sqlite3
from pathlib import Path

import pytest

from sagacity.errors import SchemaVersionError
from sagacity.stores._migrate import Migration, load_migrations, missing, statements
from sagacity.stores._queries import load_queries


def test_queries_are_found_by_name_without_their_comments(tmp_path: Path) -> None:
    """What a comment says is for people; the database gets the query."""
    file = tmp_path / "queries.sql"
    file.write_text(
        "-- An essay.\n\n-- name: one\n-- Why.\nSELECT 1;\n\n-- name: two\nSELECT '--',\n    2;\n"
    )

    assert load_queries(file) == {"one": "SELECT 1", "two": "SELECT '--',\n    2"}


@pytest.mark.parametrize(
    "text", ["-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;\n", "-- name: one\n-- Nothing.\n"]
)
def test_a_query_twice_or_empty_is_a_mistake(text: str, tmp_path: Path) -> None:
    """Found when the module is loaded, not when the query is needed."""
    file = tmp_path / "queries.sql"
    file.write_text(text)

    with pytest.raises(ValueError, match="query one is empty or there twice"):
        load_queries(file)


def test_migrations_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """What is no migration is left alone."""
    for name in ("0002_more.sql", "0001_sagas.sql", "README.md"):
        (tmp_path / name).write_text(f"-- {name}\n")

    assert [each.name for each in load_migrations(tmp_path)] == ["0001_sagas.sql", "0002_more.sql"]


@pytest.mark.parametrize(
    "names", [["0002_a.sql"], ["0001_a.sql", "0003_b.sql"], ["0001_a.sql", "0001_b.sql"]]
)
def test_numbers_with_holes_or_twice_are_a_mistake(names: list[str], tmp_path: Path) -> None:
    """Two people made a migration at one time; one of them has to take the next number."""
    for name in names:
        (tmp_path / name).write_text("")

    with pytest.raises(ValueError, match="not numbered 1, 2, 3"):
        load_migrations(tmp_path)


def test_what_a_database_misses_is_what_comes_after_its_version() -> None:
    """And a version that is not known is refused, naming both."""
    migrations = [Migration(number, f"{number}", "") for number in (1, 2, 3)]

    assert [each.number for each in missing(migrations, 1, "sagas.db")] == [2, 3]
    assert missing(migrations, 3, "sagas.db") == []
    with pytest.raises(SchemaVersionError, match=r"sagas\.db has schema version 4.*up to 3"):
        missing(migrations, 4, "sagas.db")


def test_a_migration_is_cut_into_statements_even_with_triggers_in_it() -> None:
    """A semicolon within a trigger or a text does not end the statement."""
    script = (
        "-- First.\nCREATE TABLE a (b);\n"
        "CREATE TRIGGER c AFTER INSERT ON a BEGIN\n    SELECT ';';\n    DELETE FROM a;\nEND;\n"
        "INSERT INTO a VALUES ('x;\n');\n"
    )

    cut = list(statements(Migration(1, "0001_a.sql", script)))

    assert len(cut) == 3
    connection = sqlite3.connect(":memory:")
    for statement in cut:
        connection.execute(statement)
    connection.close()


def test_a_migration_that_is_cut_off_is_a_mistake() -> None:
    """A file that was not saved whole must not be applied in part."""
    with pytest.raises(ValueError, match="does not end with a semicolon"):
        list(statements(Migration(1, "0001_a.sql", "CREATE TABLE a (b);\nCREATE TABLE")))
