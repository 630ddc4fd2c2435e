"""Connections of the user's: of psycopg, asyncpg or SQLAlchemy, known by their classes.

Each is asked to run a statement written for PostgreSQL itself, and gives plain rows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagacity.stores.postgres.within import Rows, Step, Steps

_PLACE: Final = re.compile(r"\$(\d+)")
_CAST_PLACE: Final = re.compile(r"\$(\d+)::(\w+(?:\[\])?)")
KNOWN: Final = "a connection of psycopg 3, asyncpg or SQLAlchemy (a Session of it, too)"
NO_TRANSACTION: Final = (
    "this connection is in no transaction: begin one first, and commit what belongs together"
)


def run(connection: Any, steps: Steps) -> Any:
    """Run the steps on a connection that blocks, and return what they return.

    Raises:
        TypeError: it is no connection that is known, or not one that blocks.
        ValueError: it is in no transaction.
    """
    library = _library_of(connection, blocks=True)
    _check_transaction(connection, library)
    rows: Rows | None = None
    while True:
        try:
            step = next(steps) if rows is None else steps.send(rows)
        except StopIteration as end:
            return end.value
        if library == "psycopg":
            rows = _cursor(connection).execute(*_named(step)).fetchall()
        else:
            rows = _rows_of(connection.execute(*_bound(step)))


async def run_async(connection: Any, steps: Steps) -> Any:
    """Run the steps on a connection of asyncio; otherwise as `run`."""
    library = _library_of(connection, blocks=False)
    _check_transaction(connection, library)
    rows: Rows | None = None
    while True:
        try:
            step = next(steps) if rows is None else steps.send(rows)
        except StopIteration as end:
            return end.value
        match library:
            case "asyncpg":
                rows = await connection.fetch(step.sql, *step.values)
            case "psycopg":
                cursor = await _cursor(connection).execute(*_named(step))
                rows = await cursor.fetchall()
            case _:
                rows = _rows_of(await connection.execute(*_bound(step)))


def _library_of(connection: Any, *, blocks: bool) -> str:
    for kind in type(connection).__mro__:
        library = kind.__module__.partition(".")[0]
        if library in {"asyncpg", "psycopg", "sqlalchemy"}:
            is_async = library == "asyncpg" or "Async" in type(connection).__name__
            if is_async is blocks:
                other = "await start_within_async" if blocks else "start_within"
                raise TypeError(f"{type(connection).__qualname__}: use {other}(...) with it")
            return library
    raise TypeError(f"{connection!r:.80} is not {KNOWN}")


def _check_transaction(connection: Any, library: str) -> None:
    alone = (library == "asyncpg" and not connection.is_in_transaction()) or (
        library == "psycopg"
        and connection.autocommit
        and connection.info.transaction_status.name == "IDLE"
    )
    if alone:  # SQLAlchemy begins one by itself
        raise ValueError(NO_TRANSACTION)


def _cursor(connection: Any) -> Any:
    from psycopg.rows import tuple_row  # noqa: PLC0415 - it is there, for the connection is of it

    return connection.cursor(row_factory=tuple_row)


def _named(step: Step) -> tuple[str, dict[str, Any]]:
    sql = _PLACE.sub(r"%(p\1)s", step.sql.replace("%", "%%"))
    return sql, {f"p{place}": value for place, value in enumerate(step.values, start=1)}


def _bound(step: Step) -> tuple[Any, dict[str, Any]]:
    from sqlalchemy import text  # noqa: PLC0415 - it is there, for the connection is of it

    # A colon after a name would hide the name from it.
    sql = _PLACE.sub(r":p\1", _CAST_PLACE.sub(r"CAST($\1 AS \2)", step.sql))
    return text(sql), {f"p{place}": value for place, value in enumerate(step.values, start=1)}


def _rows_of(result: Any) -> Sequence[Sequence[Any]]:
    return [tuple(row) for row in result]
