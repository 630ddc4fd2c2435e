"""Several processes, or store objects, on one file: who drives, who sees what, who dies."""

import asyncio
import fcntl
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sagacity.errors import NotOwner, StoreBusy, StoreError
from sagacity.ports.store import MAX_PAGE, SagaQuery
from sagacity.stores.sqlite import SqliteStore, patience
from sagacity.testing._promises._making import SUCCEEDED, append_to, command, new_saga, saga_id

DRIVE = Path(__file__).with_name("programs") / "drive.py"


@asynccontextmanager
async def driving(path: Path, owner: str) -> AsyncGenerator[tuple[Process, list[str]]]:
    """Run a coordinator in another process until it is killed; it has begun to write."""
    process = await asyncio.create_subprocess_exec(sys.executable, DRIVE, path, owner, stdout=PIPE)
    assert process.stdout is not None
    said: list[str] = []
    try:
        while len(said) < 100:
            said.append((await process.stdout.readline()).decode().strip())
        yield process, said
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def kill(process: Process, said: list[str]) -> None:
    """Kill as `kill -9` does, and hear what it had said before."""
    assert process.stdout is not None
    process.kill()
    rest = (await process.stdout.read()).decode()
    # The last line may be cut; what is not said is not acknowledged.
    said += rest.splitlines()[: rest.count("\n")]
    await process.wait()


async def test_a_second_coordinator_is_refused_and_told_who_drives(
    store: SqliteStore, other: SqliteStore
) -> None:
    """So that a person knows which process to look for."""
    await store.acquire("host/17", wait=False)

    with pytest.raises(StoreBusy, match="host/17"):
        await other.acquire("host/18", wait=False)


async def test_whether_a_coordinator_is_alive_is_seen_by_all(
    store: SqliteStore, path: Path
) -> None:
    """In another process too, and no more once it was killed: the system lets go of its lock."""
    assert not await store.coordinators()

    async with driving(path, "victim") as (process, said):
        assert await store.coordinators()
        await kill(process, said)

    assert not await store.coordinators()


async def test_who_only_looks_keeps_nobody_from_driving(store: SqliteStore, path: Path) -> None:
    """A look shares the lock for a moment: a coordinator that comes just then waits it out."""
    await store.acquire("first", wait=False)
    await store.release()
    async with asyncio.TaskGroup() as tasks:
        with path.with_name(f"{path.name}-coordinator").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            assert not await store.coordinators()
            coming = tasks.create_task(store.acquire("second", wait=False))
            await asyncio.sleep(0)
            assert not coming.done()

    assert coming.result() == 2
    assert await store.coordinators()


async def test_closing_hands_over_to_who_waits(store: SqliteStore, other: SqliteStore) -> None:
    """No time-out has to pass."""
    first = await store.acquire("first", wait=False)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(other.acquire("second", wait=True))
        await asyncio.sleep(0)
        await store.close()

    assert waiting.result() == first + 1


async def test_a_killed_coordinator_is_succeeded_and_has_lost_nothing(
    store: SqliteStore, path: Path
) -> None:
    """The lock dies with the process; each acknowledged write is there, without holes."""
    async with driving(path, "victim") as (process, said):
        with pytest.raises(StoreBusy, match="victim"):
            await store.acquire("heir", wait=False)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(store.acquire("heir", wait=True))
            await kill(process, said)
        epoch = waiting.result()

    assert said[0] == f"epoch {epoch - 1}"
    acknowledged: dict[int, int] = {}
    for line in said[1:]:
        match line.split():
            case ["created", number]:
                acknowledged[int(number)] = 1
            case ["appended", number, sequence]:
                acknowledged[int(number)] = int(sequence)
            case _:
                pytest.fail(line)
    assert len(acknowledged) > 10
    for each, least in acknowledged.items():
        stored = await store.read(saga_id(each))
        assert stored.head.sequence >= least
        firsts = [first for first, _ in stored.records]
        assert firsts == list(range(1, stored.head.sequence + 1))
    adopted = await store.adopt("heir", epoch, limit=MAX_PAGE)
    assert {head.id for head in adopted} >= {saga_id(each) for each in acknowledged}


