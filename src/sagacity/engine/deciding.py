"""Carries out what people ask of the sagas of one coordinator, wherever each saga is."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from sagacity.engine.control import decision_of
from sagacity.engine.driving import MOMENT_SECONDS, entrant_of
from sagacity.engine.hearing import AtRestError
from sagacity.errors import CoordinatorClosed
from sagacity.ports.store import DRIVEN, FINAL

if TYPE_CHECKING:
    from uuid import UUID

    from sagacity.core.actions import ActionRegistry
    from sagacity.core.events import Decided
    from sagacity.engine.driving import Driving
    from sagacity.engine.places import Entrant
    from sagacity.engine.requests import Request
    from sagacity.ports.store import SagaStore


class Deciding:
    """Decisions for sagas that run, that wait for a place, and that are at rest."""

    def __init__(
        self,
        store: SagaStore,
        driving: Driving,
        registry: ActionRegistry,
        busy: set[UUID],
    ) -> None:
        """`busy` holds the sagas that somebody is about to run."""
        self._store: Final = store
        self._driving: Final = driving
        self._registry: Final = registry
        self._busy: Final = busy

    async def decide(self, saga_id: UUID, request: Request) -> bool:
        """Carry out a decision; False if it changes nothing. Returns when it is durable.

        Raises as `decision_of` does, and:
            NoSuchSaga: it does not exist.
            NotOwner: another coordinator has it, and has to carry it out.
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
            was_in_line = driving.places.withdraw(saga_id)
            if saga_id in self._busy or driving.knows(saga_id):
                await asyncio.sleep(MOMENT_SECONDS)
                continue
            driving.reserved.add(saga_id)
            # In a task of its own: whoever has asked may go away, and the saga must not be lost.
            answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            task = driving.tasks.spawn(
                self._work(saga_id, request, answer, was_in_line=was_in_line)
            )
            task.add_done_callback(partial(self._let_go, saga_id, answer))
            return await asyncio.shield(answer)

    def _let_go(
        self, saga_id: UUID, answer: asyncio.Future[bool], _task: asyncio.Task[None]
    ) -> None:
        self._driving.reserved.discard(saga_id)
        if not answer.done():
            answer.set_exception(CoordinatorClosed("the coordinator is closing; ask again"))
            answer.exception()

    async def _work(
        self,
        saga_id: UUID,
        request: Request,
        answer: asyncio.Future[bool],
        *,
        was_in_line: Entrant | None,
    ) -> None:
        try:
            changed = await self._decide_at_rest(saga_id, request)
        except Exception as error:  # noqa: BLE001 - a border: it is for who has asked
            if was_in_line is not None:
                self._back_into_line(was_in_line)
            if not answer.done():
                answer.set_exception(error)
                answer.exception()
        else:
            if not answer.done():
                answer.set_result(changed)

    def _back_into_line(self, entrant: Entrant) -> None:
        self._driving.reserved.discard(entrant.saga_id)
        self._driving.enqueue(entrant)

    async def _decide_at_rest(self, saga_id: UUID, request: Request) -> bool:
        driving = self._driving
        stored = await self._store.read(saga_id)
        if stored.head.state not in FINAL and stored.head.owner != driving.owner:
            await driving.own(stored.head)
            stored = await self._store.read(saga_id)
        execution = driving.load(stored)
        decided: Decided | None = None
        try:
            decided = decision_of(execution.state, saga_id, request, self._registry.by_name)
        finally:
            if decided is None and stored.head.state in DRIVEN:
                self._back_into_line(
                    entrant_of(execution)
                )  # it may have been adopted while it was reserved
        if decided is None:
            return False
        execution.take_decision(decided)
        driving.obey(execution)  # what was stuck may go on
        entrant = entrant_of(execution)
        has_code = not self._registry.missing_for(execution.state.dag)
        if has_code and driving.places.has_room(entrant):
            execution.decide()
            durable = driving.launch(execution, entrant)
            driving.reserved.discard(saga_id)
            await durable
        else:
            await driving.launch_queued(execution)
        return True
