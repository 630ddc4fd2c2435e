"""Promises about the log: order, fences, and that one saga's trouble is its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sagacity.core.agenda import Direction
from sagacity.errors import NoSuchSaga, NotOwner
from sagacity.ports.store import SagaStatus, Summary
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


async def records_are_kept_in_order_and_without_holes(store: SagaStore) -> None:
    await store.create(new_saga())
    await store.append(append_to(at=1, events=3, record=b"[2]"))
    await store.append(append_to(at=4, events=1, record=b"[5]"))
    await store.append(append_to(at=5, events=2, record=b"[6]"))
    read = await store.read(saga_id(1))
    equal(
        tuple(read.records),
        ((1, b'["created"]'), (2, b"[2]"), (5, b"[5]"), (6, b"[6]")),
        "records",
    )
    equal(read.head.sequence, 7, "sequence")


async def the_head_follows_each_append(store: SagaStore) -> None:
    await store.create(new_saga())
    stuck = Summary(SagaStatus.STUCK, Direction.UNWINDING)
    await store.append(append_to(summary=stuck, updated_ms=9_000))
    head = (await store.read(saga_id(1))).head
    equal((head.state, head.direction), ("stuck", "unwinding"), "state and direction")
    equal((head.updated_ms, head.created_ms), (9_000, 1_001), "times")


async def an_append_without_events_changes_the_summary_alone(store: SagaStore) -> None:
    await store.create(new_saga())
    before = await state_of(store)
    paused = Summary(SagaStatus.PAUSED, Direction.FORWARD)
    await store.append(append_to(events=0, record=b"", summary=paused))
    after = await state_of(store)
    equal((after.head.state, after.head.sequence), ("paused", 1), "state and sequence")
    equal(after.records, before.records, "records")
    await refuses(NotOwner, store.append(append_to(at=2, events=0)), "at a wrong sequence")
    await store.append(append_to(at=1))


async def an_append_at_another_sequence_is_refused(store: SagaStore) -> None:
    await store.create(new_saga())
    await store.append(append_to(at=1))
    before = await state_of(store)
    for wrong in (0, 1, 3):
        await refuses(
            NotOwner, store.append(append_to(at=wrong)), f"append at {wrong}", str(saga_id(1))
        )
    equal(await state_of(store), before, "the saga afterwards")


async def an_append_of_another_epoch_is_refused(store: SagaStore) -> None:
    await store.create(new_saga(epoch=5))
    before = await state_of(store)
    for wrong in (0, 4, 6):
        await refuses(NotOwner, store.append(append_to(epoch=wrong)), f"append of epoch {wrong}")
    equal(await state_of(store), before, "the saga afterwards")
    await store.append(append_to(epoch=5))


async def an_append_to_an_unknown_saga_is_refused(store: SagaStore) -> None:
    await refuses(NoSuchSaga, store.append(append_to()), "append", str(saga_id(1)))
    await refuses(NoSuchSaga, store.read(saga_id(1)), "read afterwards")


async def of_two_appends_at_one_sequence_one_wins(store: SagaStore) -> None:
    await store.create(new_saga())
    results = await asyncio.gather(
        *(store.append(append_to(record=b"[%d]" % number)) for number in range(8)),
        return_exceptions=True,
    )
    won = [number for number, result in enumerate(results) if result is None]
    equal(len(won), 1, "appends that returned")
    holds(
        all(isinstance(result, NotOwner) for result in results if result is not None),
        f"the others raised something else than NotOwner: {results!r}",
    )
    read = await store.read(saga_id(1))
    equal(tuple(read.records)[1:], ((2, b"[%d]" % won[0]),), "records after the first")


async def a_conflict_of_one_saga_harms_it_alone(store: SagaStore) -> None:
    numbers = range(1, 101)
    await create_many(store, *(new_saga(number) for number in numbers))
    results = await asyncio.gather(
        # Every tenth is at a wrong sequence, and one more is of a saga that is not there.
        *(store.append(append_to(number, at=7 if number % 10 == 0 else 1)) for number in numbers),
        store.append(append_to(999)),
        return_exceptions=True,
    )
    for number, result in zip(numbers, results, strict=False):
        bad = number % 10 == 0
        holds(isinstance(result, NotOwner) if bad else result is None, f"{number}: {result!r}")
        sequence = (await store.read(saga_id(number))).head.sequence
        equal(sequence, 1 if bad else 2, f"sequence of saga {number}")
    holds(isinstance(results[-1], NoSuchSaga), f"the unknown saga: {results[-1]!r}")


async def appends_of_many_tasks_are_all_kept(store: SagaStore) -> None:
    async def live(number: int) -> None:
        await store.create(new_saga(number))
        for at in range(1, 6):
            await store.append(append_to(number, at=at, record=b"[%d,%d]" % (number, at)))

    async with asyncio.TaskGroup() as tasks:
        for number in range(200):
            tasks.create_task(live(number))
    for number in range(200):
        read = await store.read(saga_id(number))
        expected = [(at + 1, b"[%d,%d]" % (number, at)) for at in range(1, 6)]
        equal(list(read.records)[1:], expected, f"records of saga {number}")


async def a_crowd_of_callers_at_once_is_served(store: SagaStore) -> None:
    numbers = range(5_000)
    await create_many(store, *(new_saga(number) for number in numbers))
    await asyncio.gather(*(store.append(append_to(number)) for number in numbers))
    for number in (0, 2_500, 4_999):
        equal((await store.read(saga_id(number))).head.sequence, 2, f"sequence of {number}")


async def a_cancelled_append_is_whole_or_nothing(store: SagaStore) -> None:
    await create_many(store, new_saga(1), new_saga(2))
    sequence = 1
    for turns in range(12):
        async with asyncio.TaskGroup() as tasks:
            cut_short = tasks.create_task(store.append(append_to(1, at=sequence, record=b"[1]")))
            sibling = tasks.create_task(store.append(append_to(2, at=turns + 1)))
            for _ in range(turns):
                await asyncio.sleep(0)
            cut_short.cancel()
        await sibling
        read = await store.read(saga_id(1))
        holds(
            read.head.sequence in (sequence, sequence + 1),
            f"sequence {read.head.sequence} after {sequence} and one cancelled append",
        )
        holds(
            cut_short.cancelled() or read.head.sequence == sequence + 1,
            "an append that returned is not there",
        )
        equal(len(read.records), read.head.sequence, "number of records")
        sequence = read.head.sequence
        equal((await store.read(saga_id(2))).head.sequence, turns + 2, "the sibling's sequence")
    await store.append(append_to(1, at=sequence))


PROMISES: Final = (
    records_are_kept_in_order_and_without_holes,
    the_head_follows_each_append,
    an_append_without_events_changes_the_summary_alone,
    an_append_at_another_sequence_is_refused,
    an_append_of_another_epoch_is_refused,
    an_append_to_an_unknown_saga_is_refused,
    of_two_appends_at_one_sequence_one_wins,
    a_conflict_of_one_saga_harms_it_alone,
    appends_of_many_tasks_are_all_kept,
    a_crowd_of_callers_at_once_is_served,
    a_cancelled_append_is_whole_or_nothing,
)
