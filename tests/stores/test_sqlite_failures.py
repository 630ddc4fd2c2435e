"""Full disks, failing disks and bad values: what is stored then, and what is said."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from sagacity.errors import StoreError, StoreFull
from sagacity.stores.sqlite import SqliteStore
from sagacity.stores.sqlite.batch import Verdict, settle, settle_at_once
from sagacity.stores.sqlite.connecting import open_writer
from sagacity.stores.sqlite.operations import insert_definition
from sagacity.stores.sqlite.rows import write_of_append, write_of_command, write_of_create
from sagacity.testing._promises._making import (
    append_to,
    command,
    create_many,
    definition,
    new_saga,
    saga_id,
)

ACCEPTED = Verdict.ACCEPTED
LARGE = b'"%b"' % (b"x" * 100_000)


def writing_connection(store: SqliteStore) -> sqlite3.Connection:
    assert store._opened is not None
    return store._opened.writer._connection


def fill_up(store: SqliteStore) -> None:
    """Let the file grow no more, as on a full disk."""
    connection = writing_connection(store)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")


def make_room(store: SqliteStore) -> None:
    writing_connection(store).execute("PRAGMA max_page_count = 1000000")


async def test_a_full_disk_stores_nothing_and_loses_nothing(store: SqliteStore) -> None:
    """And when there is room it goes on, on the same connection."""
    await create_many(store, *(new_saga(number) for number in range(20)))
    fill_up(store)

    with pytest.raises(StoreFull, match="make room"):
        await store.append(append_to(1, record=LARGE))
    with pytest.raises(StoreFull):
        await store.create(new_saga(99, params=LARGE))
    with pytest.raises(StoreFull):
        await store.send(command(1, arguments=LARGE))
    results = await asyncio.gather(
        *(store.append(append_to(number, record=LARGE)) for number in range(20)),
        return_exceptions=True,
    )
    assert {type(result) for result in results} == {StoreFull}
    for number in range(20):
        assert (await store.read(saga_id(number))).head.sequence == 1

    make_room(store)
    await asyncio.gather(*(store.append(append_to(number, record=LARGE)) for number in range(20)))
    await store.create(new_saga(99, params=LARGE))
    for number in range(20):
        assert (await store.read(saga_id(number))).head.sequence == 2


@pytest.mark.parametrize("count", [1, 5, 50])
async def test_a_value_that_cannot_be_stored_harms_its_saga_alone(
    count: int, store: SqliteStore
) -> None:
    """Else one saga's bad value would keep all others from being written."""
    too_large = 2**63
    await create_many(store, *(new_saga(number) for number in range(count + 1)))

    results = await asyncio.gather(
        *(store.append(append_to(number)) for number in range(count)),
        store.append(append_to(count, updated_ms=too_large)),
        return_exceptions=True,
    )

    assert results[:-1] == [None] * count
    assert isinstance(results[-1], ValueError)
    assert (await store.read(saga_id(count))).head.sequence == 1


class FailingDisk:
    """A connection whose disk fails at commits: SQLite says "I/O error", and who knows."""

    def __init__(self, connection: sqlite3.Connection, *, lands: bool, then_reads: bool) -> None:
        self.connection = connection
        self.lands = lands
        self.then_reads = then_reads

    @property
    def in_transaction(self) -> bool:
        return self.connection.in_transaction

    def execute(self, text: str, values: Any = ()) -> Any:
        if not text.startswith("INSERT"):
            if not self.then_reads:
                raise disk_error()
            return self.connection.execute(text, values)
        if self.lands:
            self.connection.execute(text, values)
        raise disk_error()


def disk_error() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
    return error


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    """A file with saga 1 and a command to it, without the rest of the store."""
    connection = open_writer(path)
    insert_definition(connection, definition())
    writes = [write_of_create(new_saga(1)), write_of_command(command(1))]
    assert settle(connection, path, writes) == [ACCEPTED] * 2
    yield connection
    connection.close()


WRITES = [
    write_of_append(append_to(1)),
    write_of_create(new_saga(2)),
    write_of_append(append_to(2, events=0)),
    write_of_command(command(2)),
]


@pytest.mark.parametrize("settler", [settle, settle_at_once])
def test_what_landed_although_the_disk_failed_is_acknowledged(
    settler: Any, connection: sqlite3.Connection, path: Path
) -> None:
    """An error at commit means unknown, and is resolved by reading."""
    disk = FailingDisk(connection, lands=True, then_reads=True)

    assert settler(cast("Any", disk), path, WRITES) == [ACCEPTED] * 4


@pytest.mark.parametrize("settler", [settle, settle_at_once])
def test_what_did_not_land_is_an_error(
    settler: Any, connection: sqlite3.Connection, path: Path
) -> None:
    """The caller may try again: nothing was written."""
    disk = FailingDisk(connection, lands=False, then_reads=True)

    outcomes = settler(cast("Any", disk), path, WRITES)

    assert [type(outcome) for outcome in outcomes] == [StoreError] * 4
    assert "the disk failed" in str(outcomes[0])
    assert settle(connection, path, WRITES) == [ACCEPTED] * 4


def test_what_cannot_be_known_is_said_to_be_unknown(
    connection: sqlite3.Connection, path: Path
) -> None:
    """The one case where the port allows an error of unknown outcome."""
    disk = FailingDisk(connection, lands=True, then_reads=False)

    outcomes = settle(cast("Any", disk), path, WRITES)

    assert [type(outcome) for outcome in outcomes] == [StoreError] * 4
    assert "it is unknown whether this was stored" in str(outcomes[0])


def test_refusals_in_a_batch_are_told_apart(connection: sqlite3.Connection, path: Path) -> None:
    """Two appends at one place, in one statement: the first called wins."""
    writes = [
        write_of_append(append_to(1, at=1, record=b"[1]")),
        write_of_append(append_to(1, at=1, record=b"[1]")),
        write_of_append(append_to(1, at=2)),
        write_of_append(append_to(7, at=1)),
        write_of_create(new_saga(1)),
        write_of_create(new_saga(2)),
        write_of_append(append_to(2, at=1)),
        write_of_command(command(1, 2)),
        write_of_command(command(2, 7)),
    ]

    assert settle(connection, path, writes) == [
        ACCEPTED,
        Verdict.NOT_CURRENT,
        ACCEPTED,
        Verdict.NOT_CURRENT,
        Verdict.NOT_NEW,
        ACCEPTED,
        ACCEPTED,
        Verdict.SENT_BEFORE,
        Verdict.NO_SUCH_SAGA,
    ]
