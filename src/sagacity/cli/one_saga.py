"""One saga, run by this process or by the coordinator that is there already.

Alone, this process is the coordinator of the store, for this one saga and no other
(`Sec(only=...)`). With a live coordinator elsewhere the saga is handed to it and
watched; if it then does not move, this process tries now and then to become the
coordinator itself, since the other one may be gone, or be there for its own saga.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from sagacity.authoring import Saga
from sagacity.cli import event_loop
from sagacity.cli.ending import Followed
from sagacity.cli.following import FromOutside, display_for, follow
from sagacity.cli.interruption import interruptible, unless, unless_interrupted
from sagacity.cli.loading import made_deps
from sagacity.cli.output import note
from sagacity.cli.params import read_params
from sagacity.cli.stores import new_store
from sagacity.errors import NoSuchSaga, SagaStateError, StoreBusy
from sagacity.ports.store import SagaStatus
from sagacity.runtime import Client, Sec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sagacity.cli.following import Display
    from sagacity.cli.interruption import Interruption
    from sagacity.cli.loading import Code, Target
    from sagacity.core.views import SagaView
    from sagacity.ports.observer import Recorded
    from sagacity.runtime import Handle

DRAIN_SECONDS: Final = 5.0
"""How long Ctrl-C lets attempts in flight go on."""
STAND_BY_SECONDS: Final = 2.0
"""How long a saga that was handed over may stand still before we look after it."""
LOOKS_OF_OTHERS: Final = 4
"""How often so long, while there are coordinators that may take it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to run, and where. `attach`: its id was given, so it may exist."""

    saga: Target
    code: Code
    store: str
    id: UUID
    attach: bool = False
    params: Any = None
    params_given: bool = True
    labels: Mapping[str, str] | None = None
    priority: int = 0
    deps: str | None = None
    errors: tuple[str, ...] = ()
    undo_errors: tuple[str, ...] = ()
    resume_command: str | None = None
    watch_command: str | None = None


def run_saga(request: Request, *, quiet: bool) -> Followed:
    """Run a saga to its end, or until somebody stops us."""
    go_on = f" Go on with:\n  {request.resume_command}" if request.resume_command else ""
    with (
        interruptible(f"Stopped at once, as a crash would.{go_on}") as interruption,
        display_for(quiet=quiet) as display,
    ):
        return event_loop.run(_run(request, display, interruption))


async def _run(request: Request, display: Display, interruption: Interruption) -> Followed:
    handed_over = False
    async with made_deps(request.deps) as deps:
        while True:
            followed = None
            if handed_over or not await _has_others(request):
                followed = await _run_here(
                    request, deps, display, interruption, handed_over=handed_over
                )
            if followed is None:
                followed = await _hand_over(request, display, interruption, again=handed_over)
                handed_over = True
            if followed is not None:
                return followed


async def _has_others(request: Request) -> bool:
    """Whether there are coordinators, where another one of them would be in nobody's way."""
    if not request.store.startswith(("postgresql:", "postgres:")):
        return False  # to be found out by becoming the only one
    async with Client(new_store(request.store)) as client:
        return await client.has_coordinator()


# -- by this process -----------------------------------------------------------------


class _News:
    """Hears of what has become durable, and of the engine's troubles."""

    def __init__(self) -> None:
        self._event: Final = asyncio.Event()

    def recorded(self, what: Recorded) -> None:
        del what
        self._event.set()

    def trouble(self, saga_id: UUID | None, error: Exception) -> None:
        del saga_id, error  # logged by the engine

    async def wait(self) -> None:
        await self._event.wait()
        self._event.clear()


class _FromInside:
    """A saga that this process drives."""

    def __init__(self, sec: Sec, saga_id: UUID, news: _News) -> None:
        self._sec: Final = sec
        self._saga_id: Final = saga_id
        self._news: Final = news

    async def view(self) -> SagaView:
        return await self._sec.get(self._saga_id)

    async def changed(self) -> None:
        await self._news.wait()


async def _run_here(
    request: Request,
    deps: Any,
    display: Display,
    interruption: Interruption,
    *,
    handed_over: bool,
) -> Followed | None:
    """Drive the saga; None if another coordinator drives the store."""
    news = _News()
    sec = Sec(
        new_store(request.store),
        request.code.runnables,
        deps=deps,
        observers=[news],
        only=[request.id],
    )
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(sec)
        except StoreBusy:
            return None
        view = await unless_interrupted(
            interruption, _drive(sec, request, news, display, handed_over=handed_over)
        )
        if view is not None:
            return Followed(view)
        return await _stop(sec, request, display)


