"""Promises about orders: kept as they are, changed by one at a time, bounded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sagacity.errors import StoreError
from sagacity.ports.store import MAX_ORDERS
from sagacity.testing._promises._making import AWKWARD, equal, holds, order, refuses

if TYPE_CHECKING:
    from sagacity.ports.store import SagaStore


async def orders_are_kept_by_kind_in_the_order_of_their_ids(store: SagaStore) -> None:
    for number in (3, 1, 2):
        holds(await store.keep_order(order(number)), "a new order was not kept")
    holds(await store.keep_order(order(4, kind="other")), "a new order was not kept")
    equal(list(await store.orders("hold")), [order(1), order(2), order(3)], "orders of a kind")
    equal(list(await store.orders("other")), [order(4, kind="other")], "orders of another kind")
    equal(list(await store.orders("none")), [], "orders of a kind that none has")


async def the_document_of_an_order_is_given_back_byte_for_byte(store: SagaStore) -> None:
    for number, document in enumerate(AWKWARD):
        await store.keep_order(order(number, document=document))
    kept = [each.document for each in await store.orders("hold")]
    equal(kept, list(AWKWARD), "documents")


async def an_order_is_replaced_by_its_next_version_alone(store: SagaStore) -> None:
    holds(await store.keep_order(order(1)), "a new order was not kept")
    for version in (1, 3):
        changed = order(1, version=version, document=b"[1]")
        holds(not await store.keep_order(changed), f"version {version} replaced version 1")
    holds(not await store.keep_order(order(1, kind="other", version=2)), "its kind was changed")
    holds(not await store.keep_order(order(2, version=2)), "version 2 of nothing was kept")
    equal(list(await store.orders("hold")), [order(1)], "orders")
    second = order(1, version=2, document=b"[2]")
    holds(await store.keep_order(second), "the next version was not kept")
    equal(list(await store.orders("hold")), [second], "orders")
    await refuses(ValueError, store.keep_order(order(3, version=0)), "version 0", "0")


async def of_two_who_change_an_order_at_once_one_does(store: SagaStore) -> None:
    await store.keep_order(order(1))
    changes = [order(1, version=2, document=b"[%d]" % number) for number in range(5)]
    results = await asyncio.gather(*(store.keep_order(each) for each in changes))
    equal(sorted(results), [False, False, False, False, True], "five changes at once")
    equal(list(await store.orders("hold")), [changes[results.index(True)]], "orders")


async def an_order_that_is_dropped_is_not_there_any_more(store: SagaStore) -> None:
    await store.keep_order(order(1))
    await store.keep_order(order(2))
    await store.drop_order(order(1).id)
    await store.drop_order(order(9).id)
    equal(list(await store.orders("hold")), [order(2)], "orders")
    holds(await store.keep_order(order(1)), "its id is not free again")


async def orders_are_bounded(store: SagaStore) -> None:
    results = await asyncio.gather(*(store.keep_order(order(each)) for each in range(MAX_ORDERS)))
    holds(all(results), f"an order up to {MAX_ORDERS} was not kept")
    extra = order(MAX_ORDERS)
    await refuses(StoreError, store.keep_order(extra), "an order over the limit", f"{MAX_ORDERS:,}")
    holds(not await store.keep_order(order(1)), "an order that is there was kept again")
    holds(await store.keep_order(order(1, version=2)), "an order was not replaced")
    await store.drop_order(order(2).id)
    holds(await store.keep_order(extra), "an order when there is room was not kept")


async def orders_outlive_the_store_that_was_closed(store: SagaStore) -> None:
    await store.keep_order(order(1))
    await store.close()
    await store.open()
    equal(list(await store.orders("hold")), [order(1)], "orders")


PROMISES: Final = (
    orders_are_kept_by_kind_in_the_order_of_their_ids,
    the_document_of_an_order_is_given_back_byte_for_byte,
    an_order_is_replaced_by_its_next_version_alone,
    of_two_who_change_an_order_at_once_one_does,
    an_order_that_is_dropped_is_not_there_any_more,
    orders_are_bounded,
    orders_outlive_the_store_that_was_closed,
)
