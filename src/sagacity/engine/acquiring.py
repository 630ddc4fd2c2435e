"""Becomes the coordinator of a store."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sagacity.core.codec import decode_record
from sagacity.errors import PayloadUnreadable, SagacityError, StoreBusy
from sagacity.ports.store import DRIVEN, SagaQuery

if TYPE_CHECKING:
    from sagacity.ports.store import SagaStore

PAUSES_SECONDS: Final = (0.02, 0.05, 0.1)


async def acquire(store: SagaStore, owner: str, *, wait: bool) -> int:
    """Return the epoch; who only decides something holds the store for no more than a moment.

    Raises:
        StoreBusy: another coordinator drives it (with `wait`, it is waited for).
        PayloadUnreadable: its sagas were written with a codec that `store` has not.
    """
    epoch = await _acquire(store, owner, wait=wait)
    await _check_readable(store)
    return epoch


async def _acquire(store: SagaStore, owner: str, *, wait: bool) -> int:
    for pause_seconds in () if wait else PAUSES_SECONDS:
        with suppress(StoreBusy):
            return await store.acquire(owner, wait=False)
        await asyncio.sleep(pause_seconds)
    return await store.acquire(owner, wait=wait)


async def _check_readable(store: SagaStore) -> None:
    """Look whether the store was opened with the codec of its unfinished sagas.

    One of each state is tried. One that can be read is enough: where a key is lost, the
    sagas that it has written must not keep all others from going on.

    Raises:
        PayloadUnreadable: it was not, as far as this can tell.
    """
    refused: PayloadUnreadable | None = None
    for state in sorted(DRIVEN):
        try:
            for head in await store.list(SagaQuery(state=state, limit=1)):
                decode_record((await store.read(head.id)).records[0][1])
                return
        except PayloadUnreadable as error:
            refused = error
        except SagacityError:
            continue  # other trouble is told by who has to do with it
    if refused is not None:
        raise refused
