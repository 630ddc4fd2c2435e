"""Starts sagas that were created before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sagacity.core.events import StartRequested
from sagacity.errors import SagaStateError
from sagacity.ports.store import SagaStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sagacity.core.actions import ActionRegistry
    from sagacity.core.dag import Dag
    from sagacity.engine.driving import Driving
    from sagacity.ports.store import SagaStore


class Starting:
    """The starts of one coordinator, each saga's once."""

    def __init__(
        self,
        store: SagaStore,
        driving: Driving,
        registry: ActionRegistry,
        check_actions: Callable[[Dag], None],
    ) -> None:
        """`check_actions` raises if this coordinator has no code for a DAG."""
        self._store: Final = store
        self._driving: Final = driving
        self._registry: Final = registry
        self._check_actions: Final = check_actions
        self.busy: Final[set[UUID]] = set()
        """Those that are being started now."""

    async def start(self, saga_id: UUID, *, here: bool) -> None:
        """Start a created saga; `here`: refuse if this coordinator cannot run it.

        Raises:
            NoSuchSaga: it does not exist.
            SagaStateError: it was started before.
            DagError: an action is not registered here (only with `here`).
        """
        driving = self._driving
        await driving.until_free(saga_id)
        if driving.knows(saga_id) or saga_id in self.busy:
            raise SagaStateError(saga_id, "already started", "start")
        self.busy.add(saga_id)
        try:
            stored = await self._store.read(saga_id)
            if stored.head.state is not SagaStatus.READY:
                raise SagaStateError(saga_id, stored.head.state, "start")
            if stored.head.epoch != driving.epoch:
                await self._store.adopt(driving.owner, driving.epoch, ids=[saga_id])
                stored = await self._store.read(saga_id)
            execution = driving.load(stored)
            dag = execution.state.dag
            if here:
                self._check_actions(dag)
            execution.journal.record(StartRequested())
            driving.obey(execution)
            if driving.has_room() and (here or not self._registry.missing_for(dag)):
                execution.decide()
                await asyncio.shield(driving.launch(execution))
            else:
                await asyncio.shield(driving.launch_queued(execution))
        finally:
            self.busy.discard(saga_id)
