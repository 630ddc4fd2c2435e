"""Lists of sagas, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Generic, TypeVar
from uuid import UUID

from sagacity.core.agenda import Direction
from sagacity.engine.summaries import listed
from sagacity.ports.store import DRIVEN, MAX_PAGE, SagaQuery, SagaStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sagacity.core.views import SagaSummary
    from sagacity.ports.store import SagaHead, SagaStore

T = TypeVar("T")

ORPHANABLE: Final = DRIVEN - {SagaStatus.PAUSED}
"""States in which there is something to do that no person holds back."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items; `next` is the `after` of the following page, None at the end."""

    items: tuple[T, ...]
    next: UUID | None


def query_of(
    *,
    state: str | None,
    direction: str | None,
    name: str | None,
    labels: Mapping[str, str] | None,
    after: UUID | str | None,
    limit: int,
) -> SagaQuery:
    """Return the query for one page.

    Raises:
        ValueError: an unknown state or direction, or a limit out of bounds.
    """
    if not 1 <= limit < MAX_PAGE:
        raise ValueError(f"limit={limit}: a page has 1 to {MAX_PAGE - 1} sagas")
    return SagaQuery(
        state=None if state is None else SagaStatus(state),
        direction=None if direction is None else Direction(direction),
        name=name,
        labels=dict(labels or {}),
        after=UUID(after) if isinstance(after, str) else after,
        limit=limit,
    )


async def list_sagas(store: SagaStore, query: SagaQuery) -> Page[SagaSummary]:
    """Return one page of the sagas that match, ordered by id."""
    alive = await owners_alive(store)
    heads = await store.list(replace(query, limit=query.limit + 1))
    items = tuple(listed(head, orphaned=is_orphaned(head, alive)) for head in heads[: query.limit])
    return Page(items, items[-1].id if len(heads) > query.limit else None)


async def owners_alive(store: SagaStore) -> frozenset[str]:
    """Return the coordinators that are alive; each is an owner, whatever it owns."""
    return frozenset(each.owner for each in await store.coordinators())


def is_orphaned(head: SagaHead, alive: Collection[str]) -> bool:
    """Whether there is something to do, and nobody alive owns it."""
    return head.state in ORPHANABLE and head.owner not in alive
