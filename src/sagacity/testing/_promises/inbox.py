"""Promises about commands: in order, each once, never lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sagacity.errors import NoSuchSaga, StoreError
from sagacity.ports.store import MAX_INBOX, MAX_PAGE
from sagacity.testing._promises._making import (
    command,
    create_many,
    equal,
    holds,
    new_saga,
    refuses,
    saga_id,
)

if TYPE_CHECKING:
    from sagacity.ports.store import SagaStore


async def commands_are_taken_in_the_order_they_were_sent(store: SagaStore) -> None:
    await create_many(store, new_saga(1), new_saga(2))
    commands = [command(request, 1 + request % 2) for request in (5, 3, 9, 1, 7)]
    for each in commands:
        holds(await store.send(each), "send of a new request returned False")
    equal(list(await store.take()), commands, "take")
    equal(list(await store.take()), commands, "take again: nothing is done yet")
    equal(list(await store.take(limit=2)), commands[:2], "take of two")


async def commands_sent_at_once_keep_the_order_of_the_calls(store: SagaStore) -> None:
    await store.create(new_saga())
    commands = [command(request) for request in (5, 3, 9, 1, 7)]
    await asyncio.gather(*(store.send(each) for each in commands))
    equal(list(await store.take()), commands, "take")


async def a_request_is_sent_once(store: SagaStore) -> None:
    await create_many(store, new_saga(1), new_saga(2))
    results = await asyncio.gather(*(store.send(command(1)) for _ in range(5)))
    equal(sorted(results), [False, False, False, False, True], "send of one request")
    holds(not await store.send(command(1, 2, verb="other")), "sent again, for another saga")
    equal(list(await store.take()), [command(1)], "take")


async def what_is_done_is_not_taken_again_nor_sent_again(store: SagaStore) -> None:
    await store.create(new_saga())
    for request in (1, 2, 3):
        await store.send(command(request))
    await store.done([command(2).request_id, command(8).request_id])
    equal(list(await store.take()), [command(1), command(3)], "take")
    holds(not await store.send(command(2)), "what is done was sent again")
    await store.done([command(2).request_id, command(1).request_id, command(3).request_id])
    equal(list(await store.take()), [], "take when all is done")


async def a_command_to_an_unknown_saga_is_refused(store: SagaStore) -> None:
    await refuses(NoSuchSaga, store.send(command(1)), "send", str(saga_id(1)))
    equal(list(await store.take()), [], "take")


async def a_full_inbox_says_so_and_takes_more_when_there_is_room(store: SagaStore) -> None:
    await store.create(new_saga())
    for first in range(0, MAX_INBOX, 10_000):
        results = await asyncio.gather(
            *(store.send(command(request)) for request in range(first, first + 10_000))
        )
        holds(all(results), f"a send up to {MAX_INBOX} returned False")
    extra = command(MAX_INBOX)
    await refuses(StoreError, store.send(extra), "send over the limit", "inbox", f"{MAX_INBOX:,}")
    holds(not await store.send(command(5)), "a request that is there was sent again")
    await store.done([each.request_id for each in await store.take(limit=MAX_PAGE)])
    holds(await store.send(extra), "send when there is room returned False")


PROMISES: Final = (
    commands_are_taken_in_the_order_they_were_sent,
    commands_sent_at_once_keep_the_order_of_the_calls,
    a_request_is_sent_once,
    what_is_done_is_not_taken_again_nor_sent_again,
    a_command_to_an_unknown_saga_is_refused,
    a_full_inbox_says_so_and_takes_more_when_there_is_room,
)
