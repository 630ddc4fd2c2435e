"""Promises about being told of changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sagacity.testing._promises._making import (
    append_to,
    command,
    equal,
    has_one_coordinator,
    holds,
    new_saga,
    order,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sagacity.ports.store import SagaStore

LONG_SECONDS: Final = 10.0
"""Whoever waits this long was not woken: its mark is as it was, and the promise is broken."""


async def current(store: SagaStore) -> int:
    """Return a mark after which nothing has changed yet."""
    seen, mark = -1, 0
    while mark != seen:
        seen, mark = mark, await store.wait_for_change(mark, 0.25)
    return mark


async def waiting_ends_after_the_time_out(store: SagaStore) -> None:
    mark = await current(store)
    equal(await store.wait_for_change(mark, 0.01), mark, "mark when nothing has changed")
    equal(await store.wait_for_change(mark, 0), mark, "mark when not waiting at all")


async def each_change_wakes_who_waits(store: SagaStore) -> None:
    mark = await current(store)

    async def wakes(change: Awaitable[object], what: str) -> None:
        nonlocal mark
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(store.wait_for_change(mark, LONG_SECONDS))
            for _ in range(5):
                await asyncio.sleep(0)
            await change
        holds(waiting.result() != mark, f"{what}: the mark is the same")
        mark = await current(store)

    await wakes(store.create(new_saga()), "a create")
    if await has_one_coordinator(store):
        await wakes(store.append(append_to()), "an append")
    await wakes(store.send(command(1)), "a command")
    await wakes(store.keep_order(order(1)), "an order")
    await wakes(store.drop_order(order(1).id), "the end of an order")


async def a_change_before_the_wait_is_not_missed(store: SagaStore) -> None:
    mark = await current(store)
    await store.create(new_saga())
    after_create = await store.wait_for_change(mark, LONG_SECONDS)
    holds(after_create != mark, "the create was missed")
    if await has_one_coordinator(store):
        mark = await current(store)
        await store.append(append_to())
        holds(await store.wait_for_change(mark, LONG_SECONDS) != mark, "the append was missed")


async def all_who_wait_are_woken(store: SagaStore) -> None:
    mark = await current(store)
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(store.wait_for_change(mark, LONG_SECONDS)) for _ in range(10)]
        await asyncio.sleep(0)
        await store.create(new_saga())
    holds(all(task.result() != mark for task in waiting), "one was not told")


async def waiting_can_be_cancelled(store: SagaStore) -> None:
    mark = await current(store)
    async with asyncio.TaskGroup() as tasks:
        cut_short = tasks.create_task(store.wait_for_change(mark, LONG_SECONDS))
        other = tasks.create_task(store.wait_for_change(mark, LONG_SECONDS))
        for _ in range(5):
            await asyncio.sleep(0)
        cut_short.cancel()
        await store.create(new_saga())
    holds(cut_short.cancelled(), "the cancellation was swallowed")
    holds(other.result() != mark, "the other was not told")


PROMISES: Final = (
    waiting_ends_after_the_time_out,
    each_change_wakes_who_waits,
    a_change_before_the_wait_is_not_missed,
    all_who_wait_are_woken,
    waiting_can_be_cancelled,
)
