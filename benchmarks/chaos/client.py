"""Whoever starts sagas: a process beside the fleet, with no lease and no way to drive one.

What is acknowledged here must end. Where the answer is lost the same create is asked again,
under the same id.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from benchmarks.chaos.sagas import SAGAS, Order, random_order
from sagacity import Client, Stuck
from sagacity.engine.system import new_saga_id
from sagacity.errors import SagaStateError, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

T = TypeVar("T")

AGAIN_SECONDS: Final = 0.1


class Starter:
    """Starts sagas, so many in flight, and sees each to its end."""

    def __init__(self, client: Client, chance: random.Random, in_flight: int) -> None:
        """`in_flight`: how many at one time."""
        self._client: Final = client
        self._chance: Final = chance
        self._in_flight: Final = in_flight
        self.acknowledged: Final[dict[UUID, tuple[str, Order]]] = {}
        self.waits_for: Final[set[UUID]] = set()
        self.asked_again = 0
        self.retried = 0
        self.wrong: Final[list[str]] = []
        self._enough = asyncio.Event()

    async def run(self) -> None:
        """Start sagas until `stop`, and wait until all have ended."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._in_flight):
                tasks.create_task(self._one_after_another())

    def stop(self) -> None:
        """Start no more."""
        self._enough.set()

    async def _one_after_another(self) -> None:
        while not self._enough.is_set():
            saga, order = self._chance.choice(SAGAS), random_order(self._chance)
            saga_id = new_saga_id()

            async def create(
                saga: Any = saga, order: Order = order, saga_id: UUID = saga_id
            ) -> None:
                await self._client.create(saga, order, id=saga_id, start=True)

            await self._insist(create)
            self.acknowledged[saga_id] = (saga.name, order)
            self.waits_for.add(saga_id)
            await self._see_it_end(saga_id)
            self.waits_for.discard(saga_id)

    async def _see_it_end(self, saga_id: UUID) -> None:
        handle = self._client.handle(saga_id)
        while isinstance(outcome := await self._insist(handle.wait), Stuck):
            if outcome.reason != "poison":
                self.wrong.append(f"{saga_id} is stuck: {outcome}")
                return
            self.retried += 1

            async def retry() -> None:
                with suppress(SagaStateError):  # it goes on already: the answer was lost
                    await handle.retry(by="on-call", reason="a kill from outside is no poison")

            await self._insist(retry)

    async def _insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await ask()
            except StoreError:
                self.asked_again += 1
                await asyncio.sleep(AGAIN_SECONDS)
