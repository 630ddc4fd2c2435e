"""Which files are opened, how, and what is said of those that are not."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sagacity.errors import SchemaVersionError, StoreCorrupt, StoreError
from sagacity.stores._migrate import statements
from sagacity.stores.sqlite import SqliteStore, connecting, mounts
from sagacity.stores.sqlite.connecting import APPLICATION_ID, MIGRATIONS
from sagacity.testing._promises._making import new_saga, saga_id

PROGRAMS = Path(__file__).with_name("programs")


def refused(path: Path, kind: type[StoreError] = StoreError) -> str:
    """Return what is said when a file is not opened."""
    with pytest.raises(StoreError) as caught:
        asyncio.run(SqliteStore(path).open())
    assert type(caught.value) is kind
    return str(caught.value)


def make_store(path: Path) -> None:
    """Leave a closed store with one saga."""

    async def make() -> None:
        store = SqliteStore(path)
        await store.open()
        await store.create(new_saga(1))
        await store.close()

    asyncio.run(make())


async def test_every_connection_that_writes_waits_for_the_disk(store: SqliteStore) -> None:
    """NORMAL loses acknowledged commits when the power fails; 2 is FULL."""
    assert store._opened is not None
    connection = store._opened.writer._connection

    assert connection.execute("PRAGMA journal_mode").fetchone() == (b"wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


async def test_a_file_reopened_by_another_object_has_what_was_stored(path: Path) -> None:
    """What is in the file is all there is."""
    first = SqliteStore(path)
    await first.open()
    await first.create(new_saga(1, labels={"team": "blue"}))
    before = await first.read(saga_id(1))
    await first.close()

    second = SqliteStore(path)
    await second.open()
    assert await second.read(saga_id(1)) == before
    await second.close()


async def test_many_may_open_a_new_file_at_once(path: Path) -> None:
    """One of them migrates, and the others wait for it."""
    stores = [SqliteStore(path) for _ in range(8)]

    await asyncio.gather(*(store.open() for store in stores))

    await stores[0].create(new_saga(1))
    assert (await stores[7].read(saga_id(1))).head.sequence == 1
    for store in stores:
        await store.close()


def test_a_directory_is_refused(tmp_path: Path) -> None:
    """The text says what to name instead."""
    assert "a directory; name a file in it" in refused(tmp_path)


def test_a_file_in_no_directory_is_refused(tmp_path: Path) -> None:
    """The text names the directory that is not there, and it is not made."""
    folder = tmp_path / "nowhere"

    assert str(folder) in refused(folder / "sagas.db")
    assert not folder.exists()


def test_a_directory_that_cannot_be_written_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says no more than that it cannot open the file."""
    make_store(path)

    def may(place: Path, _mode: int) -> bool:  # asked in its place, as root may write anywhere
        return place != path.parent

    monkeypatch.setattr(os, "access", may)

    assert f"the directory {path.parent} cannot be written" in refused(path)


def test_what_is_not_a_database_is_refused_and_left_alone(path: Path) -> None:
    """Somebody's file must not become a store because its name was mistyped."""
    path.write_text("Dear diary, " * 1_000)

    assert "not an SQLite database" in refused(path, StoreCorrupt)
    assert path.read_text().startswith("Dear diary, Dear diary")


def test_the_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    """Neither its tables nor its journal mode are touched."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipe (name)")
    connection.commit()
    connection.close()
    before = path.read_bytes()

    assert "of another program" in refused(path)
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused_and_both_versions_are_named(path: Path) -> None:
    """An older build must not write what it does not understand."""
    make_store(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    text = refused(path, SchemaVersionError)

    assert "version 99" in text
    assert f"up to {len(MIGRATIONS)}" in text


def test_a_file_that_may_not_be_written_is_refused() -> None:
    """At opening, not at the first write."""
    # Not in tmp_path, which is in a directory that nobody else may enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "sagas.db"
        make_store(path)
        path.chmod(0o444)
        folder.chmod(0o555)

        said = subprocess.run(
            [sys.executable, PROGRAMS / "open_as_nobody.py", path],
            capture_output=True,
            text=True,
            check=True,
        )

        folder.chmod(0o755)
        assert said.stdout.startswith("StoreError: ")
        assert str(path) in said.stdout


def test_where_no_write_ahead_log_can_be_kept_is_refused() -> None:
    """Without it readers would wait for writers."""
    assert "no write-ahead log can be kept here" in refused(Path(":memory:"))


def test_an_old_sqlite_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than failing in the middle of something."""
    monkeypatch.setattr(connecting, "OLDEST_SQLITE", (99, 0, 0))

    assert "needs 99.0.0 or newer" in refused(path)


def test_a_network_file_system_is_refused(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its locks lie, and two coordinators would believe that they are alone."""
    listing = tmp_path / "mounts"
    listing.write_text(f"server:/export {tmp_path} nfs4 rw 0 0\n")
    monkeypatch.setattr(mounts, "MOUNTS", listing)

    assert "network file system (nfs4)" in refused(path)


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/home/ann/sagas.db", ""),
        ("/net/sagas.db", "nfs"),
        ("/net/disk/sagas.db", ""),
        ("/network/sagas.db", ""),
        ("/my net/sagas.db", "cifs"),
    ],
)
def test_the_nearest_mount_counts(place: str, kind: str) -> None:
    """A local disk may be mounted within a network's tree, and the other way round."""
    listing = (
        "/dev/sda1 / ext4 rw 0 0\n"
        "server:/x /net nfs rw 0 0\n"
        "/dev/sdb1 /net/disk ext4 rw 0 0\n"
        "//server/y /my\\040net cifs rw 0 0\n"
        "short\n"
    )

    assert mounts.network_kind(listing, Path(place)) == kind


@pytest.mark.parametrize("statement", range(len(list(statements(MIGRATIONS[0])))))
def test_a_migration_killed_in_the_middle_leaves_nothing(statement: int, path: Path) -> None:
    """The next one to open the file does it whole."""
    died = subprocess.run(
        [sys.executable, PROGRAMS / "die_in_migration.py", path, str(statement)], check=False
    )
    assert died.returncode == -signal.SIGKILL

    make_store(path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    connection.close()


async def test_a_cancelled_opening_leaves_nothing_open(path: Path) -> None:
    """Neither a thread nor a file; and it can be opened later."""
    store = SqliteStore(path)
    async with asyncio.TaskGroup() as tasks:
        opening = tasks.create_task(store.open())
        await asyncio.sleep(0)
        opening.cancel()
    assert opening.cancelled()

    await store.open()
    await store.create(new_saga(1))
    await store.close()
    assert not path.with_name("sagas.db-wal").exists()


async def test_a_copy_of_a_closed_file_is_a_store(path: Path, tmp_path: Path) -> None:
    """Closed, the store is one file: a backup is a copy."""
    store = SqliteStore(path)
    await store.open()
    await store.create(new_saga(1))
    await store.close()

    copy = shutil.copy(path, tmp_path / "copy.db")
    copied = SqliteStore(copy)
    await copied.open()
    assert (await copied.read(saga_id(1))).head.id == saga_id(1)
    await copied.close()
