"""The writer: what shares a commit, what is bounded, and what a cancelled caller leaves."""

import asyncio
from pathlib import Path

import pytest

from sagacity.errors import StoreError
from sagacity.ports.store import SagaQuery
from sagacity.stores.sqlite import SqliteStore, batch, writer
from sagacity.stores.sqlite.writer import Writer
from sagacity.testing._promises._making import append_to, command, create_many, new_saga, saga_id


def writer_of(store: SqliteStore) -> Writer:
    assert store._opened is not None
    return store._opened.writer


async def until_in_thread(store: SqliteStore) -> None:
    """Return when the writer's thread has begun to write."""
    while not writer_of(store)._in_thread:  # noqa: ASYNC110 - the writer has no event for it
        await asyncio.sleep(0)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that were written from now on."""
    sizes: list[int] = []
    insert = batch._insert

    def counting(connection: object, writes: list[object]) -> None:
        sizes.append(len(writes))
        insert(connection, writes)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "_insert", counting)
    return sizes


async def test_a_lonely_append_is_written_without_a_pause(store: SqliteStore) -> None:
    """To go through a thread and back takes longer than a commit on a good disk."""
    await store.create(new_saga(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    appending = store.append(append_to(1))

    with pytest.raises(StopIteration):
        appending.send(None)


async def test_many_appends_share_commits(store: SqliteStore, batches: list[int]) -> None:
    """A thousand sagas wait for the disk together, and not one after the other."""
    numbers = range(1_000)
    await create_many(store, *(new_saga(number) for number in numbers))
    batches.clear()

    await asyncio.gather(*(store.append(append_to(number)) for number in numbers))

    assert sum(batches) == 1_000
    assert len(batches) <= 3


async def test_a_batch_is_bounded_in_rows(store: SqliteStore, batches: list[int]) -> None:
    """SQLite bounds a statement, and everybody waits for the whole batch."""
    numbers = range(3 * batch.MAX_ROWS)
    await create_many(store, *(new_saga(number) for number in numbers))

    assert max(batches) == batch.MAX_ROWS == 1_024


async def test_a_batch_is_bounded_in_bytes(store: SqliteStore, batches: list[int]) -> None:
    """Ten of a megabyte each do not go into eight."""
    large = b'"%b"' % (b"x" * 1_000_000)
    await create_many(store, *(new_saga(number) for number in range(20)))
    batches.clear()

    await asyncio.gather(*(store.append(append_to(number, record=large)) for number in range(20)))

    assert max(batches) == 8


async def test_the_queue_is_bounded_and_callers_wait_for_room(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A burst waits in its callers, not in the store's memory."""
    monkeypatch.setattr(writer, "MAX_QUEUED", 10)
    numbers = range(100)
    longest = 0

    async def create(number: int) -> None:
        nonlocal longest
        await store.create(new_saga(number))
        longest = max(longest, len(writer_of(store)._writes))

    await asyncio.gather(*(create(number) for number in numbers))

    assert longest <= 10
    assert len(await store.list(SagaQuery())) == 100


async def test_a_cancelled_caller_in_the_queue_leaves_nothing(store: SqliteStore) -> None:
    """Its write had not begun; the others of its batch are written."""
    await create_many(store, *(new_saga(number) for number in range(30)))
    async with asyncio.TaskGroup() as tasks:
        appending = [tasks.create_task(store.append(append_to(each))) for each in range(30)]
        await asyncio.sleep(0)
        appending[7].cancel()

    assert appending[7].cancelled()
    for number in range(30):
        assert (await store.read(saga_id(number))).head.sequence == (1 if number == 7 else 2)


async def test_a_cancelled_caller_whose_batch_is_being_written_breaks_nothing(
    store: SqliteStore,
) -> None:
    """Its write is whole, and so are the others."""
    await create_many(store, *(new_saga(number) for number in range(30)))
    async with asyncio.TaskGroup() as tasks:
        appending = [tasks.create_task(store.append(append_to(each))) for each in range(30)]
        await until_in_thread(store)
        appending[7].cancel()

    assert appending[7].cancelled()
    for number in range(30):
        assert (await store.read(saga_id(number))).head.sequence == 2


async def test_on_a_slow_disk_the_event_loop_does_not_wait(store: SqliteStore) -> None:
    """Then even a single write is the thread's."""
    await store.create(new_saga(1))
    await asyncio.sleep(0)
    writer_of(store)._commit_seconds = 1.0
    writer_of(store)._try_again_at = float("inf")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(store.append(append_to(1)))
        await until_in_thread(store)


async def test_the_log_of_sqlite_does_not_grow_without_end(store: SqliteStore, path: Path) -> None:
    """What is committed is moved to the file now and then."""
    await store.create(new_saga(1))
    for at in range(1, 3_000):
        await store.append(append_to(1, at=at))
        await asyncio.sleep(0)

    assert path.with_name("sagas.db-wal").stat().st_size < 6_000_000


async def test_closing_finishes_what_was_asked_for(store: SqliteStore) -> None:
    """Whoever called before the store was closed gets an answer."""
    await create_many(store, *(new_saga(number) for number in range(50)))
    async with asyncio.TaskGroup() as tasks:
        appending = [tasks.create_task(store.append(append_to(each))) for each in range(50)]
        sending = tasks.create_task(store.send(command(1)))
        await asyncio.sleep(0)
        await store.close()

    assert sending.result()
    assert all(task.exception() is None for task in appending)
    await store.open()
    assert (await store.read(saga_id(49))).head.sequence == 2


async def test_who_waits_for_room_while_the_store_closes_is_told(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its write was not taken: nobody may believe that it will be stored."""
    await create_many(store, *(new_saga(number) for number in range(20)))
    monkeypatch.setattr(writer, "MAX_QUEUED", 1)

    appending = [asyncio.create_task(store.append(append_to(each))) for each in range(20)]  # noqa: TID251
    await asyncio.sleep(0)
    await store.close()
    results = await asyncio.gather(*appending, return_exceptions=True)

    assert {type(result) for result in results} == {type(None), StoreError}
    await store.open()
    for number, result in enumerate(results):
        sequence = (await store.read(saga_id(number))).head.sequence
        assert sequence == (2 if result is None else 1)


async def test_a_busy_event_loop_does_not_starve_the_threads(path: Path) -> None:
    """Without the lending of `_threads` this takes minutes (decision 0003)."""
    done = False

    async def keep_busy() -> None:
        while not done:
            sum(range(50_000))  # about 2 ms, less than what a thread must wait for the lock
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks, asyncio.timeout(30):
        tasks.create_task(keep_busy())
        store = SqliteStore(path)
        await store.open()
        await create_many(store, *(new_saga(number) for number in range(50)))
        for at in range(1, 6):
            await asyncio.gather(*(store.append(append_to(each, at=at)) for each in range(50)))
            await store.send(command(at))
            await store.read(saga_id(at))
        await store.close()
        done = True