async def test_another_process_sees_what_was_acknowledged(
    store: SqliteStore, other: SqliteStore
) -> None:
    """Clients read and create without being the coordinator."""
    await store.create(new_saga(1))
    assert (await other.read(saga_id(1))).head.sequence == 1

    await other.create(new_saga(2))
    await other.send(command(1, 2))
    assert [head.id for head in await store.list(SagaQuery())] == [saga_id(1), saga_id(2)]
    assert [each.saga_id for each in await store.take()] == [saga_id(2)]


async def test_a_stale_owner_in_another_process_is_refused(
    store: SqliteStore, other: SqliteStore
) -> None:
    """The fence is in the file, not in the object."""
    first = await store.acquire("first", wait=False)
    await store.create(new_saga(1, owner="first", epoch=first))
    await store.release()
    second = await other.acquire("second", wait=False)
    await other.adopt("second", second)

    with pytest.raises(NotOwner, match=f"epoch {second}"):
        await store.append(append_to(1, epoch=first))
    with pytest.raises(NotOwner):
        await store.adopt("first", first)


async def create(store: SqliteStore) -> None:
    await store.create(new_saga(2))


async def append(store: SqliteStore) -> None:
    await store.append(append_to(1))


async def send(store: SqliteStore) -> None:
    await store.send(command(1))


@pytest.mark.parametrize("change", [create, append, send])
async def test_a_change_by_another_process_wakes_who_waits(
    store: SqliteStore, other: SqliteStore, change: Callable[[SqliteStore], Awaitable[None]]
) -> None:
    """Noticed by looking at SQLite's change counter, without a write lock."""
    await store.create(new_saga(1))
    mark = await other.wait_for_change(0, 0.3)

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(other.wait_for_change(mark, 60))
        await asyncio.sleep(0)
        await change(store)

    assert waiting.result() != mark


async def test_a_change_by_another_process_is_noticed_however_short_the_wait(
    store: SqliteStore, other: SqliteStore
) -> None:
    """Who looks in now and then, without waiting, sees it too."""
    mark = await other.wait_for_change(0, 0)
    await store.create(new_saga(1))

    assert await other.wait_for_change(mark, 0) != mark


async def test_a_definition_deleted_by_another_process_is_stored_again(
    store: SqliteStore, other: SqliteStore
) -> None:
    """This process believes that the file has it still."""
    await store.create(new_saga(1))
    await store.append(append_to(1, summary=SUCCEEDED))
    await other.delete([saga_id(1)])

    await store.create(new_saga(2))

    assert (await store.read(saga_id(2))).document == new_saga(2).definition.document


async def test_a_lock_held_by_another_process_is_waited_for(store: SqliteStore, path: Path) -> None:
    """And reads go on meanwhile."""
    await store.create(new_saga(1))
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(store.append(append_to(1)))
        sending = tasks.create_task(store.send(command(1)))
        assert (await store.read(saga_id(1))).head.sequence == 1
        assert len(await store.list(SagaQuery())) == 1
        assert not writing.done()
        stranger.execute("COMMIT")

    assert sending.result()
    assert (await store.read(saga_id(1))).head.sequence == 2
    stranger.close()


async def test_a_lock_that_is_never_let_go_is_an_error_that_says_where_to_look(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped process with the lock must not stop everybody in silence."""
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.05)
    await store.create(new_saga(1))
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreError, match="fuser"):
        await store.append(append_to(1))
    with pytest.raises(StoreError, match="fuser"):
        await store.send(command(1))

    stranger.execute("COMMIT")
    stranger.close()
    await store.append(append_to(1))


async def test_the_lock_of_the_coordinator_can_be_waited_for_in_vain(
    store: SqliteStore, other: SqliteStore
) -> None:
    """A store that is closed meanwhile stops waiting."""
    await store.acquire("first", wait=False)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(refused_acquire(other))
        await asyncio.sleep(0)
        await other.close()

    assert "not open" in waiting.result()


async def refused_acquire(store: SqliteStore) -> str:
    with pytest.raises(StoreError) as caught:
        await store.acquire("second", wait=True)
    return str(caught.value)
