"""Waits for the end of a saga, wherever it is driven."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sagacity.engine.creating import AlreadyThereError
from sagacity.engine.summaries import ending_of_stored
from sagacity.engine.tasks import TaskSet
from sagacity.errors import CoordinatorClosed, NotOwner, StoreError

if TYPE_CHECKING:
    from uuid import UUID

    from sagacity.engine.definitions import Definitions
    from sagacity.engine.handle import Ending
    from sagacity.engine.opened import Life
    from sagacity.ports.store import SagaStore

LONGEST_WAIT_SECONDS: Final = 5.0
"""Then it is looked at again: what the store had to tell can be lost with the process that had."""
TROUBLE_SECONDS: Final = 1.0


async def next_look(
    store: SagaStore,
    definitions: Definitions,
    saga_id: UUID,
    heard: asyncio.Future[Ending] | None = None,
) -> Ending | None:
    """Return how the saga has ended, or None once it may have; `heard` ends the wait as well.

    Raises:
        NoSuchSaga: it does not exist.
    """
    tasks = TaskSet()
    told = tasks.spawn(_until_told(store, saga_id))
    try:
        await asyncio.sleep(0)  # it listens from before we look
        ending = ending_of_stored(await store.read(saga_id), definitions)
        if ending is None:
            either = (told,) if heard is None else (told, heard)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return ending
    finally:
        await tasks.stop(TROUBLE_SECONDS)


async def until_ended(
    store: SagaStore, definitions: Definitions, life: Life, saga_id: UUID
) -> Ending:
    """Wait, in a coordinator, until the saga has ended or is stuck: here, or with others.

    Raises:
        NoSuchSaga: it does not exist.
        CoordinatorClosed: this one closes first, and the saga is not driven by it.
    """
    while True:
        driving = life.opened().driving
        waiter = driving.waiters.add(saga_id)
        try:
            if driving.shares and not driving.knows(saga_id):
                ending = await next_look(store, definitions, saga_id, waiter)
                if ending is not None:
                    return ending
                if not waiter.done():
                    continue
            elif saga_id not in driving.active:
                stored = await store.read(saga_id)
                ending = ending_of_stored(stored, definitions)
                if ending is not None:
                    return ending
                if driving.draining and saga_id not in driving.active:
                    raise CoordinatorClosed("this coordinator is closing")
            return await waiter
        except AlreadyThereError:
            pass  # somebody tried to create it again; it is what it was
        except NotOwner:
            if not driving.shares:
                raise
            await life.until_reborn()  # it is driven elsewhere, or here again
        finally:
            driving.waiters.forget(saga_id, waiter)


async def _until_told(store: SagaStore, saga_id: UUID) -> None:
    try:
        await store.wait_for_end(saga_id, LONGEST_WAIT_SECONDS)
    except StoreError:
        await asyncio.sleep(TROUBLE_SECONDS)  # whoever looks next is told
