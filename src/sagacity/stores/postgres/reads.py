"""What is read, one function each. Each asks one thing, which is of one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sagacity.errors import NoSuchSaga, StoreCorrupt
from sagacity.ports.store import FINAL, SagaStatus
from sagacity.stores.postgres.rows import (
    HEAD_COLUMNS,
    command_of,
    head_of,
    order_of,
    plain,
    stored_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sagacity.ports.store import InboxCommand, Order, SagaHead, SagaQuery, StoredSaga
    from sagacity.stores.postgres.pool import Try

WENT_WRONG: Final = frozenset({SagaStatus.STUCK, SagaStatus.UNWOUND, SagaStatus.ABANDONED})
"""What the index `head_went_wrong` has."""


async def head(begun: Try, saga_id: UUID) -> SagaHead | None:
    """Return the head of a saga, if it is there."""
    rows = await begun.rows("shown_one", saga_id)
    return head_of(rows[0]) if rows else None


async def heads(begun: Try, query: SagaQuery) -> Sequence[SagaHead]:
    """Return the heads that match, ordered by id."""
    text, values = listing(begun.queries["shown"], begun.queries["labelled"], query)
    rows = await begun.connection.fetch(text, *values, timeout=begun.timeout_seconds)
    return [head_of(row) for row in rows]


async def newest(begun: Try, name: str, limit: int) -> Sequence[SagaHead]:
    """Return the heads of the sagas of a name with the highest ids, those first."""
    return [head_of(row) for row in await begun.rows("shown_newest", name, limit)]


async def sagas(begun: Try, ids: Sequence[UUID]) -> Mapping[UUID, StoredSaga | StoreCorrupt]:
    """Return sagas whole, by id, or what is wrong with one; without those that are not there."""
    found: dict[UUID, StoredSaga | StoreCorrupt] = {}
    for row in await begun.rows("stored", ids):
        saga_id = plain(row[-HEAD_COLUMNS])
        try:
            found[saga_id] = stored_of(row)
        except StoreCorrupt as error:
            found[saga_id] = error
    return found


async def position(begun: Try, saga_id: UUID) -> tuple[int, int]:
    """Return `(sequence, epoch)` of a saga.

    Raises:
        NoSuchSaga: it is not there.
    """
    rows = await begun.rows("position", saga_id)
    if not rows:
        raise NoSuchSaga(saga_id)
    sequence, epoch = rows[0]
    return sequence, epoch


async def waiting_commands(begun: Try, owner: str | None, limit: int) -> Sequence[InboxCommand]:
    """Return the oldest commands that are not done."""
    if owner is None:
        rows = await begun.rows("waiting_commands", limit)
    else:
        rows = await begun.rows("own_waiting_commands", limit, owner)
    return [command_of(row) for row in rows]


async def orders(begun: Try, kind: str) -> Sequence[Order]:
    """Return the orders of a kind.

    Raises:
        StoreCorrupt: one is damaged; the text names it.
    """
    return [order_of(row) for row in await begun.rows("orders", kind)]


def listing(shown: str, labelled: str, query: SagaQuery) -> tuple[str, Sequence[Any]]:
    """Return the text of a query, made of a fixed set of conditions, and its values."""
    values: list[Any] = []
    conditions: list[str] = []

    def add(condition: str, *given: Any) -> None:
        numbers = range(len(values) + 1, len(values) + len(given) + 1)
        values.extend(given)
        conditions.append(condition.format(*(f"${number}" for number in numbers)))

    states = query.states
    if query.state is not None:
        add("head.state = {}", query.state)
        states = states & {query.state} if states else frozenset({query.state})
    if query.states:
        add("head.state = ANY ({}::text[])", sorted(query.states))
    if states:
        # Follows from what was said; said so that an index of few sagas can serve.
        if not states & FINAL:
            add("head.state NOT IN ('succeeded', 'unwound', 'abandoned')")
        elif states <= WENT_WRONG:
            add("head.state IN ('stuck', 'unwound', 'abandoned')")
    if query.direction is not None:
        add("head.direction = {}", query.direction)
    if query.name is not None:
        add("definition.name = {}", query.name)
    for label in query.labels.items():
        add(labelled, *label)
    if query.after is not None:
        add("head.saga > {}", query.after)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    values.append(query.limit)
    return f"{shown}{where} ORDER BY head.saga LIMIT ${len(values)}", values
