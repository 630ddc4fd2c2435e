"""`check_store`: judges any `SagaStore` by what the port promises.

It knows no test runner and no adapter. Each promise is a function whose name is the
promise; it gets a fresh, open store. All are tried, whatever breaks before, and what
is broken is reported together.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from sagacity.testing._promises import (
    appends,
    changes,
    fleet,
    inbox,
    orders,
    owners,
    queries,
    sagas,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from sagacity.ports.store import SagaStore

MakeStore: TypeAlias = "Callable[[], AbstractAsyncContextManager[SagaStore]]"
"""Gives a store that is new, empty and not yet open, and clears it away on leaving."""

MakeStores: TypeAlias = "Callable[[], AbstractAsyncContextManager[tuple[SagaStore, SagaStore]]]"
"""Gives two stores on one database, as two processes have it, with leases of a second or so."""

Promise: TypeAlias = "Callable[[SagaStore], Awaitable[None]]"
FleetPromise: TypeAlias = "Callable[[SagaStore, SagaStore], Awaitable[None]]"

PROMISES: Final[tuple[Promise, ...]] = (
    *sagas.PROMISES,
    *appends.PROMISES,
    *owners.PROMISES,
    *queries.PROMISES,
    *inbox.PROMISES,
    *orders.PROMISES,
    *changes.PROMISES,
)

FLEET_PROMISES: Final[tuple[FleetPromise, ...]] = fleet.PROMISES
"""For stores that take any number of coordinators."""

PATIENCE_SECONDS: Final = 180.0
"""A promise that takes longer counts as broken: it hangs."""


class BrokenPromise(AssertionError):
    """A store does not do what the port promises; `promise` is the sentence."""

    def __init__(self, promise: str, what: str) -> None:
        self.promise: Final = promise
        super().__init__(f"{promise}: {what}")


async def check_store(make_store: MakeStore, make_stores: MakeStores | None = None) -> None:
    """Try every promise of the port on a fresh store each.

    With `make_stores` also those of a store that takes any number of coordinators.

    Raises:
        ExceptionGroup: of one `BrokenPromise` for each that is broken.
    """
    tries = [check_promise(promise, make_store) for promise in PROMISES]
    if make_stores is not None:
        tries += [check_fleet_promise(promise, make_stores) for promise in FLEET_PROMISES]
    broken: list[BrokenPromise] = []
    for each in tries:
        try:
            await each
        except BrokenPromise as error:
            broken.append(error)
    if broken:
        raise ExceptionGroup(f"{len(broken)} of {len(tries)} promises are broken", broken)


async def check_promise(promise: Promise, make_store: MakeStore) -> None:
    """Try one promise on a fresh store.

    Raises:
        BrokenPromise: with what happened instead, as its cause.
    """
    async with _judging(promise.__name__), make_store() as store, _opened(store):
        await promise(store)


async def check_fleet_promise(promise: FleetPromise, make_stores: MakeStores) -> None:
    """Try one promise on two fresh stores.

    Raises:
        BrokenPromise: with what happened instead, as its cause.
    """
    async with (
        _judging(promise.__name__),
        make_stores() as (one, other),
        _opened(one),
        _opened(other),
    ):
        await promise(one, other)


@asynccontextmanager
async def _opened(store: SagaStore) -> AsyncGenerator[None]:
    await store.open()
    try:
        yield
    finally:
        await store.close()


@asynccontextmanager
async def _judging(name: str) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield
    except Exception as error:
        what = str(error) or type(error).__name__
        if isinstance(error, TimeoutError):
            what = f"not within {PATIENCE_SECONDS:.0f} seconds"
        elif not isinstance(error, AssertionError):
            what = f"{type(error).__name__}: {what}"
        raise BrokenPromise(name.replace("_", " "), what) from error
