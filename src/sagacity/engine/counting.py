"""Who is alive on a store, and how much each has."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sagacity.ports.store import FINAL, MAX_PAGE, SagaQuery, SagaStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sagacity.ports.store import SagaStore

MAX_COUNTED: Final = 100_000
"""The most unfinished sagas that are counted."""

_UNFINISHED: Final = frozenset(SagaStatus) - FINAL


@dataclass(frozen=True, slots=True)
class CoordinatorView:
    """A coordinator that is alive, and how many unfinished sagas it owns, by state."""

    owner: str
    epoch: int
    sagas: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FleetView:
    """The coordinators of a store, by epoch, and the unfinished sagas that none of them owns.

    `complete`: all unfinished sagas were counted, and not only the first 100,000.
    """

    coordinators: tuple[CoordinatorView, ...]
    unowned: Mapping[str, int]
    complete: bool


async def fleet_of(store: SagaStore) -> FleetView:
    """Count who has what, a page at a time."""
    alive = await store.coordinators()
    by_owner: dict[str, Counter[str]] = {each.owner: Counter() for each in alive}
    unowned: Counter[str] = Counter()
    after: UUID | None = None
    for _ in range(MAX_COUNTED // MAX_PAGE):
        heads = await store.list(SagaQuery(states=_UNFINISHED, after=after, limit=MAX_PAGE))
        for head in heads:
            by_owner.get(head.owner, unowned)[head.state.value] += 1
        if len(heads) < MAX_PAGE:
            complete = True
            break
        after = heads[-1].id
    else:
        complete = False
    views = (CoordinatorView(each.owner, each.epoch, by_owner[each.owner]) for each in alive)
    return FleetView(tuple(sorted(views, key=lambda view: view.epoch)), unowned, complete)
