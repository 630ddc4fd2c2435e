"""Becomes the coordinator of a store."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sagacity.errors import StoreBusy

if TYPE_CHECKING:
    from sagacity.ports.store import SagaStore

PAUSES_SECONDS: Final = (0.02, 0.05, 0.1)


async def acquire(store: SagaStore, owner: str, *, wait: bool) -> int:
    """Return the epoch; who only decides something holds the store for no more than a moment.

    Raises:
        StoreBusy: another coordinator drives it (with `wait`, it is waited for).
    """
    for pause_seconds in () if wait else PAUSES_SECONDS:
        with suppress(StoreBusy):
            return await store.acquire(owner, wait=False)
        await asyncio.sleep(pause_seconds)
    return await store.acquire(owner, wait=wait)
