"""Promises about coordinators: one at a time, growing epochs, and taking over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sagacity.core.agenda import Direction
from sagacity.errors import NotOwner, StoreBusy
from sagacity.ports.store import DRIVEN, FINAL, MAX_PAGE, SagaStatus, Summary
from sagacity.testing._promises._making import (
    append_to,
    create_many,
    equal,
    holds,
    new_saga,
    refuses,
    saga_id,
    state_of,
)

if TYPE_CHECKING:
    from sagacity.ports.store import SagaStore


async def a_second_coordinator_is_refused(store: SagaStore) -> None:
    await store.acquire("first", wait=False)
    await refuses(StoreBusy, store.acquire("second", wait=False), "acquire")
    await refuses(StoreBusy, store.acquire("first", wait=False), "acquire by the same name")


async def who_asks_hears_whether_there_is_a_coordinator(store: SagaStore) -> None:
    holds(not await store.has_coordinator(), "there is one before any came")
    await store.acquire("first", wait=False)
    holds(await store.has_coordinator(), "there is none while one drives")
    await store.release()
    holds(not await store.has_coordinator(), "there is one after the release")
    await store.acquire("second", wait=False)
    await store.close()
    await store.open()
    holds(not await store.has_coordinator(), "there is one after closing")


async def who_asks_hears_the_epoch_of_the_coordinator(store: SagaStore) -> None:
    equal(await store.coordinator_epoch(), None, "the epoch of nobody")
    epoch = await store.acquire("first", wait=False)
    equal(await store.coordinator_epoch(), epoch, "the epoch of the one who drives")
    await store.release()
    equal(await store.coordinator_epoch(), None, "the epoch of one who has gone")


async def each_epoch_is_greater_than_all_before(store: SagaStore) -> None:
    epochs = [await store.acquire("first", wait=False)]
    holds(epochs[0] > 0, f"the first epoch is {epochs[0]}, and 0 is that of nobody")
    await store.release()
    epochs.append(await store.acquire("second", wait=False))
    await store.close()
    await store.open()
    epochs.append(await store.acquire("third", wait=False))
    equal(epochs, sorted(set(epochs)), "epochs")


async def releasing_may_be_repeated(store: SagaStore) -> None:
    await store.release()
    await store.acquire("me", wait=False)
    await store.release()
    await store.release()
    await store.acquire("me", wait=False)


async def who_waits_is_the_coordinator_after_the_release(store: SagaStore) -> None:
    first = await store.acquire("first", wait=False)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(store.acquire("second", wait=True))
        for _ in range(20):
            await asyncio.sleep(0)
        holds(not waiting.done(), "two are coordinators")
        await store.release()
    holds(waiting.result() > first, "the epoch did not grow")
    await refuses(StoreBusy, store.acquire("third", wait=False), "acquire by a third")


async def who_stops_waiting_leaves_the_place_free(store: SagaStore) -> None:
    await store.acquire("first", wait=False)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(store.acquire("second", wait=True))
        for _ in range(20):
            await asyncio.sleep(0)
        waiting.cancel()
    await store.release()
    await store.acquire("third", wait=False)


async def a_crashed_coordinators_sagas_are_taken_over(store: SagaStore) -> None:
    first = await store.acquire("first", wait=False)
    await store.create(new_saga(owner="first", epoch=first))
    before = await state_of(store)
    await store.close()
    await store.open()
    second = await store.acquire("second", wait=False)
    (head,) = await store.adopt("second", second)
    equal((head.id, head.owner, head.epoch), (saga_id(1), "second", second), "adopted head")
    after = await state_of(store)
    equal(after.head, head, "the head as read")
    equal(after.head.sequence, before.head.sequence, "sequence")
    equal((after.records, after.head.updated_ms), (before.records, before.head.updated_ms), "log")


async def a_stale_owner_cannot_append(store: SagaStore) -> None:
    first = await store.acquire("first", wait=False)
    await create_many(
        store, new_saga(1, owner="first", epoch=first), new_saga(2, owner="first", epoch=first)
    )
    await store.release()
    second = await store.acquire("second", wait=False)
    await store.adopt("second", second, ids=[saga_id(1)])
    before = await state_of(store)
    await refuses(NotOwner, store.append(append_to(1, epoch=first)), "append by the old owner")
    equal(await state_of(store), before, "the saga afterwards")
    await store.append(append_to(1, epoch=second))
    # Until it is adopted a saga has its owner still.
    await store.append(append_to(2, epoch=first))


async def a_stale_coordinator_cannot_adopt(store: SagaStore) -> None:
    await store.create(new_saga())
    first = await store.acquire("first", wait=False)
    await store.release()
    await store.acquire("second", wait=False)
    before = await state_of(store)
    await refuses(NotOwner, store.adopt("first", first), "adopt", str(first))
    await refuses(NotOwner, store.adopt("first", first, ids=[saga_id(1)]), "adopt by id")
    equal(await state_of(store), before, "the saga afterwards")


async def what_is_driven_is_adopted_lowest_id_first(store: SagaStore) -> None:
    states = list(SagaStatus)
    numbers = range(5 * len(states))
    await create_many(
        store,
        *(
            new_saga(number, summary=Summary(states[number % len(states)], Direction.FORWARD))
            for number in numbers
        ),
    )
    driven = [saga_id(number) for number in numbers if states[number % len(states)] in DRIVEN]
    epoch = await store.acquire("me", wait=False)
    first = await store.adopt("me", epoch, limit=3)
    equal([head.id for head in first], driven[:3], "the first three")
    rest = await store.adopt("me", epoch)
    equal([head.id for head in rest], driven[3:], "the rest")
    equal(list(await store.adopt("me", epoch)), [], "adopt when all is ours")


async def what_comes_to_be_driven_later_is_adopted_too(store: SagaStore) -> None:
    epoch = await store.acquire("me", wait=False)
    ready = Summary(SagaStatus.READY, Direction.FORWARD)
    await store.create(new_saga(1, summary=ready))
    await store.create(new_saga(2, owner="me", epoch=epoch))
    equal(list(await store.adopt("me", epoch)), [], "adopt of a ready one and one of ours")
    await store.append(append_to(1))
    await store.create(new_saga(3))
    heads = await store.adopt("me", epoch)
    equal([head.id for head in heads], [saga_id(1), saga_id(3)], "adopted")


async def by_id_whatever_is_not_final_is_adopted(store: SagaStore) -> None:
    states = list(SagaStatus)
    for number, state in enumerate(states):
        await store.create(new_saga(number, summary=Summary(state, Direction.FORWARD)))
    epoch = await store.acquire("me", wait=False)
    ids = [saga_id(number) for number in range(len(states) + 3)]
    for what in ("adopt by id", "adopt by id of one's own"):
        heads = await store.adopt("me", epoch, ids=[*reversed(ids), *ids])
        equal([head.state for head in heads], [s for s in states if s not in FINAL], what)
        equal({(head.owner, head.epoch) for head in heads}, {("me", epoch)}, "owner and epoch")
    untouched = (await store.read(saga_id(states.index(SagaStatus.SUCCEEDED)))).head
    equal((untouched.owner, untouched.epoch), ("", 0), "owner and epoch of a final one")
    equal(list(await store.adopt("me", epoch, ids=[])), [], "adopt of no ids")


async def pages_of_adoption_are_bounded(store: SagaStore) -> None:
    epoch = await store.acquire("me", wait=False)
    for wrong in (0, -1, MAX_PAGE + 1):
        await refuses(
            ValueError, store.adopt("me", epoch, limit=wrong), f"limit {wrong}", str(MAX_PAGE)
        )


PROMISES: Final = (
    a_second_coordinator_is_refused,
    who_asks_hears_whether_there_is_a_coordinator,
    who_asks_hears_the_epoch_of_the_coordinator,
    each_epoch_is_greater_than_all_before,
    releasing_may_be_repeated,
    who_waits_is_the_coordinator_after_the_release,
    who_stops_waiting_leaves_the_place_free,
    a_crashed_coordinators_sagas_are_taken_over,
    a_stale_owner_cannot_append,
    a_stale_coordinator_cannot_adopt,
    what_is_driven_is_adopted_lowest_id_first,
    what_comes_to_be_driven_later_is_adopted_too,
    by_id_whatever_is_not_final_is_adopted,
    pages_of_adoption_are_bounded,
)
