"""Starts sagas that were created before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sagacity.core.agenda import Direction
from sagacity.core.events import StartRequested
from sagacity.engine.driving import entrant_of
from sagacity.engine.places import Entrant
from sagacity.errors import SagaStateError
from sagacity.ports.store import DRIVEN, SagaStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sagacity.core.actions import ActionRegistry
    from sagacity.core.dag import Dag
    from sagacity.engine.driving import Driving
    from sagacity.ports.store import SagaStore, StoredSaga


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
            NotOwner: another coordinator has it, and has to start it.
            DagError: an action is not registered here (only with `here`).
            CoordinatorClosed: it began to close.
        """
        crowded = await self._start(saga_id, None, here=here)
        while crowded is not None:
            has_promise = await self._driving.places.promise(crowded)
            promised = crowded if has_promise else None
            crowded = await self._start(saga_id, promised, here=here)

    def see_to(self, stored: StoredSaga) -> None:
        """Run a saga that is ours and that nobody has in hand, if it is such a one.

        It was adopted while somebody here tried to create it, and so was taken for running.
        """
        head, driving = stored.head, self._driving
        if driving.shares and head.owner == driving.owner and head.state in DRIVEN:
            undoes = head.direction is Direction.UNWINDING
            driving.enqueue(Entrant(head.id, head.name, stored.params, undoes))

    async def _start(
        self, saga_id: UUID, promised: Entrant | None, *, here: bool
    ) -> Entrant | None:
        """Start it; or return what has to wait first, because too many are queued.

        What comes from other processes has been acknowledged, and does not wait: if need
        be it is left in the store until there is room. `promised` is used or given up.
        """
        driving, places = self._driving, self._driving.places
        await driving.until_free(saga_id)
        if driving.knows(saga_id) or saga_id in self.busy:
            raise SagaStateError(saga_id, "already started", "start")
        self.busy.add(saga_id)
        try:
            stored = await self._store.read(saga_id)
            if stored.head.state is not SagaStatus.READY:
                raise SagaStateError(saga_id, stored.head.state, "start")
            if stored.head.owner != driving.owner:
                await driving.own(stored.head)
                stored = await self._store.read(saga_id)
            execution = driving.load(stored)
            dag = execution.state.dag
            if here:
                self._check_actions(dag)
            execution.journal.record(StartRequested(dag.expires_ms(driving.now_ms())))
            driving.obey(execution)
            entrant = entrant_of(execution)
            if places.has_room(entrant) and (here or not self._registry.missing_for(dag)):
                execution.decide()
                await asyncio.shield(driving.launch(execution, entrant))
                return None
            if here and promised is None:
                if places.is_crowded(entrant):
                    return entrant
                places.promise_now(entrant)
            promised = None  # whoever queues it has it now
            await asyncio.shield(driving.launch_queued(execution, promised=here))
            return None
        finally:
            self.busy.discard(saga_id)
            if promised is not None:
                places.forgo(promised)
