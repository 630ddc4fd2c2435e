"""Every store, judged by the one suite that is public."""

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from sagacity.ports.store import MAX_PAGE, InboxCommand, SagaStore
from sagacity.stores.encoded import EncodedStore
from sagacity.stores.memory import MemoryStore
from sagacity.stores.postgres import PostgresStore
from sagacity.stores.sqlite import SqliteStore
from sagacity.testing import BrokenPromise, check_store
from sagacity.testing._promises import inbox
from sagacity.testing.conformance import (
    FLEET_PROMISES,
    PROMISES,
    FleetPromise,
    MakeStores,
    Promise,
    check_fleet_promise,
    check_promise,
)
from tests.postgres.modes import MODES
from tests.stores.codecs import KeyedCodec

SLOW = ("weak", "without", "encoded postgres")
MakeStore = Callable[[], AbstractAsyncContextManager[SagaStore]]


@pytest.fixture(
    params=["memory", "sqlite", "encoded memory", "encoded sqlite", "encoded postgres", *MODES]
)
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[MakeStore]:
    name = request.param.removeprefix("encoded ")
    if name == "memory":
        yield making(MemoryStore, request.param)
    elif name == "sqlite":
        yield making(partial(SqliteStore, tmp_path / "sagas.db"), request.param)
    else:
        with contextmanager(MODES[name])(request.getfixturevalue("postgres_store_url")) as url:
            # Patient: on a crowded machine the disk can take longer than the usual time-out.
            yield making(partial(PostgresStore, f"{url}&timeout=60"), request.param)


def making(make_plain: Callable[[], SagaStore], name: str) -> MakeStore:
    @asynccontextmanager
    async def make() -> AsyncGenerator[SagaStore]:
        store = make_plain()
        yield EncodedStore(store, KeyedCodec("key 1")) if "encoded" in name else store

    return make


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
async def test_each_promise_of_the_port_is_kept(
    promise: Promise, make_store: MakeStore, request: pytest.FixtureRequest
) -> None:
    """The name of the promise is the fact."""
    if promise is inbox.a_full_inbox_says_so_and_takes_more_when_there_is_room and any(
        slow in request.node.name for slow in SLOW
    ):
        pytest.skip("100,000 commands; the usual mode has them")
    await check_promise(promise, make_store)


@pytest.fixture(params=MODES)
def make_stores(request: pytest.FixtureRequest, postgres_store_url: str) -> Generator[MakeStores]:
    with contextmanager(MODES[request.param])(postgres_store_url) as url:

        @asynccontextmanager
        async def make() -> AsyncGenerator[tuple[SagaStore, SagaStore]]:
            yield PostgresStore(f"{url}&lease=1"), PostgresStore(f"{url}&lease=1")

        yield make


@pytest.mark.parametrize("promise", FLEET_PROMISES, ids=lambda promise: promise.__name__)
async def test_each_promise_of_a_fleets_store_is_kept(
    promise: FleetPromise, make_stores: MakeStores
) -> None:
    """The name of the promise is the fact; two stores on one database, as in two processes."""
    await check_fleet_promise(promise, make_stores)


class BackwardStore(MemoryStore):
    """Gives commands in the wrong order, and deletes nothing."""

    async def take(
        self, *, owner: str | None = None, limit: int = MAX_PAGE
    ) -> Sequence[InboxCommand]:
        return (await super().take(owner=owner, limit=limit))[::-1]

    async def delete(self, ids: Sequence[UUID]) -> int:
        return 0


async def test_all_broken_promises_are_reported_together() -> None:
    """Whoever writes a store sees everything that is wrong with it at once."""

    @asynccontextmanager
    async def make() -> AsyncGenerator[SagaStore]:
        yield BackwardStore()

    with pytest.raises(ExceptionGroup) as caught:
        await check_store(make)

    broken = [error for error in caught.value.exceptions if isinstance(error, BrokenPromise)]
    others = [each for each in caught.value.exceptions if not isinstance(each, BrokenPromise)]
    assert all(isinstance(each, TimeoutError) for each in others)  # on a crowded machine
    sentences = {error.promise for error in broken}
    assert "commands are taken in the order they were sent" in sentences
    assert "only final sagas are deleted" in sentences
    assert "a new store is empty" not in sentences
