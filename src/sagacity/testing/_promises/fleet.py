"""Promises of stores with leases, tried with two store objects on one database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sagacity.core.agenda import Direction
from sagacity.errors import NotOwner
from sagacity.ports.store import Coordinator, SagaStatus, Summary
from sagacity.testing._promises._making import (
    SUCCEEDED,
    append_to,
    command,
    create_many,
    equal,
    holds,
    new_saga,
    order,
    refuses,
    saga_id,
    state_of,
)
from sagacity.testing._promises.changes import LONG_SECONDS, current

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sagacity.ports.store import SagaStore

STUCK: Final = Summary(SagaStatus.STUCK, Direction.FORWARD)
LOOK_SECONDS: Final = 0.05


async def any_number_are_coordinators(one: SagaStore, other: SagaStore) -> None:
    first = await one.acquire("first", wait=False)
    second = await other.acquire("second", wait=False)
    holds(second > first > 0, f"epochs {first} and {second}")
    both = [Coordinator("first", first), Coordinator("second", second)]
    for store in (one, other):
        holds((await store.renew() or 0) > 0, "renew promised no time")
        found = sorted(await store.coordinators(), key=lambda each: each.epoch)
        equal(found, both, "those who are alive")
    await one.close()
    equal([*await other.coordinators()], both[1:], "those after one has closed")


async def what_one_drives_the_other_leaves_alone(one: SagaStore, other: SagaStore) -> None:
    first = await one.acquire("first", wait=False)
    second = await other.acquire("second", wait=False)
    await one.create(new_saga(1, owner="first", epoch=first))
    await one.create(new_saga(2))
    equal([head.id for head in await one.adopt("first", first)], [saga_id(2)], "adopted")
    equal(list(await other.adopt("second", second)), [], "adopted from a living one")
    ids = [saga_id(1), saga_id(2)]
    equal(list(await other.adopt("second", second, ids=ids)), [], "adopted by id")
    await one.append(append_to(1, epoch=first))


async def what_is_released_the_other_takes_over(one: SagaStore, other: SagaStore) -> None:
    first = await one.acquire("first", wait=False)
    second = await other.acquire("second", wait=False)
    await one.create(new_saga(1, owner="first", epoch=first))
    await one.release()
    (head,) = await other.adopt("second", second)
    holds(head.owner == "second" and head.epoch > first, f"adopted as {head}")
    before = await state_of(other)
    await refuses(NotOwner, one.append(append_to(1, epoch=first)), "append by the old owner")
    equal(await state_of(other), before, "the saga afterwards")
    await other.append(append_to(1, epoch=head.epoch))


async def what_is_disowned_goes_to_and_fro(one: SagaStore, other: SagaStore) -> None:
    first = await one.acquire("first", wait=False)
    second = await other.acquire("second", wait=False)
    await one.create(new_saga(1, owner="first", epoch=first))
    epochs = [first]
    for _ in range(3):
        await one.disown("first", [saga_id(1)])
        epochs += [head.epoch for head in await other.adopt("second", second)]
        await other.disown("second", [saga_id(1)])
        epochs += [head.epoch for head in await one.adopt("first", first)]
    equal(epochs, sorted(set(epochs)), "epochs")
    equal(len(epochs), 7, "owners")
    for epoch in epochs[:-1]:
        await refuses(NotOwner, one.append(append_to(1, epoch=epoch)), "append by an old owner")
    await one.append(append_to(1, epoch=epochs[-1]))


async def who_does_not_renew_is_taken_from(one: SagaStore, other: SagaStore) -> None:
    first = await one.acquire("first", wait=False)
    await create_many(
        one, new_saga(1, owner="first", epoch=first), new_saga(2, owner="first", epoch=first)
    )
    second = await other.acquire("second", wait=False)
    while True:
        await other.renew()
        if [each.owner for each in await other.coordinators()] == ["second"]:
            break
        await other.wait_for_end(saga_id(9), LOOK_SECONDS)
    (head,) = await other.adopt("second", second, limit=1)
    holds(head.owner == "second" and head.epoch > first, f"adopted as {head}")
    await refuses(NotOwner, one.renew(), "renew of a lease that has ended")
    await refuses(NotOwner, one.adopt("first", first), "adopt after that")
    await refuses(NotOwner, one.append(append_to(1, epoch=first)), "append to what was taken")
    again = await one.acquire("first again", wait=False)
    holds(again > second, "the epoch did not grow")


async def who_renews_keeps_what_it_has(one: SagaStore, other: SagaStore) -> None:
    first = await one.acquire("first", wait=False)
    await one.create(new_saga(1, owner="first", epoch=first))
    second = await other.acquire("second", wait=False)
    loop = asyncio.get_running_loop()
    seconds = await one.renew() or 0
    holds(seconds > 0, "no lease at all")
    end = loop.time() + 2 * seconds
    while loop.time() < end:
        await one.renew()
        await other.renew()
        equal(list(await other.adopt("second", second)), [], "taken from one who renews")
        await one.wait_for_end(saga_id(9), seconds / 10)
    await one.append(append_to(1, epoch=first))


async def many_adopt_at_once_and_each_saga_goes_to_one(one: SagaStore, other: SagaStore) -> None:
    sagas = 300
    await create_many(one, *(new_saga(number) for number in range(sagas)))
    stores = {"first": one, "second": other}
    epochs = {name: await store.acquire(name, wait=False) for name, store in stores.items()}
    owners: dict[object, list[str]] = {}

    async def adopt(name: str, store: SagaStore) -> None:
        while heads := await store.adopt(name, epochs[name], limit=20):
            await store.renew()
            for head in heads:
                equal((head.owner, head.epoch), (name, epochs[name]), "adopted as")
                owners.setdefault(head.id, []).append(name)

    async with asyncio.TaskGroup() as tasks:
        for name, store in stores.items():
            for _ in range(3):
                tasks.create_task(adopt(name, store))
    # Whoever found only what another was taking has ended early; one more look finds the rest.
    for name, store in stores.items():
        await store.renew()
        await adopt(name, store)
    equal(sorted(len(names) for names in owners.values()), [1] * sagas, "owners of each saga")


async def of_two_who_want_one_saga_one_gets_it(one: SagaStore, other: SagaStore) -> None:
    first = await one.acquire("first", wait=False)
    second = await other.acquire("second", wait=False)
    ids = [saga_id(number) for number in range(20)]
    await create_many(one, *(new_saga(number) for number in range(20)))
    taken = await asyncio.gather(
        one.adopt("first", first, ids=ids), other.adopt("second", second, ids=[*reversed(ids)])
    )
    found = sorted(head.id for heads in taken for head in heads)
    equal(found, ids, "what both have got")


async def commands_go_to_the_owner(one: SagaStore, other: SagaStore) -> None:
    first = await one.acquire("first", wait=False)
    await other.acquire("second", wait=False)
    await create_many(one, new_saga(1, owner="first", epoch=first), new_saga(2))
    for request in (1, 2):
        await other.send(command(request, request))
    to_both = [command(1, 1), command(2, 2)]
    equal(list(await one.take(owner="first")), to_both, "taken by the owner of the first")
    equal(list(await other.take(owner="second")), to_both[1:], "taken by the other")
    await one.release()
    equal(list(await other.take(owner="second")), to_both, "taken when the owner has gone")
    await other.done([command(1, 1).request_id])
    equal(list(await one.take()), to_both[1:], "taken after one is done")


async def what_others_must_act_on_wakes_them(one: SagaStore, other: SagaStore) -> None:
    first = await one.acquire("first", wait=False)
    mark = await current(other)

    async def wakes(change: Awaitable[object], what: str) -> None:
        nonlocal mark
        await one.renew()
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(other.wait_for_change(mark, LONG_SECONDS))
            for _ in range(5):
                await asyncio.sleep(0)
            await change
        holds(waiting.result() != mark, f"{what}: the mark is the same")
        mark = await current(other)

    await wakes(one.create(new_saga(1)), "a saga that nobody owns")
    await wakes(one.send(command(1)), "a command")
    await wakes(one.keep_order(order(1)), "an order")
    await one.renew()
    await one.adopt("first", first)
    await wakes(one.disown("first", [saga_id(1)]), "a saga that is owned no more")
    await wakes(one.release(), "the end of a coordinator")


async def who_waits_hears_of_the_end_elsewhere(one: SagaStore, other: SagaStore) -> None:
    await create_many(one, new_saga(1), new_saga(2))
    loop = asyncio.get_running_loop()
    for number, summary in ((1, SUCCEEDED), (2, STUCK)):
        begin = loop.time()
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(other.wait_for_end(saga_id(number), LONG_SECONDS))
            for _ in range(5):
                await asyncio.sleep(0)
            await one.append(append_to(number, summary=summary))
        await waiting
        holds(loop.time() - begin < LONG_SECONDS, f"nobody told that it is {summary.state}")


PROMISES: Final = (
    any_number_are_coordinators,
    what_one_drives_the_other_leaves_alone,
    what_is_released_the_other_takes_over,
    what_is_disowned_goes_to_and_fro,
    who_does_not_renew_is_taken_from,
    who_renews_keeps_what_it_has,
    many_adopt_at_once_and_each_saga_goes_to_one,
    of_two_who_want_one_saga_one_gets_it,
    commands_go_to_the_owner,
    what_others_must_act_on_wakes_them,
    who_waits_hears_of_the_end_elsewhere,
)