async def _stop(sec: Sec, request: Request, display: Display) -> Followed:
    """Let attempts in flight come to an end, for a while."""
    note(f"Stopping: what runs has {DRAIN_SECONDS:.0f} s to end; Ctrl-C again stops at once.")
    drained = await sec.drain(DRAIN_SECONDS)
    view = await _view_if_any(sec, request.id)
    if view is not None:
        display.show(view)
        if view.outcome is not None:
            return Followed(view)
    return Followed(
        view,
        interrupted=True,
        told="The saga stands still; go on with:"
        if request.resume_command
        else "The saga was in the memory of this process, and is gone.",
        command=request.resume_command,
        cut_short=bool(drained.cut_short),
    )


async def _drive(
    sec: Sec, request: Request, news: _News, display: Display, *, handed_over: bool
) -> SagaView:
    watched = _FromInside(sec, request.id, news)
    if not handed_over:  # else what was asked for is in the inbox
        await _begin(sec, request)
    _check_code(await watched.view(), request)
    # `wait` raises what ends the driving; `follow` would wait for a change that never comes.
    view = await unless(sec.wait(request.id), follow(watched, display))
    return view or await follow(watched, display)


def _check_code(view: SagaView, request: Request) -> None:
    missing = request.code.registry.missing_for(view.dag)
    if missing and view.outcome is None:
        raise click.ClickException(
            f"saga {view.id} was begun by other code, and this module cannot go on with it: "
            + "; ".join(missing)
        )


async def _view_if_any(backend: Sec | Client, saga_id: UUID) -> SagaView | None:
    try:
        return await backend.get(saga_id)
    except NoSuchSaga:
        return None


# -- by the coordinator that is there ------------------------------------------------


async def _hand_over(
    request: Request, display: Display, interruption: Interruption, *, again: bool
) -> Followed | None:
    """Ask the coordinator to run the saga, and watch; None when it is time to look after it."""
    async with Client(new_store(request.store)) as client:
        if not again:
            note("another coordinator drives this store: the saga is handed to it")
            await _begin(client, request)
        watched = FromOutside(client, request.id)
        view = await unless_interrupted(
            interruption, _follow_while_driven(client, watched, request, display)
        )
        if view is None:
            return await _leave(client, request)
        return Followed(view) if view.outcome is not None else None


async def _leave(client: Client, request: Request) -> Followed:
    """Say what becomes of a saga that was handed over, now that nobody watches it."""
    view = await _view_if_any(client, request.id)
    if view is None:
        return Followed(None, interrupted=True, told="The saga was not created.")
    if view.outcome is not None:
        return Followed(view)
    if view.state == SagaStatus.WAITING_FOR_CODE:
        told = "The saga waits for a coordinator that has its code; with no worker there, use:"
    elif await client.is_driven(request.id):
        told = "The saga goes on in the coordinator that has it; see it with:"
        return Followed(view, interrupted=True, told=told, command=request.watch_command)
    else:
        told = "The saga stands still: no coordinator has taken it; go on with:"
    return Followed(view, interrupted=True, told=told, command=request.resume_command)


async def _follow_while_driven(
    client: Client, watched: FromOutside, request: Request, display: Display
) -> SagaView:
    looks = LOOKS_OF_OTHERS
    while True:
        view = await follow(watched, display, patience_seconds=STAND_BY_SECONDS)
        if view.outcome is not None or not await client.has_coordinator():
            return view
        looks = LOOKS_OF_OTHERS if await client.is_driven(request.id) else looks - 1
        if not looks:
            return view


async def _begin(backend: Sec | Client, request: Request) -> None:
    """Create the saga unless it exists, ask for the faults, and start it unless it was."""
    view = await _view_if_any(backend, request.id) if request.attach else None
    if view is not None and view.name != request.saga.name:
        raise click.ClickException(
            f'saga {view.id} is a "{view.name}", not a "{request.saga.name}"'
        )
    handle: Handle[Any]
    if view is None or request.params_given:
        params = request.params if request.params_given else read_params(None, request.saga)
        if view is None:
            _check_nodes(request, params)
        handle = await backend.create(
            request.saga, params, id=request.id, labels=request.labels, priority=request.priority
        )
        view = await handle.view()
    else:
        handle = backend.handle(request.id)
    for node in request.errors:
        await handle.inject_error(node)
    for node in request.undo_errors:
        await handle.inject_undo_error(node)
    if view.state == SagaStatus.READY:
        with suppress(SagaStateError):  # somebody else was faster, which is as good
            await handle.start()


def _check_nodes(request: Request, params: Any) -> None:
    """Refuse faults at nodes that the saga will not have, before there is a saga.

    Raises:
        NoSuchNode: as asking for such a fault would, but by then the saga is left behind.
    """
    nodes = (*request.errors, *request.undo_errors)
    if not nodes:
        return
    dag = request.saga.dag_for(params) if isinstance(request.saga, Saga) else request.saga
    for node in nodes:
        dag.find(node)
