"""A SQLite store in a file of its own."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from sagacity.stores.sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sagas.db"


@pytest.fixture
async def store(path: Path) -> AsyncGenerator[SqliteStore]:
    store = SqliteStore(path)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def other(store: SqliteStore, path: Path) -> AsyncGenerator[SqliteStore]:
    """Another store object on the same file, as in another process."""
    other = SqliteStore(path)
    await other.open()
    yield other
    await other.close()
