"""Taking over sagas of owners that are dead: first they are retired, then nothing is theirs.

An owner is dead when it has no row among the coordinators; a row whose lease has ended is
deleted first, in a transaction of its own. So there is no moment in which two own a saga:
a renewal at the same time either keeps its row, and is passed over, or finds it gone.

Many may adopt at once: each passes over what another one is taking.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sagacity.errors import NotOwner, StoreCorrupt
from sagacity.stores.postgres.rows import head_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagacity.ports.store import Coordinator, SagaHead
    from sagacity.stores.postgres.driver import Row
    from sagacity.stores.postgres.pool import Pool, Try


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: these ids, or whatever is in these states, but a few definitions."""

    ids: Sequence[UUID] | None
    states: Sequence[str]
    unfit: Sequence[str]
    limit: int


async def adopt(pool: Pool, me: Coordinator, wanted: Wanted) -> Sequence[SagaHead]:
    """Take over what is wanted and whose owner is dead, and return the heads.

    One that is damaged is adopted and left out: each page would begin with it otherwise.

    Raises:
        NotOwner: `me` is not alive.
    """
    dead, has_expired = await _ownerless(pool, me)
    if has_expired:
        await pool.call(_retire_the_dead)
        dead, _ = await _ownerless(pool, me)
    taken: Sequence[UUID] = ()
    if dead:
        taken = await pool.call(_Taking(me, dead, wanted))
    ids = taken if wanted.ids is None else wanted.ids
    if not ids:
        return ()
    rows = await pool.call(_Showing(me, ids), changes=False)
    heads = [head for row in rows if (head := _readable(row)) is not None]
    if wanted.ids is None:
        heads.sort(key=lambda head: (head.rank_ms, head.id))
    return heads


async def _ownerless(pool: Pool, me: Coordinator) -> tuple[Sequence[str], bool]:
    async def look(begun: Try) -> Row:
        (row,) = await begun.rows("ownerless", me.owner, me.epoch)
        return row

    dead, has_expired, alive = await pool.call(look, changes=False)
    if not alive:
        raise NotOwner(f'"{me.owner}" with epoch {me.epoch} is no living coordinator of this store')
    return dead, has_expired


async def _retire_the_dead(begun: Try) -> None:
    await begun.rows("retire_the_dead")


@dataclass(slots=True)
class _Taking:
    """The transaction that takes; it knows what it took, if the answer to its end is lost."""

    me: Coordinator
    dead: Sequence[str]
    wanted: Wanted
    _taken: dict[UUID, int] = field(default_factory=dict[UUID, int])

    async def __call__(self, begun: Try) -> Sequence[UUID]:
        if begun.in_doubt and await self._has_landed(begun):
            return [*self._taken]
        self._taken.clear()
        async with begun.transaction():
            self._taken.update((saga, epoch) for saga, epoch in await self._take(begun))
        return [*self._taken]

    async def _take(self, begun: Try) -> Sequence[Row]:
        me, wanted = self.me, self.wanted
        values: tuple[Any, ...] = (me.owner, me.epoch, self.dead)
        if wanted.ids is not None:
            return await begun.rows("adopt_these", *values, list(wanted.ids))
        return await begun.rows("adopt", *values, wanted.states, wanted.unfit, wanted.limit)

    async def _has_landed(self, begun: Try) -> bool:
        mine = self.me.owner
        rows = await begun.rows("owned", [*self._taken])
        return any(owner == mine and self._taken[saga] == epoch for saga, owner, epoch in rows)


@dataclass(frozen=True, slots=True)
class _Showing:
    """Reads the heads of those that are ours now."""

    me: Coordinator
    ids: Sequence[UUID]

    async def __call__(self, begun: Try) -> Sequence[Row]:
        return await begun.rows("shown_mine", list(self.ids), self.me.owner)


def _readable(row: Row) -> SagaHead | None:
    try:
        return head_of(row)
    except StoreCorrupt:
        return None
