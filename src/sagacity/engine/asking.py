"""Asks for a decision from a process that drives nothing.

With a coordinator that is to decide it goes through the inbox; for a saga that nobody owns
it is carried out here, and the saga goes on with the next coordinator.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from sagacity.core.events import Adopted, StartRequested
from sagacity.engine import system
from sagacity.engine.clock import SystemClock
from sagacity.engine.control import decision_command, decision_of, events_of
from sagacity.engine.inbox import START
from sagacity.engine.journal import Journal, Ledger
from sagacity.engine.listing import owners_alive
from sagacity.engine.refusals import why_refused
from sagacity.engine.summaries import state_of_stored
from sagacity.errors import NotOwner, SagaStateError, StoreBusy
from sagacity.ports.store import FINAL, MAX_PAGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from sagacity.engine.definitions import Definitions
    from sagacity.engine.requests import Request
    from sagacity.errors import StoreError
    from sagacity.ports.store import Append, InboxCommand, SagaStore

POLL_SECONDS: Final = 1.0


async def ask(
    store: SagaStore,
    definitions: Definitions,
    saga_id: UUID,
    request: Request,
    decide_here: Callable[[UUID, Request], Awaitable[bool]] | None = None,
) -> bool:
    """Have a decision carried out; False if it changes nothing. Returns when it is durable.

    `decide_here` does it if this process may, and raises `NotOwner` if a coordinator
    elsewhere has to; unless it is given the saga is owned for that moment.

    Raises as `decision_of` does, and:
        NoSuchSaga: it does not exist.
    """
    seen, sent, left_behind = 0, False, False
    decide = decide_here or partial(_decide_alone, store, definitions)
    while True:
        with suppress(NotOwner):
            return await decide(saga_id, request) or sent
        start = await _start_of(store, saga_id)  # before the read: it is marked as done later
        stored = await store.read(saga_id)
        state = state_of_stored(stored, definitions.dag_of(stored))
        if sent and str(request.request_id) in state.requests:
            return True
        is_to_start = start is not None and not state.started  # and then it will be decided
        if not is_to_start and decision_of(state, saga_id, request, {}) is None:
            return False
        if not sent:
            await store.send(decision_command(saga_id, request))
            sent = True
        elif left_behind:
            why = await why_refused(store, request.request_id)
            why = why or "its coordinator refuses; its log says why"
            raise SagaStateError(saga_id, stored.head.state, request.verb, why)
        elif await _was_left_behind(store, request):
            left_behind = True  # perhaps carried out since we read: looked at once more
            continue
        seen = await store.wait_for_change(seen, POLL_SECONDS)


async def _was_left_behind(store: SagaStore, request: Request) -> bool:
    """Whether the coordinator has done with the request."""
    waiting = await store.take()
    return len(waiting) < MAX_PAGE and all(
        command.request_id != request.request_id for command in waiting
    )


async def _start_of(store: SagaStore, saga_id: UUID) -> InboxCommand | None:
    """Return the start that somebody was promised and nobody has carried out, if there is one."""
    for command in await store.take():
        if command.saga_id == saga_id and command.verb == START:
            return command
    return None


async def _decide_alone(
    store: SagaStore, definitions: Definitions, saga_id: UUID, request: Request
) -> bool:
    """Carry out a decision as the owner of the saga for a moment.

    Raises:
        NotOwner: a coordinator has the saga, or has the whole store.
    """
    alive = await owners_alive(store)
    if alive and (await store.read(saga_id)).head.owner in alive:
        raise NotOwner(f"saga {saga_id} is driven by its coordinator")
    owner = system.new_owner()
    try:
        epoch = await store.acquire(owner, wait=False)
    except StoreBusy as error:
        raise NotOwner(str(error)) from error
    try:
        adopted = await store.adopt(owner, epoch, ids=[saga_id])
        stored = await store.read(saga_id)
        if not adopted and stored.head.state not in FINAL:
            raise NotOwner(f"saga {saga_id} was taken by a coordinator")
        state = state_of_stored(stored, definitions.dag_of(stored))
        ledger = Ledger(store, SystemClock(), _give_up, None)
        journal = Journal(ledger, saga_id, stored.head.name, stored.head.epoch, state)
        if state.finished is None:
            journal.record(Adopted(owner))  # what was in flight with the last one is not any more
        start = None if state.started else await _start_of(store, saga_id)
        if start is not None:
            journal.record(StartRequested())
        decided = decision_of(state, saga_id, request, {})
        if decided is None:
            return False
        for event in events_of(state, decided):
            journal.record(event)
        await journal.commit()
        if start is not None:
            await store.done([start.request_id])
        return True
    finally:
        await store.release()


async def _give_up(_append: Append, error: StoreError) -> None:
    """Tell the person at once, who can send the same request again; nobody else waits."""
    raise error
