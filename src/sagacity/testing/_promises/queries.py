"""Promises about lists and reads: pages, filters, and that they wait for no write."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from sagacity.core.agenda import Direction
from sagacity.ports.store import MAX_PAGE, SagaQuery, SagaStatus, Summary
from sagacity.testing._promises._making import (
    RUNNING,
    append_to,
    create_many,
    equal,
    holds,
    new_saga,
    refuses,
    saga_id,
)

if TYPE_CHECKING:
    from sagacity.ports.store import SagaStore


async def lists_are_ordered_by_id_and_paged(store: SagaStore) -> None:
    numbers = [7, 3, 9, 1, 5, 8, 2, 6, 4]
    await create_many(store, *(new_saga(number) for number in numbers))
    seen: list[object] = []
    limit = 4
    page = await store.list(SagaQuery(limit=limit))
    while page:
        holds(len(page) <= limit, f"a page of {len(page)}")
        seen += [head.id for head in page]
        page = await store.list(SagaQuery(limit=limit, after=page[-1].id))
    equal(seen, [saga_id(number) for number in sorted(numbers)], "ids of all pages")


async def a_page_may_begin_after_an_id_that_is_not_there(store: SagaStore) -> None:
    await create_many(store, new_saga(1), new_saga(3))
    for after, expected in ((0, [1, 3]), (2, [3]), (3, []), (9, [])):
        heads = await store.list(SagaQuery(after=saga_id(after)))
        equal([head.id for head in heads], [saga_id(each) for each in expected], f"after {after}")


async def the_newest_of_a_name_come_first(store: SagaStore) -> None:
    await create_many(
        store, *(new_saga(number, name="trip" if number % 2 else "other") for number in range(1, 8))
    )

    async def newest(name: str, limit: int) -> list[object]:
        return [head.id for head in await store.newest(name, limit=limit)]

    equal(await newest("trip", 3), [saga_id(each) for each in (7, 5, 3)], "the newest three")
    equal(await newest("other", 100), [saga_id(each) for each in (6, 4, 2)], "all of a name")
    equal(await newest("nobody", 1), [], "of a name that none has")
    await refuses(ValueError, store.newest("trip", limit=MAX_PAGE + 1), "newest", str(MAX_PAGE))


async def pages_are_bounded(store: SagaStore) -> None:
    await create_many(store, *(new_saga(number) for number in range(MAX_PAGE + 1)))
    equal(len(await store.list(SagaQuery(limit=MAX_PAGE))), MAX_PAGE, "a full page")
    equal(len(await store.list(SagaQuery())), 100, "a page when no limit is given")
    for wrong in (0, -1, MAX_PAGE + 1):
        naming = str(MAX_PAGE)
        await refuses(ValueError, store.list(SagaQuery(limit=wrong)), f"limit {wrong}", naming)
        await refuses(ValueError, store.take(limit=wrong), f"take of {wrong}", naming)


async def each_filter_selects(store: SagaStore) -> None:
    stuck = Summary(SagaStatus.STUCK, Direction.UNWINDING)
    await create_many(
        store,
        new_saga(1, name="trip", summary=RUNNING, labels={"team": "blue", "tier": "1"}),
        new_saga(2, name="trip", summary=stuck, labels={"team": "blue"}),
        new_saga(3, name="Trip", summary=stuck, labels={"team": "red", "blue": "team"}),
        new_saga(4, name="tri%", summary=RUNNING),
    )

    async def select(**filters: Any) -> list[int]:
        heads = await store.list(SagaQuery(**filters))
        return [next(n for n in range(1, 5) if saga_id(n) == head.id) for head in heads]

    equal(await select(state=SagaStatus.STUCK), [2, 3], "state")
    equal(await select(state=SagaStatus.PAUSED), [], "a state that none has")
    either = frozenset({SagaStatus.STUCK, SagaStatus.RUNNING})
    equal(await select(states=either), [1, 2, 3, 4], "two states")
    equal(await select(states=either - {SagaStatus.RUNNING}, name="trip"), [2], "one of states")
    equal(await select(states=frozenset({SagaStatus.SUCCEEDED})), [], "states that none has")
    equal(await select(direction=Direction.FORWARD), [1, 4], "direction")
    equal(await select(name="trip"), [1, 2], "name")
    equal(await select(name="tri%"), [4], "name with a sign that means something to SQL")
    equal(await select(labels={"team": "blue"}), [1, 2], "one label")
    equal(await select(labels={"team": "blue", "tier": "1"}), [1], "two labels")
    equal(await select(labels={"team": "green"}), [], "a label that none has")
    equal(await select(name="trip", state=SagaStatus.STUCK), [2], "name and state")
    equal(await select(labels={"team": "blue"}, after=saga_id(1)), [2], "label, after an id")
    everything = {"state": SagaStatus.STUCK, "direction": Direction.UNWINDING, "name": "trip"}
    equal(await select(**everything, labels={"team": "blue"}, limit=1), [2], "all filters")


async def filters_follow_the_appends(store: SagaStore) -> None:
    await store.create(new_saga())
    unwound = Summary(SagaStatus.UNWOUND, Direction.UNWINDING)
    await store.append(append_to(summary=unwound))
    equal(list(await store.list(SagaQuery(state=SagaStatus.RUNNING))), [], "the old state")
    equal(len(await store.list(SagaQuery(state=SagaStatus.UNWOUND))), 1, "the new state")
    equal(len(await store.list(SagaQuery(direction=Direction.UNWINDING))), 1, "the new direction")


async def a_read_is_of_one_moment(store: SagaStore) -> None:
    await store.create(new_saga())

    async def write() -> None:
        for at in range(1, 100):
            await store.append(append_to(at=at))

    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(write())
        while not writing.done():
            read = await store.read(saga_id(1))
            equal(len(read.records), read.head.sequence, "records of one read")
            await asyncio.sleep(0)


async def reads_do_not_wait_for_writes(store: SagaStore) -> None:
    await create_many(store, *(new_saga(number) for number in range(50)))
    enough = False

    async def write_on_and_on(number: int) -> None:
        at = 1
        while not enough:
            await store.append(append_to(number, at=at))
            at += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for number in range(50):
            tasks.create_task(write_on_and_on(number))
        try:
            for number in range(20):
                await store.read(saga_id(number))
                equal(len(await store.list(SagaQuery())), 50, "list meanwhile")
                await store.take()
        finally:
            enough = True


async def what_was_acknowledged_is_read(store: SagaStore) -> None:
    await store.create(new_saga())
    for at in range(1, 30):
        await store.append(append_to(at=at))
        equal((await store.read(saga_id(1))).head.sequence, at + 1, "sequence after an append")
        (head,) = await store.list(SagaQuery())
        equal(head.sequence, at + 1, "sequence in the list after an append")


PROMISES: Final = (
    lists_are_ordered_by_id_and_paged,
    a_page_may_begin_after_an_id_that_is_not_there,
    the_newest_of_a_name_come_first,
    pages_are_bounded,
    each_filter_selects,
    filters_follow_the_appends,
    a_read_is_of_one_moment,
    reads_do_not_wait_for_writes,
    what_was_acknowledged_is_read,
)
