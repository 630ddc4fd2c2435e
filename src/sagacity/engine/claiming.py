"""Claims what this coordinator has the code for, where others may have it for the rest.

What it has no code for is given back at once, as it was, and its definition is passed over
from then on: so whoever has the code finds it. Only what nobody takes is marked as
`waiting for code`: by any coordinator that has looked twice, some at a time, each saga once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sagacity.engine import system
from sagacity.errors import NoSuchSaga, NotOwner, PayloadUnreadable, StoreCorrupt
from sagacity.ports.store import MAX_PAGE, MAX_UNFIT, SagaQuery, SagaStatus

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from uuid import UUID

    from sagacity.core.actions import ActionRegistry
    from sagacity.engine.definitions import Definitions
    from sagacity.engine.driving import Driving
    from sagacity.ports.store import SagaHead, SagaStore

log: Final = logging.getLogger("sagacity")

LOOKED_AT: Final = 200
"""How many sagas that nobody takes are looked at at a time."""
LOOK_SECONDS: Final = 1.5
"""Between two looks of a coordinator that has passed something over."""
LONGEST_LOOK_SECONDS: Final = 15.0
"""Between two looks otherwise."""

_GOES_ON: Final = frozenset({SagaStatus.QUEUED, SagaStatus.RUNNING})


class Claiming:
    """What one of many coordinators may claim."""

    def __init__(
        self, store: SagaStore, driving: Driving, registry: ActionRegistry, definitions: Definitions
    ) -> None:
        self._store: Final = store
        self._driving: Final = driving
        self._registry: Final = registry
        self._definitions: Final = definitions
        self._fit: Final[dict[str, None]] = {}
        """Fingerprints of definitions that there is all code for."""
        self._elsewhere: frozenset[str] = frozenset()
        """Of those that others have code for, and are busy with."""
        self._seen: frozenset[UUID] = frozenset()
        """What nobody had taken at the last look."""
        self._forsaken: frozenset[str] = frozenset()
        """Definitions that were marked at the last look: more of them need not be seen twice."""
        self._looked = -LONGEST_LOOK_SECONDS

    async def keep(self, heads: Sequence[SagaHead]) -> Sequence[SagaHead]:
        """Return those of the adopted that there is code for; give the others back."""
        with self._in_hand(heads) as ours:
            others = [head for head in ours if not await self._has_code(head)]
            if not others:
                return heads
            await self._driving.parking.pass_on(others)
        given = {head.id for head in others}
        return [head for head in heads if head.id not in given]

    @contextmanager
    def _in_hand(self, heads: Sequence[SagaHead]) -> Generator[Sequence[SagaHead]]:
        """Keep others of this coordinator from sagas; yield those that nobody had in hand."""
        driving = self._driving
        ours = [head for head in heads if not driving.knows(head.id)]
        ids = {head.id for head in ours}
        driving.reserved |= ids
        try:
            yield ours
        finally:
            driving.reserved -= ids

    async def _has_code(self, head: SagaHead) -> bool:
        if head.fingerprint in self._fit:
            return True
        if head.fingerprint in self._driving.parking.unfit:
            return False
        try:
            stored = await self._store.read(head.id)
            missing = self._registry.missing_for(self._definitions.dag_of(stored))
        except (StoreCorrupt, PayloadUnreadable, NoSuchSaga):
            return True  # told by whoever reads it to run it
        if missing:
            log.warning(
                '"%s" with the definition %.12s is left to other coordinators: %s',
                head.name, head.fingerprint, "; ".join(missing),
            )  # fmt: skip
            self._driving.parking.note_unfit(head.fingerprint)
            return False
        if len(self._fit) >= MAX_UNFIT // 2:
            del self._fit[next(iter(self._fit))]
        self._fit[head.fingerprint] = None
        return True

    # -- what nobody takes -------------------------------------------------------------

    async def look(self) -> None:
        """Mark what nobody has taken since the last look, and has no code here either."""
        now, has_passed = system.elapsed_seconds(), bool(self._driving.parking.unfit)
        pause_seconds = LOOK_SECONDS if has_passed else LONGEST_LOOK_SECONDS
        if now < self._looked + pause_seconds or self._driving.draining:
            return
        self._looked = now
        if self._elsewhere:
            self._elsewhere &= await self._driven_elsewhere()
        passed = [*self._fit, *self._elsewhere][:MAX_UNFIT]
        owner, epoch = self._driving.owner, self._driving.epoch
        heads = await self._store.adopt(
            owner, epoch, states=_GOES_ON, unfit=passed, limit=LOOKED_AT
        )
        with self._in_hand(heads) as ours:
            await self._mark_some([head for head in ours if not await self._has_code(head)])
            self._seen = frozenset(head.id for head in ours)
            if ours:
                await self._store.disown(owner, sorted(self._seen))

    async def _mark_some(self, unfit: Sequence[SagaHead]) -> None:
        forsaken, self._forsaken = self._forsaken, frozenset()
        left = [head for head in unfit if head.id in self._seen or head.fingerprint in forsaken]
        if not left:
            return
        elsewhere = await self._driven_elsewhere()
        self._elsewhere |= elsewhere.intersection(head.fingerprint for head in left)
        marked: Counter[tuple[str, str]] = Counter()
        left = [head for head in left if head.fingerprint not in elsewhere]
        async with asyncio.TaskGroup() as tasks:
            for head in left:
                tasks.create_task(self._mark(head, marked))
        self._forsaken = frozenset(head.fingerprint for head in left)
        if len(left) == LOOKED_AT:  # there are more: look again with the next sweep
            self._looked = -LONGEST_LOOK_SECONDS
        for (name, missing), count in marked.items():
            log.warning('"%s" waits for code, %d of them: %s', name, count, missing)

    async def _mark(self, head: SagaHead, marked: Counter[tuple[str, str]]) -> None:
        driving = self._driving
        try:
            stored = await self._store.read(head.id)
            execution = driving.load(stored)
            missing = self._registry.missing_for(execution.state.dag)
            await driving.parking.mark(execution, stored.head, missing, driving.now_ms())
            marked[head.name, "; ".join(missing)] += 1
        except NotOwner:
            pass  # somebody was faster
        except Exception as error:  # noqa: BLE001 - a border: one saga never stops another
            driving.report(head.id, error)

    async def _driven_elsewhere(self) -> frozenset[str]:
        """Return the definitions that others run sagas of now, as far as one page tells."""
        alive = {each.owner for each in await self._store.coordinators()} - {self._driving.owner}
        query = SagaQuery(state=SagaStatus.RUNNING, limit=MAX_PAGE)
        heads = await self._store.list(query)
        return frozenset(head.fingerprint for head in heads if head.owner in alive)
