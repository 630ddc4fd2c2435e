"""Looking at sagas in a store: what coordinators and clients have in common.

Nothing here changes anything, waits for a write, or needs a coordinator.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sagacity.core.circumstances import Known
from sagacity.core.explaining import explain
from sagacity.core.poison import is_suspect
from sagacity.core.why import Doing, Rival
from sagacity.engine.counting import fleet_of
from sagacity.engine.expectations import Expectations
from sagacity.engine.listing import Page, list_sagas, owners_alive, query_of
from sagacity.engine.slips import check_id, check_store
from sagacity.engine.summaries import state_of_stored, view_of_stored
from sagacity.engine.system import wall_ms
from sagacity.engine.troubled import Wanted, list_troubled
from sagacity.errors import NoSuchSaga
from sagacity.ports.store import SagaQuery, SagaStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sagacity.core.views import SagaSummary, SagaView
    from sagacity.core.why import Why
    from sagacity.engine.counting import FleetView
    from sagacity.engine.definitions import Definitions
    from sagacity.ports.store import SagaStore

MAX_RIVALS_READ: Final = 100
"""How many running sagas are read to tell who has the slots that a saga waits for."""


class Looking:
    """What can be asked of a store without changing it."""

    def __init__(self, store: SagaStore, definitions: Definitions) -> None:
        """Begin with nothing remembered."""
        check_store(store)
        self._store: Final = store
        self._definitions: Final = definitions
        self._expectations: Final = Expectations(store, definitions)

    def _check_open(self) -> None:
        """Raise if nothing can be asked now."""

    def _seen(self, view: SagaView) -> SagaView:
        """Return the view with what this process alone knows of the saga."""
        return view

    def _now_ms(self) -> int:
        """Return what time it is."""
        return wall_ms()

    async def get(self, saga_id: UUID) -> SagaView:
        """Return the saga as it is in the store now. Does not wait for writes.

        Raises:
            NoSuchSaga: it does not exist.
        """
        self._check_open()
        stored = await self._store.read(check_id(saga_id))
        return self._seen(view_of_stored(stored, self._definitions.dag_of(stored)))

    async def list(
        self,
        *,
        state: str | None = None,
        direction: str | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        hung: bool = False,
        stuck: bool = False,
        orphaned: bool = False,
        after: UUID | str | None = None,
        limit: int = 100,
    ) -> Page[SagaSummary]:
        """Return one page of the sagas that match all that is given, ordered by id.

        With `hung`, `stuck` or `orphaned`: those of which one of these is true. To find
        the hung ones, logs of running sagas are read, a bounded number for each page: it
        may be shorter than `limit`, or empty, and not the last one (`next` tells).

        Raises:
            ValueError: an unknown state or direction, or a limit out of bounds.
        """
        self._check_open()
        query = query_of(
            state=state, direction=direction, name=name, labels=labels, after=after, limit=limit
        )
        if hung or stuck or orphaned:
            wanted = Wanted(hung=hung, stuck=stuck, orphaned=orphaned)
            return await list_troubled(self._store, query, wanted, self._is_hung)
        return await list_sagas(self._store, query)

    async def coordinators(self) -> FleetView:
        """Return who is alive on the store, and how many unfinished sagas each has."""
        self._check_open()
        return await fleet_of(self._store)

    async def why(self, saga_id: UUID) -> Why:
        """Say why a saga does not go on, or that it does; and what may be done about it.

        Raises:
            NoSuchSaga: it does not exist.
        """
        self._check_open()
        known = await self._known(check_id(saga_id))
        waiting = {*known.that(Doing.SLOT), *known.that(Doing.PLACE)}
        if waiting:
            actions = {known.action_of(node) for node in waiting}
            known = replace(known, rivals=await self._rivals(saga_id, actions))
        return explain(known)

    async def _known(self, saga_id: UUID) -> Known:
        # First: a saga that ended together with its coordinator must not look left alone.
        alive = await owners_alive(self._store)
        stored = await self._store.read(saga_id)
        dag, now_ms = self._definitions.dag_of(stored), self._now_ms()
        view = self._seen(view_of_stored(stored, dag))
        known = Known(view, state_of_stored(stored, dag), now_ms, alive)
        if known.state.in_flight and known.owned:
            expected = await self._expectations.of(stored.head.name, now_ms)
            known = replace(known, expected=expected)
        return known

    async def _is_hung(self, saga_id: UUID) -> bool:
        return bool((await self._known(saga_id)).that(Doing.HUNG))

    async def _rivals(self, saga_id: UUID, actions: set[str]) -> Sequence[Rival]:
        """Return the nodes of other sagas that run one of these actions, as far as was read."""
        rivals: list[Rival] = []
        query = SagaQuery(state=SagaStatus.RUNNING, limit=MAX_RIVALS_READ)
        for head in await self._store.list(query):
            if head.id == saga_id:
                continue
            try:
                other = await self._known(head.id)
            except NoSuchSaga:  # removed meanwhile
                continue
            for node in (*other.that(Doing.RUNNING), *other.that(Doing.HUNG)):
                action, state = other.action_of(node), other.state
                alone = is_suspect(state, state.dag.find(node.path))
                if alone or action in actions:
                    since_ms = node.since_ms or 0
                    rivals.append(Rival(head.id, head.name, action, node.path, since_ms, alone))
        return rivals
