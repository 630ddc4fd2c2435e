"""What the fleet's tests share: many coordinators in one process, each on a store of its own."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sagacity.ports.store import SagaQuery
from sagacity.stores.postgres import PostgresStore
from sagacity.testing.checkers import judge_stored
from tests.engine.conftest import facts, in_time, pytest_collection_modifyitems, world
from tests.fleet.fleet import Fleet

__all__ = ["facts", "in_time", "pytest_collection_modifyitems", "world"]


@pytest.fixture
async def fleet(postgres_url: str) -> AsyncIterator[Fleet]:
    """A database that many share; at the end every saga in it is judged."""
    fleet = Fleet(postgres_url)
    yield fleet
    async with asyncio.timeout(30):
        store = PostgresStore(fleet.url)
        await store.open()
        try:
            for head in await store.list(SagaQuery(limit=1_000)):
                assert judge_stored(await store.read(head.id)) == []
        finally:
            await store.close()
