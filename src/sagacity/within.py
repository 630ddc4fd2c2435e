"""Starting a saga within a transaction of one's own: it exists exactly if that commits.

The transaction is of the database that the store `postgresql://...` is in. Without that, a
program that stores an order and then starts a saga can die in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagacity.core.values import MAX_VALUE_BYTES
from sagacity.engine.intake import check_same, take_in, unowned_saga
from sagacity.engine.system import new_saga_id
from sagacity.stores._encoding import Encoding
from sagacity.stores.postgres.foreign import run, run_async
from sagacity.stores.postgres.within import creating

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sagacity.authoring import Saga
    from sagacity.core.dag import Dag
    from sagacity.engine.intake import Intake
    from sagacity.ports.codec import Codecs
    from sagacity.ports.store import NewSaga
    from sagacity.stores.postgres.within import Existing

DEFAULT_SCHEMA = "sagacity"


def start_within(
    connection: Any,
    saga_or_dag: Saga[Any, Any] | Dag,
    params: Any = None,
    *,
    id: UUID | None = None,
    labels: Mapping[str, str] | None = None,
    priority: int = 0,
    schema: str = DEFAULT_SCHEMA,
    codec: Codecs | None = None,
) -> UUID:
    """Start a saga within the transaction of `connection`, and return its id.

    `connection` is one of psycopg 3 or SQLAlchemy (a `Session`, too). Nothing is committed
    here; when you do, workers hear of the saga. `schema` and `codec` are those of the store.
    With an `id` that exists (same saga, same params) nothing is changed.

    Raises:
        TypeError: it is no such connection.
        ValueError: it is in no transaction.
        SagaExists: the id stands for another saga.
        DagError, ValueNotStorable: as `Client.create`.
        StoreError: others store the same definition at this moment: try again.
        What the driver raises: then the transaction is to be rolled back.
    """
    intake, saga = _prepared(saga_or_dag, params, id, labels, priority)
    encoding = None if codec is None else Encoding(codec)
    steps = creating(saga if encoding is None else encoding.encode_saga(saga), schema)
    return _checked(saga.id, intake, run(connection, steps), encoding)


async def start_within_async(
    connection: Any,
    saga_or_dag: Saga[Any, Any] | Dag,
    params: Any = None,
    *,
    id: UUID | None = None,
    labels: Mapping[str, str] | None = None,
    priority: int = 0,
    schema: str = DEFAULT_SCHEMA,
    codec: Codecs | None = None,
) -> UUID:
    """Do as `start_within`, with a connection of asyncpg, psycopg 3 or SQLAlchemy for asyncio."""
    intake, saga = _prepared(saga_or_dag, params, id, labels, priority)
    encoding = None if codec is None else Encoding(codec)
    steps = creating(saga if encoding is None else encoding.encode_saga(saga), schema)
    return _checked(saga.id, intake, await run_async(connection, steps), encoding)


def _checked(
    saga_id: UUID, intake: Intake, existing: Existing | None, encoding: Encoding | None
) -> UUID:
    if existing is not None:
        params = existing.params
        if encoding is not None:
            params = encoding.decode(params, f"saga {saga_id}")
        check_same(saga_id, existing.name, params, intake)
    return saga_id


def _prepared(
    saga_or_dag: Saga[Any, Any] | Dag,
    params: Any,
    saga_id: UUID | None,
    labels: Mapping[str, str] | None,
    priority: int,
) -> tuple[Intake, NewSaga]:
    intake = take_in(saga_or_dag, params, labels, MAX_VALUE_BYTES)
    saga = unowned_saga(intake, saga_id or new_saga_id(), priority=priority, start=True)
    return intake, saga
