"""Keeps the sagas of one coordinator in line with the holds of the store.

Sagas that begin here look at the holds that are known (`Driving.obey`). What runs when a
hold comes, and what stands still when one is lifted, is found here. A hold that was
lifted is forgotten when no saga stands still for it any more; until then whoever
coordinates next goes on with that.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sagacity.engine.holds import Holds, read_holds
from sagacity.engine.summaries import state_of_stored
from sagacity.errors import CoordinatorClosed, NoSuchSaga, NotOwner
from sagacity.ports.store import MAX_PAGE, SagaQuery, SagaStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
    from uuid import UUID

    from sagacity.engine.deciding import Deciding
    from sagacity.engine.definitions import Definitions
    from sagacity.engine.driving import Driving
    from sagacity.engine.holds import Hold
    from sagacity.ports.store import SagaStore

AT_ONCE: Final = 100
"""How many sagas are asked at one time."""


class Obeying:
    """The holds of one coordinator."""

    def __init__(
        self,
        store: SagaStore,
        definitions: Definitions,
        driving: Driving,
        deciding: Deciding,
        only: frozenset[UUID] | None,
    ) -> None:
        """`only` says which sagas count (None: all)."""
        self._store: Final = store
        self._definitions: Final = definitions
        self._driving: Final = driving
        self._deciding: Final = deciding
        self._only: Final = only
        self._done: list[Hold] = []
        """What was in the store when all sagas were last in line with it."""
        self._turn: Final = asyncio.Lock()
        self._failed = False

    async def learn(self) -> None:
        """Know the holds of the store, before the first saga begins."""
        self._driving.holds = Holds([hold for _, hold in await read_holds(self._store)])

    async def sweep(self) -> None:
        """Bring all sagas into line, if something has changed since the last time."""
        async with self._turn:
            holds = [hold for _, hold in await read_holds(self._store)]
            if holds == self._done:
                return
            self._failed = False
            self._driving.holds = Holds(holds)
            await self._ask_all(list(self._driving.active), self._ask_running)
            over = [hold for hold in holds if not hold.in_force]
            for hold in over:
                async for ids in self._standing(hold):
                    await self._ask_all(ids, self._ask_standing)
            if self._failed:
                return  # all of it again with the next sweep
            if self._only is None:
                for hold in over:
                    await self._store.drop_order(hold.id)
                holds = [hold for hold in holds if hold.in_force]
            self._done = holds

    async def _standing(self, hold: Hold) -> AsyncIterator[list[UUID]]:
        """Yield the sagas that may stand still for `hold`, a page at a time."""
        if self._only is not None:
            yield sorted(self._only)
            return
        after: UUID | None = None
        while True:
            query = SagaQuery(
                SagaStatus.PAUSED, name=hold.name, labels=hold.labels, after=after, limit=MAX_PAGE
            )
            heads = await self._store.list(query)
            yield [head.id for head in heads]
            if len(heads) < MAX_PAGE:
                return
            after = heads[-1].id

    async def _ask_all(self, sagas: Iterable[UUID], ask: Callable[[UUID], Awaitable[None]]) -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def ask_one(saga_id: UUID) -> None:
            async with places:
                try:
                    await ask(saga_id)
                except (CoordinatorClosed, NoSuchSaga):
                    pass  # the next coordinator does it; or it is gone
                except NotOwner:
                    self._failed = True  # the hold stays until its coordinator has done it
                except Exception as error:  # noqa: BLE001 - a border: one saga never stops another
                    self._failed = True
                    self._driving.report(saga_id, error)

        async with asyncio.TaskGroup() as tasks:
            for saga_id in sagas:
                tasks.create_task(ask_one(saga_id))

    async def _ask_running(self, saga_id: UUID) -> None:
        execution = self._driving.running(saga_id)
        if execution is None:
            return
        wish = self._driving.holds.wish(execution.state, saga_id, execution.name, execution.labels)
        if wish is not None:
            await self._deciding.decide(saga_id, wish)

    async def _ask_standing(self, saga_id: UUID) -> None:
        stored = await self._store.read(saga_id)
        state = state_of_stored(stored, self._definitions.dag_of(stored))
        wish = self._driving.holds.wish(state, saga_id, stored.head.name, stored.head.labels)
        if wish is not None:
            await self._deciding.decide(saga_id, wish)
