"""Lists of sagas that somebody should look at: hung, stuck, orphaned; a page at a time.

Stuck and orphaned show in the heads. Whether a saga is hung stands in its log, so for that
the logs of running sagas are read: at most `MAX_READ` for a page, which may then hold fewer
sagas than were asked for, and says where the next one begins.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from sagacity.engine.listing import ORPHANABLE, Page, is_orphaned, owners_alive
from sagacity.engine.summaries import listed
from sagacity.errors import NoSuchSaga
from sagacity.ports.store import MAX_PAGE, SagaStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from sagacity.core.views import SagaSummary
    from sagacity.ports.store import SagaHead, SagaQuery, SagaStore

MAX_READ: Final = 1_000
"""How many sagas are read for one page."""


class Wanted(NamedTuple):
    """Which sagas are listed: those of which at least one of these is true."""

    hung: bool
    stuck: bool
    orphaned: bool


async def list_troubled(
    store: SagaStore,
    query: SagaQuery,
    wanted: Wanted,
    is_hung: Callable[[UUID], Awaitable[bool]],
) -> Page[SagaSummary]:
    """Return one page of the sagas that match `query` and are in a trouble that is wanted."""
    alive = await owners_alive(store)
    heads, complete = await _candidates(store, query, wanted)
    found: list[SagaSummary] = []
    read, last = 0, query.after
    for head in heads:
        if len(found) == query.limit or read == MAX_READ:
            return Page(tuple(found), last)
        orphaned = is_orphaned(head, alive)
        hung: bool | None = None
        if wanted.hung and head.state is SagaStatus.RUNNING and not orphaned:
            read += 1
            with suppress(NoSuchSaga):  # removed meanwhile
                hung = await is_hung(head.id)
        stuck = wanted.stuck and head.state is SagaStatus.STUCK
        if hung or stuck or (wanted.orphaned and orphaned):
            found.append(listed(head, orphaned=orphaned, hung=hung))
        last = head.id
    return Page(tuple(found), None if complete else last)


async def _candidates(
    store: SagaStore, query: SagaQuery, wanted: Wanted
) -> tuple[list[SagaHead], bool]:
    """Return heads in a state that is worth a look, and whether these are all that follow."""
    states = set[SagaStatus]()
    if wanted.hung:
        states.add(SagaStatus.RUNNING)
    if wanted.stuck:
        states.add(SagaStatus.STUCK)
    if wanted.orphaned:
        states |= ORPHANABLE
    if query.state is not None:
        states &= {query.state}
    heads: list[SagaHead] = []
    known_to: UUID | None = None
    """Behind this id there may be more than was found, in a state that has many."""
    for state in sorted(states):
        page = await store.list(replace(query, state=state, limit=MAX_PAGE))
        heads += page
        if len(page) == MAX_PAGE:
            last = page[-1].id
            known_to = last if known_to is None else min(known_to, last)
    heads.sort(key=lambda head: head.id)
    if known_to is None:
        return heads, True
    return [head for head in heads if head.id <= known_to], False
