"""Lists of sagas, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import UUID

from sagacity.core.agenda import Direction
from sagacity.engine.summaries import listed
from sagacity.ports.store import MAX_PAGE, SagaQuery, SagaStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagacity.core.views import SagaSummary
    from sagacity.ports.store import SagaStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items; `next` is the `after` of the following page, None at the end."""

    items: tuple[T, ...]
    next: UUID | None


async def list_sagas(
    store: SagaStore,
    *,
    state: str | None,
    direction: str | None,
    name: str | None,
    labels: Mapping[str, str] | None,
    after: UUID | str | None,
    limit: int,
) -> Page[SagaSummary]:
    """Return one page of the sagas that match all that is given, ordered by id.

    Raises:
        ValueError: an unknown state or direction, or a limit out of bounds.
    """
    if not 1 <= limit < MAX_PAGE:
        raise ValueError(f"limit={limit}: a page has 1 to {MAX_PAGE - 1} sagas")
    query = SagaQuery(
        state=None if state is None else SagaStatus(state),
        direction=None if direction is None else Direction(direction),
        name=name,
        labels=dict(labels or {}),
        after=UUID(after) if isinstance(after, str) else after,
        limit=limit + 1,
    )
    heads = await store.list(query)
    items = tuple(listed(head) for head in heads[:limit])
    return Page(items, items[-1].id if len(heads) > limit else None)
