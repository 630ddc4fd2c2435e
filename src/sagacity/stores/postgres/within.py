"""Creates a saga within a transaction of the user's own, on the user's own connection.

What is to be asked of the database is said once, step by step; a connection runs the steps,
of whatever driver it is. None of them is imported: a connection is known by its class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sagacity.errors import StoreError
from sagacity.stores._limits import check_new
from sagacity.stores.postgres.address import check_schema
from sagacity.stores.postgres.batch import told, values_of, write_of_create
from sagacity.stores.postgres.files import queries_in
from sagacity.stores.postgres.rows import checksum

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from uuid import UUID

    from sagacity.core.values import Json
    from sagacity.ports.store import NewSaga

    Rows: TypeAlias = Sequence[Sequence[Any]]

DEFINE_TRIES: Final = 3


class Step(NamedTuple):
    """One statement, with its values as PostgreSQL numbers them: $1, $2 ..."""

    sql: str
    values: Sequence[Any]


class Existing(NamedTuple):
    """What the id of a saga stood for already."""

    name: str
    params: Json


Steps: TypeAlias = "Generator[Step, Rows, Existing | None]"


def creating(saga: NewSaga, schema: str) -> Steps:
    """Yield the steps that create the saga; take the rows of each; return what was there before.

    Raises:
        StoreError: the definition could not be stored.
    """
    check_new(saga)
    queries, definition = queries_in(check_schema(schema)), saga.definition
    values = (definition.fingerprint, saga.name, definition.document, checksum(definition.document))
    rows: Rows = ()
    for _ in range(DEFINE_TRIES):
        rows = yield Step(queries["define"], values)
        if rows:
            break
    else:  # another transaction has stored it meanwhile, and this one cannot see that
        raise StoreError(f'the definition of "{saga.name}" is being stored by others: try again')
    write = write_of_create(saga, rows[0][0])
    values = (*values_of([write]), f"sagacity_{schema}", [*told([write])])
    rows = yield Step(queries["create"], values)
    if rows[0][0]:  # how many were made
        return None
    return (yield from _existing(saga.id, queries["name_and_params"]))


def _existing(saga_id: UUID, sql: str) -> Steps:
    rows = yield Step(sql, (saga_id,))
    if not rows:
        raise StoreError(f"saga {saga_id} comes and goes: somebody deletes it at this moment")
    name, params = rows[0]
    return Existing(name, bytes(params))
