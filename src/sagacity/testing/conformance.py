"""`check_store`: judges any `SagaStore` by what the port promises.

It knows no test runner and no adapter. Each promise is a function whose name is the
promise; it gets a fresh, open store. All are tried, whatever breaks before, and what
is broken is reported together.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final, TypeAlias

from sagacity.testing._promises import appends, changes, inbox, orders, owners, queries, sagas

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sagacity.ports.store import SagaStore

MakeStore: TypeAlias = "Callable[[], AbstractAsyncContextManager[SagaStore]]"
"""Gives a store that is new, empty and not yet open, and clears it away on leaving."""

Promise: TypeAlias = "Callable[[SagaStore], Awaitable[None]]"

PROMISES: Final[tuple[Promise, ...]] = (
    *sagas.PROMISES,
    *appends.PROMISES,
    *owners.PROMISES,
    *queries.PROMISES,
    *inbox.PROMISES,
    *orders.PROMISES,
    *changes.PROMISES,
)

PATIENCE_SECONDS: Final = 60.0
"""A promise that takes longer counts as broken: it hangs."""


class BrokenPromise(AssertionError):
    """A store does not do what the port promises; `promise` is the sentence."""

    def __init__(self, promise: str, what: str) -> None:
        self.promise: Final = promise
        super().__init__(f"{promise}: {what}")


async def check_store(make_store: MakeStore) -> None:
    """Try every promise of the port on a fresh store each.

    Raises:
        ExceptionGroup: of one `BrokenPromise` for each that is broken.
    """
    broken: list[BrokenPromise] = []
    for promise in PROMISES:
        try:
            await check_promise(promise, make_store)
        except BrokenPromise as error:
            broken.append(error)
    if broken:
        raise ExceptionGroup(f"{len(broken)} of {len(PROMISES)} promises are broken", broken)


async def check_promise(promise: Promise, make_store: MakeStore) -> None:
    """Try one promise on a fresh store.

    Raises:
        BrokenPromise: with what happened instead, as its cause.
    """
    sentence = promise.__name__.replace("_", " ")
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), make_store() as store:
            await store.open()
            try:
                await promise(store)
            finally:
                await store.close()
    except Exception as error:
        what = str(error) or type(error).__name__
        if isinstance(error, TimeoutError):
            what = f"not within {PATIENCE_SECONDS:.0f} seconds"
        elif not isinstance(error, AssertionError):
            what = f"{type(error).__name__}: {what}"
        raise BrokenPromise(sentence, what) from error
