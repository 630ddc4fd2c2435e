"""Damaged files and rows: noticed, named, and no other saga's trouble."""

import sqlite3
from pathlib import Path

import pytest

from sagacity.errors import NoSuchSaga, StoreCorrupt
from sagacity.ports.store import SagaQuery
from sagacity.stores.sqlite import SqliteStore
from sagacity.testing._promises._making import (
    append_to,
    command,
    create_many,
    new_saga,
    saga_id,
)


def damage(path: Path, statement: str) -> None:
    """Change rows as nobody should, and as a disk may."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    connection.execute(statement.replace(":one", f"x'{saga_id(1).hex}'"))
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("statement", "part"),
    [
        (
            "UPDATE log SET record = '[\"x\"]' WHERE saga = :one AND first_sequence = 2",
            "sequence 2",
        ),
        ("UPDATE log SET record = CAST(x'ff' AS TEXT) WHERE saga = :one", "sequence 1"),
        (
            "UPDATE log SET first_sequence = 3, last_sequence = 3 WHERE first_sequence = 2",
            "sequence 3",
        ),
        ("UPDATE log SET saga = x'00' WHERE saga = :one", "log is lost"),
        ("DELETE FROM log WHERE saga = :one", "log is lost"),
        ("UPDATE saga SET params = '2' WHERE id = :one", "params"),
        ("UPDATE saga SET constants = '[2]' WHERE id = :one", "constants"),
        ("UPDATE saga SET name = 'tr\u0131p' WHERE id = :one", "name"),
        ("UPDATE saga SET labels = '{}' WHERE id = :one", "labels"),
        ("UPDATE saga SET labels = '{' WHERE id = :one", "head"),
        ("UPDATE saga SET definition = 99 WHERE id = :one", "definition is lost"),
        ("DELETE FROM saga WHERE id = :one", "row is lost"),
        ("UPDATE head SET state = 'fine' WHERE saga = :one", "'fine' is not a valid SagaStatus"),
        ("UPDATE head SET direction = 'up' WHERE saga = :one", "'up' is not a valid Direction"),
        ("UPDATE head SET owner = CAST(x'ff' AS TEXT) WHERE saga = :one", "head"),
    ],
)
async def test_a_damaged_row_is_named_and_harms_its_saga_alone(
    statement: str, part: str, store: SqliteStore, path: Path
) -> None:
    """Read, the damaged saga says what is damaged; the others are read, written and adopted."""
    await create_many(store, new_saga(1, labels={"team": "blue"}), new_saga(2))
    await store.append(append_to(1))
    damage(path, statement)

    with pytest.raises(StoreCorrupt) as caught:
        await store.read(saga_id(1))
    assert str(saga_id(1)) in str(caught.value)
    assert part in str(caught.value)

    await store.append(append_to(2))
    assert (await store.read(saga_id(2))).head.sequence == 2
    epoch = await store.acquire("me", wait=False)
    adopted = [head.id for head in await store.adopt("me", epoch)]
    assert saga_id(2) in adopted
    assert saga_id(2) in [head.id for head in await store.list(SagaQuery(after=saga_id(1)))]


async def test_a_damaged_definition_is_noticed(store: SqliteStore, path: Path) -> None:
    """It decides what is run: a changed one must not be read as if it were right."""
    await create_many(store, new_saga(1), new_saga(2, name="other"))
    damage(path, "UPDATE definition SET document = '{}' WHERE fingerprint = 'fingerprint of trip'")

    with pytest.raises(StoreCorrupt, match="definition"):
        await store.read(saga_id(1))
    assert (await store.read(saga_id(2))).document == b'{"name":"other"}'


async def test_the_records_of_two_sagas_cannot_change_places(
    store: SqliteStore, path: Path
) -> None:
    """The checksum is of a record in its place."""
    await create_many(store, new_saga(1), new_saga(2))
    damage(
        path,
        "UPDATE log SET (record, checksum) = "
        f"(SELECT record, checksum FROM log WHERE saga = x'{saga_id(2).hex}') WHERE saga = :one",
    )

    with pytest.raises(StoreCorrupt, match="sequence 1"):
        await store.read(saga_id(1))


async def test_a_lost_head_is_a_saga_that_is_not_there(store: SqliteStore, path: Path) -> None:
    """A saga whose head is lost has no owner and no state: creating it again is refused."""
    await store.create(new_saga(1))
    damage(path, "DELETE FROM head WHERE saga = :one")

    with pytest.raises(NoSuchSaga):
        await store.read(saga_id(1))


async def test_a_damaged_command_is_named(store: SqliteStore, path: Path) -> None:
    """The text says which request."""
    await store.create(new_saga(1))
    await store.send(command(1))
    damage(path, "UPDATE inbox SET verb = CAST(x'ff' AS TEXT)")

    with pytest.raises(StoreCorrupt, match=str(command(1).request_id)):
        await store.take()


async def fill(path: Path) -> None:
    """Leave a closed store of many sagas, on many pages."""
    store = SqliteStore(path)
    await store.open()
    await create_many(
        store, *(new_saga(number, params=b'"%0500d"' % number) for number in range(500))
    )
    await store.close()


def overwrite(path: Path, first: float, last: float) -> None:
    """Write nonsense over a part of a file, given as parts of its length."""
    content = bytearray(path.read_bytes())
    begin, end = int(len(content) * first), int(len(content) * last)
    content[begin:end] = bytes(each ^ 0xA5 for each in content[begin:end])
    path.write_bytes(content)


@pytest.mark.parametrize(("first", "last"), [(0.1, 0.2), (0.4, 0.6), (0.9, 1.0)])
async def test_damaged_pages_are_an_error_of_the_store_or_harmless(
    first: float, last: float, path: Path
) -> None:
    """Whatever is hit, nothing but the errors of the port comes out."""
    await fill(path)
    overwrite(path, first, last)
    store = SqliteStore(path)
    try:
        await store.open()
    except StoreCorrupt:
        return

    harmed = await count_harmed(store)
    await store.close()

    assert harmed > 0


async def count_harmed(store: SqliteStore) -> int:
    harmed = 0
    for number in range(500):
        try:
            await store.append(append_to(number))
            read = await store.read(saga_id(number))
            assert read.params == b'"%0500d"' % number
        except (StoreCorrupt, NoSuchSaga):
            harmed += 1
    return harmed


def cut_short(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


async def test_a_file_cut_short_is_noticed(path: Path) -> None:
    """As after a copy that was broken off."""
    await fill(path)
    cut_short(path)
    store = SqliteStore(path)

    with pytest.raises(StoreCorrupt):
        await read_all(store)
    await store.close()


async def read_all(store: SqliteStore) -> None:
    await store.open()
    for number in range(500):
        await store.read(saga_id(number))
