"""Promises about creating, reading and deleting."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from sagacity.core.agenda import Direction
from sagacity.errors import NoSuchSaga, StoreError
from sagacity.ports.store import (
    FINAL,
    MAX_LABELS,
    MAX_NAME_CHARS,
    MAX_PAGE,
    MAX_TEXT_BYTES,
    SagaHead,
    SagaQuery,
    SagaStatus,
    StoredSaga,
    Summary,
)
from sagacity.testing._promises._making import (
    AWKWARD,
    RUNNING,
    SUCCEEDED,
    append_to,
    command,
    create_many,
    definition,
    equal,
    holds,
    new_saga,
    refuses,
    saga_id,
    state_of,
)

if TYPE_CHECKING:
    from sagacity.ports.store import SagaStore


async def a_new_store_is_empty(store: SagaStore) -> None:
    equal(list(await store.list(SagaQuery())), [], "list")
    equal(list(await store.take()), [], "take")
    await refuses(NoSuchSaga, store.read(saga_id(1)), "read of an unknown id", str(saga_id(1)))


async def a_created_saga_reads_back_whole(store: SagaStore) -> None:
    made = new_saga(labels={"team": "blue"}, constants=b"[1]", owner="me", epoch=0)
    equal(await store.create(made), None, "create of a new id")
    read = await store.read(made.id)
    head = SagaHead(
        id=made.id,
        name="trip",
        fingerprint="fingerprint of trip",
        labels={"team": "blue"},
        state=SagaStatus.RUNNING,
        direction=Direction.FORWARD,
        sequence=1,
        owner="me",
        epoch=0,
        created_ms=1_001,
        updated_ms=1_001,
    )
    document = b'{"name":"trip"}'
    whole = StoredSaga(head, document, b"[1]", b'{"to":"Oslo"}', ((1, b'["created"]'),))
    equal(read, whole, "read")
    holds(type(read.head.state) is SagaStatus, "the state is not a SagaStatus")
    holds(type(read.head.direction) is Direction, "the direction is not a Direction")


async def texts_come_back_byte_for_byte(store: SagaStore) -> None:
    for number, text in enumerate(AWKWARD):
        await store.create(new_saga(number, params=text, constants=text, record=text))
        await store.append(append_to(number, record=text))
        await store.send(command(number, number, arguments=text))
        read = await store.read(saga_id(number))
        equal((read.params, read.constants), (text, text), "params and constants")
        equal(tuple(read.records), ((1, text), (2, text)), "records")
    equal([each.arguments for each in await store.take()], list(AWKWARD), "arguments")


async def names_labels_and_owners_come_back_as_they_were(store: SagaStore) -> None:
    awkward = "\u202e e\u0301 \U0010ffff ' \" % _ ? \\ \x7f"
    labels = {awkward: awkward, "": "", "a": "A", "A": "a"}
    await store.create(new_saga(name=awkward, labels=labels, owner=awkward))
    (head,) = await store.list(SagaQuery(name=awkward, labels=labels))
    equal((head.name, dict(head.labels), head.owner), (awkward, labels, awkward), "head")


async def large_texts_are_kept(store: SagaStore) -> None:
    large = b'"%b"' % (b"large " * 500_000)
    await store.create(new_saga(params=large, record=large))
    await store.append(append_to(record=large))
    read = await store.read(saga_id(1))
    holds(read.params == large, "the params changed")
    holds(tuple(read.records) == ((1, large), (2, large)), "the records changed")


async def texts_over_the_limit_are_refused_before_anything_is_written(store: SagaStore) -> None:
    too_large = b" " * (MAX_TEXT_BYTES + 1)
    await store.create(new_saga(1))
    limit = f"{MAX_TEXT_BYTES:,}"
    await refuses(ValueError, store.create(new_saga(2, params=too_large)), "params", limit)
    await refuses(ValueError, store.create(new_saga(2, record=too_large)), "record", limit)
    await refuses(ValueError, store.append(append_to(record=too_large)), "append", limit)
    await refuses(ValueError, store.send(command(1, arguments=too_large)), "send", limit)
    equal([head.id for head in await store.list(SagaQuery())], [saga_id(1)], "list")
    equal((await store.read(saga_id(1))).head.sequence, 1, "sequence")


async def names_that_no_database_can_hold_are_refused(store: SagaStore) -> None:
    many = {f"label {number}": "" for number in range(MAX_LABELS + 1)}
    for what, bad in (
        ("a NUL", replace(new_saga(), name="a\0b")),
        ("a lone surrogate", replace(new_saga(), name="a\ud800b")),
        ("a NUL in a label", new_saga(labels={"a": "\0"})),
        ("a lone surrogate in an owner", new_saga(owner="\udfff")),
        ("a name over the limit", new_saga(name="a" * (MAX_NAME_CHARS + 1))),
        ("labels over the limit", new_saga(labels=many)),
        ("params that are not UTF-8", new_saga(params=b'"\xff"')),
    ):
        await refuses(ValueError, store.create(bad), what)
    await refuses(ValueError, store.list(SagaQuery(labels=many)), "a query with many labels")
    equal(list(await store.list(SagaQuery())), [], "list")
    most = dict(list(many.items())[:MAX_LABELS])
    await create_many(store, new_saga(name="a" * MAX_NAME_CHARS, labels=most))
    equal(len(await store.list(SagaQuery(labels=most))), 1, "sagas found by the most labels")


async def a_saga_without_events_is_refused(store: SagaStore) -> None:
    await refuses(ValueError, store.create(replace(new_saga(), event_count=0)), "create")
    await refuses(NoSuchSaga, store.read(saga_id(1)), "read afterwards")


async def creating_an_id_again_changes_nothing_and_gives_its_head(store: SagaStore) -> None:
    await store.create(new_saga(params=b"1", labels={"team": "blue"}))
    await store.append(append_to())
    before = await state_of(store)
    again = new_saga(name="other", params=b"2", labels={"team": "red"}, owner="b", epoch=9)
    equal(await store.create(again), before.head, "create of an id in use")
    equal(await state_of(store), before, "the saga afterwards")
    equal(list(await store.list(SagaQuery(labels={"team": "red"}))), [], "list by the other label")


async def of_many_creates_of_one_id_one_makes_it(store: SagaStore) -> None:
    results = await asyncio.gather(
        *(store.create(new_saga(params=b"%d" % number)) for number in range(20))
    )
    equal(sum(result is None for result in results), 1, "creates that returned None")
    winner = b"%d" % results.index(None)
    equal((await store.read(saga_id(1))).params, winner, "params")


async def what_was_acknowledged_survives_closing(store: SagaStore) -> None:
    await store.create(new_saga(labels={"team": "blue"}))
    await store.append(append_to(record=b"[2]"))
    await store.send(command(1))
    before = await state_of(store)
    await store.close()
    await store.open()
    equal(await state_of(store), before, "the saga afterwards")
    equal([each.request_id for each in await store.take()], [command(1).request_id], "take")
    holds(not await store.send(command(1)), "the same request was sent again")


async def closing_and_opening_may_be_repeated(store: SagaStore) -> None:
    await store.open()
    await store.create(new_saga())
    await store.close()
    await store.close()
    await store.open()
    await store.read(saga_id(1))


async def a_closed_store_says_so(store: SagaStore) -> None:
    await store.close()
    await refuses(StoreError, store.create(new_saga()), "create", "open")
    await refuses(StoreError, store.append(append_to()), "append", "open")
    await refuses(StoreError, store.read(saga_id(1)), "read", "open")
    await refuses(StoreError, store.list(SagaQuery()), "list", "open")
    await refuses(StoreError, store.acquire("me", wait=True), "acquire", "open")
    await refuses(StoreError, store.renew(), "renew", "open")
    await refuses(StoreError, store.coordinators(), "coordinators", "open")
    await refuses(StoreError, store.newest("trip"), "newest", "open")
    await refuses(StoreError, store.adopt("me", 1), "adopt", "open")
    await refuses(StoreError, store.disown("me", []), "disown", "open")
    await refuses(StoreError, store.send(command(1)), "send", "open")
    await refuses(StoreError, store.take(), "take", "open")
    await refuses(StoreError, store.done([]), "done", "open")
    await refuses(StoreError, store.delete([]), "delete", "open")
    await refuses(StoreError, store.wait_for_change(0, 0), "wait_for_change", "open")
    await refuses(StoreError, store.wait_for_end(saga_id(1), 0), "wait_for_end", "open")
    await store.release()


async def only_final_sagas_are_deleted(store: SagaStore) -> None:
    every = list(SagaStatus)
    for number, status in enumerate(every):
        await store.create(new_saga(number, summary=Summary(status, Direction.FORWARD)))
    ids = [saga_id(number) for number in range(len(every) + 1)]
    equal(await store.delete([*ids, *ids]), len(FINAL), "delete of final, other and unknown ids")
    left = [head.state for head in await store.list(SagaQuery())]
    equal(left, [status for status in every if status not in FINAL], "states of those left")


async def a_deleted_saga_is_gone_whole_and_its_id_is_free(store: SagaStore) -> None:
    await store.create(new_saga(labels={"team": "blue"}))
    await store.append(append_to(summary=SUCCEEDED))
    await store.send(command(1))
    equal(await store.delete([saga_id(1)]), 1, "delete")
    await refuses(NoSuchSaga, store.read(saga_id(1)), "read")
    await refuses(NoSuchSaga, store.append(append_to(at=2)), "append")
    equal(list(await store.take()), [], "take")
    await create_many(store, new_saga(params=b"2"))
    read = await store.read(saga_id(1))
    equal((read.params, tuple(read.records)), (b"2", ((1, b'["created"]'),)), "the new one")
    equal(list(await store.list(SagaQuery(labels={"team": "blue"}))), [], "list by the old label")
    holds(await store.send(command(1)), "the request of a deleted saga is still known")


async def a_definition_stays_as_long_as_a_saga_uses_it(store: SagaStore) -> None:
    await create_many(store, new_saga(1), new_saga(2), new_saga(3, name="other"))
    for number in (1, 2):
        await store.append(append_to(number, summary=SUCCEEDED))
    await store.delete([saga_id(1)])
    equal((await store.read(saga_id(2))).document, definition().document, "the other's document")
    await store.delete([saga_id(2)])
    await store.create(new_saga(4))
    equal((await store.read(saga_id(4))).document, definition().document, "the new one's document")
    equal((await store.read(saga_id(3))).document, definition("other").document, "another one")


async def more_ids_than_a_page_are_refused(store: SagaStore) -> None:
    ids = [saga_id(number) for number in range(MAX_PAGE + 1)]
    epoch = await store.acquire("me", wait=False)
    await refuses(ValueError, store.delete(ids), "delete", str(MAX_PAGE))
    await refuses(ValueError, store.done(ids), "done", str(MAX_PAGE))
    await refuses(ValueError, store.adopt("me", epoch, ids=ids), "adopt", str(MAX_PAGE))
    equal(await store.delete(ids[:-1]), 0, "delete of a page")
    await store.done(ids[:-1])
    equal(list(await store.adopt("me", epoch, ids=ids[:-1])), [], "adopt of a page")


async def a_cancelled_create_is_whole_or_nothing(store: SagaStore) -> None:
    for number in range(12):
        await store.create(new_saga(1_000 + number))
        async with asyncio.TaskGroup() as tasks:
            creating = tasks.create_task(store.create(new_saga(number)))
            sibling = tasks.create_task(store.append(append_to(1_000 + number)))
            for _ in range(number):
                await asyncio.sleep(0)
            creating.cancel()
        await sibling
        found = await store.list(SagaQuery(limit=MAX_PAGE))
        if saga_id(number) in {head.id for head in found}:
            read = await store.read(saga_id(number))
            equal(tuple(read.records), ((1, b'["created"]'),), "records of the cancelled create")
        holds(
            creating.cancelled() or saga_id(number) in {head.id for head in found},
            "a create that returned left nothing",
        )
        equal((await store.read(saga_id(1_000 + number))).head.sequence, 2, "the sibling's saga")


async def the_caller_may_change_its_labels_afterwards(store: SagaStore) -> None:
    labels = {"team": "blue"}
    await store.create(new_saga(labels=labels, summary=RUNNING))
    labels["team"] = "red"
    (head,) = await store.list(SagaQuery())
    equal(dict(head.labels), {"team": "blue"}, "labels")


PROMISES: Final = (
    a_new_store_is_empty,
    a_created_saga_reads_back_whole,
    texts_come_back_byte_for_byte,
    names_labels_and_owners_come_back_as_they_were,
    large_texts_are_kept,
    texts_over_the_limit_are_refused_before_anything_is_written,
    names_that_no_database_can_hold_are_refused,
    a_saga_without_events_is_refused,
    creating_an_id_again_changes_nothing_and_gives_its_head,
    of_many_creates_of_one_id_one_makes_it,
    what_was_acknowledged_survives_closing,
    closing_and_opening_may_be_repeated,
    a_closed_store_says_so,
    only_final_sagas_are_deleted,
    a_deleted_saga_is_gone_whole_and_its_id_is_free,
    a_definition_stays_as_long_as_a_saga_uses_it,
    more_ids_than_a_page_are_refused,
    a_cancelled_create_is_whole_or_nothing,
    the_caller_may_change_its_labels_afterwards,
)
