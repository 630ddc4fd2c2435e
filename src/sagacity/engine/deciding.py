"""Carries out what people ask of the sagas of one coordinator, wherever each saga is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sagacity.engine.control import decision_of
from sagacity.engine.executor import AtRestError
from sagacity.engine.summaries import state_of_stored
from sagacity.ports.store import DRIVEN, FINAL

if TYPE_CHECKING:
    from uuid import UUID

    from sagacity.core.actions import ActionRegistry
    from sagacity.core.events import Decided
    from sagacity.engine.definitions import Definitions
    from sagacity.engine.driving import Driving
    from sagacity.engine.requests import Request
    from sagacity.ports.store import SagaStore, StoredSaga

_MOMENT_SECONDS: Final = 0.005
"""How long to wait for a saga that is being loaded at this moment."""


class Deciding:
    """Decisions for sagas that run, that wait for a place, and that are at rest."""

    def __init__(
        self,
        store: SagaStore,
        driving: Driving,
        registry: ActionRegistry,
        definitions: Definitions,
        busy: set[UUID],
    ) -> None:
        """`busy` holds the sagas that somebody is about to run."""
        self._store: Final = store
        self._driving: Final = driving
        self._registry: Final = registry
        self._definitions: Final = definitions
        self._busy: Final = busy

    async def decide(self, saga_id: UUID, request: Request) -> bool:
        """Carry out a decision; False if it changes nothing. Returns when it is durable.

        Raises as `decision_of` does, and:
            NoSuchSaga: it does not exist.
        """
        driving = self._driving
        while True:
            execution = driving.running(saga_id)
            if execution is not None:
                try:
                    return await asyncio.shield(execution.ask(request))
                except AtRestError:
                    await asyncio.sleep(0)
                    continue
            if saga_id in self._busy or (driving.knows(saga_id) and not driving.withdraw(saga_id)):
                await asyncio.sleep(_MOMENT_SECONDS)
                continue
            driving.reserved.add(saga_id)
            try:
                return await self._decide_at_rest(saga_id, request)
            finally:
                driving.reserved.discard(saga_id)

    async def _decide_at_rest(self, saga_id: UUID, request: Request) -> bool:
        driving = self._driving
        stored = await self._store.read(saga_id)
        if stored.head.state not in FINAL and stored.head.epoch != driving.epoch:
            await self._store.adopt(driving.owner, driving.epoch, ids=[saga_id])
            stored = await self._store.read(saga_id)
        decided: Decided | None = None
        try:
            decided = self._decision(stored, request)
        finally:
            if decided is None and stored.head.state in DRIVEN:
                # It may have been adopted while it was reserved: then nobody else runs it.
                driving.reserved.discard(saga_id)
                driving.enqueue(saga_id)
        if decided is None:
            return False
        execution = driving.load(stored)
        execution.take_decision(decided)
        if driving.has_room() and not self._registry.missing_for(execution.state.dag):
            execution.decide()
            durable = driving.launch(execution)
            driving.reserved.discard(saga_id)
            await asyncio.shield(durable)
        else:
            await asyncio.shield(driving.launch_queued(execution))
        return True

    def _decision(self, stored: StoredSaga, request: Request) -> Decided | None:
        state = state_of_stored(stored, self._definitions.dag_of(stored))
        return decision_of(state, stored.head.id, request, self._registry.by_name)
