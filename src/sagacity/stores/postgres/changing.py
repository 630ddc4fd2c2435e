"""The rarer writes, one function each, on a session that the caller chose.

Each may be tried again after a try whose outcome is unknown (`Try.in_doubt`), and then
says the same as the first would have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagacity.errors import StoreError
from sagacity.ports.store import MAX_ORDERS
from sagacity.stores.postgres.rows import checksum

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sagacity.ports.store import NewSaga, Order
    from sagacity.stores.postgres.pool import Try


async def define(begun: Try, saga: NewSaga) -> int:
    """Store the definition of a saga if it is not there, and return its key."""
    document = saga.definition.document
    values = (saga.definition.fingerprint, saga.name, document, checksum(document))
    key = await begun.value("define", *values)
    if key is None:
        # Another process stores it at this moment, and had not when this looked.
        key = await begun.value("define", *values)
    if key is None:
        raise StoreError("a definition comes and goes: somebody deletes it all the time")
    return int(key)


async def keep_order(begun: Try, order: Order) -> bool:
    """Insert or replace an order; False if another version is there.

    Raises:
        StoreError: there are too many.
    """
    row = (order.id, order.kind, order.version, order.document, checksum(order.document))
    if order.version > 1:
        kept = await begun.value("replace_order", *row)
    else:
        kept = await begun.value("insert_order", *row, MAX_ORDERS)
    if kept:
        return True
    found = await begun.rows("order_at", order.id)
    if not found and order.version == 1:
        raise StoreError(f"{MAX_ORDERS:,} orders are kept already")
    ours = (order.version, order.kind, order.document)
    return begun.in_doubt and bool(found) and tuple(found[0]) == ours


async def drop_order(begun: Try, order_id: UUID) -> None:
    """Remove an order."""
    await begun.rows("drop_order", order_id)


async def finish_commands(begun: Try, request_ids: Sequence[UUID]) -> None:
    """Mark commands as done."""
    await begun.rows("finish_commands", list(request_ids))


async def delete(begun: Try, ids: Sequence[UUID]) -> int:
    """Remove what is final among `ids`, whole; after an unknown outcome it may count too few."""
    return int(await begun.value("delete", list(ids)))


async def disown(begun: Try, owner: str, ids: Sequence[UUID]) -> None:
    """Leave sagas to others, those that are the owner's."""
    await begun.rows("disown", owner, list(ids))


async def tell(begun: Try, channel: str) -> None:
    """Wake all who wait for a change, in other processes."""
    await begun.rows("tell", channel, "")
