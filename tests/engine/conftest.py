"""What the engine's tests share: stores that a next coordinator can open, and a judge at the end."""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from sagacity.ports.store import SagaQuery, SagaStore
from sagacity.stores.memory import MemoryStore
from sagacity.stores.sqlite import SqliteStore
from sagacity.testing.checkers import judge_stored
from tests.engine.world import Facts, World

PATIENCE_SECONDS = 60
"""A test that takes longer hangs: it fails by itself, and does not end the run."""

Stores = Callable[[], SagaStore]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.obj = in_time(item.obj)


def in_time(test: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(test)
    async def timed(*args: Any, **kwargs: Any) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await test(*args, **kwargs)

    return timed


@pytest.fixture(params=["memory", "sqlite"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    """Give the same sagas each time: a store for one coordinator after the other.

    At the end every saga in it is judged.
    """
    memory = MemoryStore()

    def make() -> SagaStore:
        return memory if request.param == "memory" else SqliteStore(tmp_path / "sagas.db")

    yield make
    await check_all(make())


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    """Give a store in memory, where it does not matter which; judged at the end, too."""
    memory = MemoryStore()
    yield memory
    await check_all(memory)


async def check_all(store: SagaStore) -> None:
    await store.open()
    try:
        for head in await store.list(SagaQuery(limit=1_000)):
            assert judge_stored(await store.read(head.id)) == []
    finally:
        await store.close()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def facts() -> Facts:
    return Facts()


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Have each of these tests run on both event loops that workers run on."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
