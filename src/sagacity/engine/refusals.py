"""Why a coordinator refused what another process asked of it, kept for whoever asked.

The inbox only tells that a command was dealt with. What the caller could see by itself it
does not send; what is left only a coordinator knows, as the type of an output that is set.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sagacity.core.values import decode, encode
from sagacity.engine import system
from sagacity.errors import SagaStateError, StoreError
from sagacity.ports.store import Order

if TYPE_CHECKING:
    from uuid import UUID

    from sagacity.ports.store import SagaStore

KIND: Final = "refusal"
MAX_KEPT: Final = 100
"""The most that are kept; the oldest are forgotten first."""
MAX_CHARS: Final = 2_000
"""The most of a reason that is kept."""


class Refusals:
    """What one coordinator has refused."""

    def __init__(self, store: SagaStore) -> None:
        """Keep them in `store`."""
        self._store: Final = store
        self._turn: Final = asyncio.Lock()  # or many at once would keep more than there may be

    async def keep(self, request_id: UUID, error: Exception) -> None:
        """Keep why a request was refused; a store that cannot loses no more than the reason."""
        why = error.why if isinstance(error, SagaStateError) else str(error)
        document = encode([system.wall_ms(), why[:MAX_CHARS]])
        async with self._turn:
            with suppress(StoreError):
                kept = sorted(await self._store.orders(KIND), key=lambda order: _read(order)[0])
                for old in kept[: max(0, len(kept) - MAX_KEPT + 1)]:
                    await self._store.drop_order(old.id)
                await self._store.keep_order(Order(request_id, KIND, 1, document))


async def why_refused(store: SagaStore, request_id: UUID) -> str | None:
    """Return why the request was refused; None if that is not known (any more)."""
    for order in await store.orders(KIND):
        if order.id == request_id:
            return _read(order)[1]
    return None


def _read(order: Order) -> tuple[int, str]:
    time_ms, why = decode(order.document)
    return time_ms, why
