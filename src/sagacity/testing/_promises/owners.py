"""Promises about coordinators: identities, growing epochs, and taking over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sagacity.core.agenda import Direction
from sagacity.errors import NotOwner, StoreBusy
from sagacity.ports.store import (
    DRIVEN,
    FINAL,
    MAX_PAGE,
    MAX_UNFIT,
    MOST_PRIORITY,
    PRIORITY_MS,
    Coordinator,
    SagaStatus,
    Summary,
)
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


async def who_is_a_coordinator_may_go_on_being_one(store: SagaStore) -> None:
    await refuses(NotOwner, store.renew(), "renew before any acquire")
    await store.acquire("first", wait=False)
    for what in ("the first time", "again"):
        seconds = await store.renew()
        holds(seconds is None or seconds > 0, f"renewed {what} for {seconds} s")
    await store.release()
    await refuses(NotOwner, store.renew(), "renew after the release")


async def where_one_coordinator_has_all_a_second_is_refused(store: SagaStore) -> None:
    await store.acquire("first", wait=False)
    if await store.renew() is not None:
        return  # it takes any number
    await refuses(StoreBusy, store.acquire("second", wait=False), "acquire")
    await refuses(StoreBusy, store.acquire("first", wait=False), "acquire by the same name")


async def who_asks_hears_which_coordinators_are_alive(store: SagaStore) -> None:
    equal([*await store.coordinators()], [], "those before any came")
    epoch = await store.acquire("first", wait=False)
    equal([*await store.coordinators()], [Coordinator("first", epoch)], "those while one drives")
    await store.release()
    equal([*await store.coordinators()], [], "those after the release")
    await store.acquire("second", wait=False)
    await store.close()
    await store.open()
    equal([*await store.coordinators()], [], "those after closing")


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
    if await store.renew() is not None:
        return  # nobody has to wait
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
    if await store.renew() is not None:
        return  # nobody has to wait
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


async def what_is_driven_is_adopted_oldest_first(store: SagaStore) -> None:
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


async def a_higher_priority_is_as_good_as_an_earlier_time(store: SagaStore) -> None:
    priorities = (0, 1, -1, MOST_PRIORITY, -MOST_PRIORITY, 0)
    await create_many(
        store,
        *(new_saga(number, priority=priority) for number, priority in enumerate(priorities)),
    )
    last = len(priorities)
    later_ms = new_saga(2).created_ms + PRIORITY_MS
    await store.create(new_saga(last, priority=1, created_ms=later_ms))
    for wrong in (MOST_PRIORITY + 1, -MOST_PRIORITY - 1):
        await refuses(ValueError, store.create(new_saga(7, priority=wrong)), f"priority {wrong}")
    epoch = await store.acquire("me", wait=False)
    heads = [*await store.adopt("me", epoch, limit=4), *await store.adopt("me", epoch)]
    equal(
        [head.id for head in heads], [saga_id(each) for each in (3, 1, 0, last, 5, 2, 4)], "order"
    )
    equal([head.priority for head in heads], [MOST_PRIORITY, 1, 0, 1, 0, -1, -MOST_PRIORITY], "as")


async def only_what_is_asked_for_is_adopted(store: SagaStore) -> None:
    queued = Summary(SagaStatus.QUEUED, Direction.FORWARD)
    await create_many(store, new_saga(1), new_saga(2, summary=queued), new_saga(3))
    fingerprint = new_saga().definition.fingerprint
    epoch = await store.acquire("me", wait=False)
    equal(list(await store.adopt("me", epoch, unfit=[fingerprint])), [], "of no other definition")
    heads = await store.adopt("me", epoch, states=frozenset({SagaStatus.QUEUED}))
    equal([head.id for head in heads], [saga_id(2)], "the queued ones")
    wrong = frozenset({SagaStatus.READY})
    await refuses(ValueError, store.adopt("me", epoch, states=wrong), "adopt of ready ones")
    many = [str(number) for number in range(MAX_UNFIT + 1)]
    await refuses(ValueError, store.adopt("me", epoch, unfit=many), "adopt without too many")
    heads = await store.adopt("me", epoch, unfit=many[:-1])
    equal([head.id for head in heads], [saga_id(1), saga_id(3)], "the rest")


async def what_is_not_owned_any_more_is_not_changed(store: SagaStore) -> None:
    epoch = await store.acquire("me", wait=False)
    await create_many(store, new_saga(1, owner="me", epoch=epoch), new_saga(2))
    before = await state_of(store)
    await store.disown("somebody else", [saga_id(1)])
    equal(await state_of(store), before, "the saga of another owner")
    await store.disown("me", [saga_id(1), saga_id(2), saga_id(3)])
    after = await state_of(store)
    equal((after.records, after.head.state), (before.records, before.head.state), "the saga")
    if await store.renew() is not None:
        equal(after.head.owner, "", "the owner")
        (head, _) = await store.adopt("me", epoch)
        holds(head.epoch > epoch, "the epoch did not grow")
        await refuses(NotOwner, store.append(append_to(1, epoch=epoch)), "append as before")


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
    who_is_a_coordinator_may_go_on_being_one,
    where_one_coordinator_has_all_a_second_is_refused,
    who_asks_hears_which_coordinators_are_alive,
    each_epoch_is_greater_than_all_before,
    releasing_may_be_repeated,
    who_waits_is_the_coordinator_after_the_release,
    who_stops_waiting_leaves_the_place_free,
    a_crashed_coordinators_sagas_are_taken_over,
    a_stale_owner_cannot_append,
    a_stale_coordinator_cannot_adopt,
    what_is_driven_is_adopted_oldest_first,
    a_higher_priority_is_as_good_as_an_earlier_time,
    only_what_is_asked_for_is_adopted,
    what_is_not_owned_any_more_is_not_changed,
    what_comes_to_be_driven_later_is_adopted_too,
    by_id_whatever_is_not_final_is_adopted,
    pages_of_adoption_are_bounded,
)
