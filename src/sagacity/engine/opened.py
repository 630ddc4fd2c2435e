"""A coordinator from when it has acquired the store until it closes; and its next life.

A coordinator that loses its lease dies within its process: all of it is thrown away, nothing
is recorded. Then a new one is born, with a new identity, and recovers as any other.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sagacity.engine import system
from sagacity.engine.acquiring import acquire
from sagacity.engine.claiming import Claiming
from sagacity.engine.deciding import Deciding
from sagacity.engine.draining import Draining
from sagacity.engine.driving import Driving
from sagacity.engine.leasing import Leasing
from sagacity.engine.obeying import Obeying
from sagacity.engine.observing import Observing
from sagacity.engine.recovery import Recovery
from sagacity.engine.starting import Starting
from sagacity.engine.tasks import TaskSet
from sagacity.engine.transacting import check_transactions
from sagacity.errors import CoordinatorClosed, NotOwner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from uuid import UUID

    from sagacity.authoring import Saga
    from sagacity.core.actions import ActionRegistry
    from sagacity.engine.capacity import Capacity
    from sagacity.engine.clock import Clock
    from sagacity.engine.definitions import Definitions
    from sagacity.engine.draining import DrainReport, Tell
    from sagacity.engine.intake import ActionCheck
    from sagacity.ports.observer import Listener
    from sagacity.ports.store import InboxCommand, SagaStore


REBIRTH_SECONDS: Final = 1.0
"""Between two tries to become a coordinator again."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a coordinator is told once; it stays the same whatever it loses."""

    store: SagaStore
    registry: ActionRegistry
    sagas: Collection[Saga[Any, Any]]
    definitions: Definitions
    check_actions: ActionCheck
    deps: Any
    capacity: Capacity
    observers: Sequence[Listener]
    only: frozenset[UUID] | None
    clock: Clock


@dataclass(frozen=True, slots=True)
class Opened:
    """The parts of an open coordinator."""

    driving: Driving
    starting: Starting
    deciding: Deciding
    obeying: Obeying
    leasing: Leasing
    draining: Draining
    recovery_task: asyncio.Task[None]


async def become(
    setup: Setup, carry_out: Callable[[InboxCommand], Awaitable[None]], *, wait: bool
) -> Opened:
    """Become a coordinator of the open store, under a new identity, and begin to recover.

    What an earlier one of this process had in flight counts as interrupted.

    Raises:
        TransactionFailed: an action is a transaction, and the store has none to give.
        What `acquire` raises.
    """
    store = setup.store
    check_transactions(setup.registry, setup.sagas, store)
    observing = Observing(setup.observers, setup.clock)
    owner = system.new_owner()
    epoch = await acquire(store, owner, wait=wait)
    leasing = Leasing(store, partial(observing.report, None))
    await leasing.begin()
    driving = Driving(
        store,
        setup.registry,
        setup.definitions,
        owner=owner,
        epoch=epoch,
        deps=setup.deps,
        capacity=setup.capacity,
        observing=observing,
        clock=setup.clock,
        is_trusted=leasing.is_trusted if leasing.ends else None,
    )
    starting = Starting(store, driving, setup.registry, setup.check_actions)
    deciding = Deciding(store, driving, setup.registry, starting.busy)
    obeying = Obeying(store, setup.definitions, driving, deciding, setup.only)
    claiming = None
    if driving.shares and setup.only is None:
        claiming = Claiming(store, driving, setup.registry, setup.definitions)
    recovery = Recovery(store, driving, obeying, carry_out, setup.only, claiming=claiming)
    await obeying.learn()  # before the first saga begins
    recovery_task = driving.tasks.spawn(recovery.run(), name="sagacity recovery")
    return Opened(driving, starting, deciding, obeying, leasing, Draining(driving), recovery_task)


class Life:
    """One coordinator after the other, as one."""

    def __init__(self, setup: Setup, carry_out: Callable[[InboxCommand], Awaitable[None]]) -> None:
        """`carry_out` does a command of the inbox."""
        self._setup: Final = setup
        self._carry_out: Final = carry_out
        self._opened: Opened | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._is_reborn: asyncio.Event | None = None
        """Set while there is a lease, or no hope of one; None: it was never lost."""

    async def begin(self, *, wait: bool) -> None:
        """Become a coordinator, and stay one."""
        opened = self._opened = await become(self._setup, self._carry_out, wait=wait)
        if opened.leasing.ends:
            self._keeping = TaskSet().spawn(self._keep(opened), name="sagacity lease")

    async def drain(self, deadline_seconds: float, tell: Tell | None) -> DrainReport:
        """Take on nothing more, in this life or in another; as `Draining.drain`."""
        opened = self.opened()
        opened.recovery_task.cancel()
        if self._is_reborn is not None and not self._is_reborn.is_set():
            await self._stop_keeping()  # its lease is lost, and it is not to have another
        try:
            return await opened.draining.drain(deadline_seconds, tell)
        finally:
            if self._is_reborn is not None:
                self._is_reborn.set()  # there is nothing more to wait for

    async def end(self) -> None:
        """Stay a coordinator no more, after it was drained."""
        self._opened = None
        if self._is_reborn is not None:
            self._is_reborn.set()  # who waits for the next life hears that there is none
        await self._stop_keeping()

    async def _stop_keeping(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait((self._keeping,))
            self._keeping = None

    def opened(self) -> Opened:
        """Return what there is of it now.

        Raises:
            CoordinatorClosed: nothing is.
        """
        if self._opened is None:
            raise CoordinatorClosed('this coordinator is not open: use "async with Sec(...)"')
        return self._opened

    async def accepting(self) -> Opened:
        """Return what there is of it once it can take on something new.

        Raises:
            CoordinatorClosed: it cannot any more.
        """
        await self.until_reborn()
        opened = self.opened()
        if opened.driving.draining:
            raise CoordinatorClosed("this coordinator is draining and takes on no more sagas")
        return opened

    async def until_reborn(self) -> None:
        """Wait for the next life, if the last one has ended."""
        if self._is_reborn is not None:
            await self._is_reborn.wait()

    async def _keep(self, opened: Opened) -> None:
        while True:
            why = await opened.leasing.until_lost()
            driving, was_draining = opened.driving, opened.driving.draining
            reborn = asyncio.Event()
            if not was_draining:
                self._is_reborn = reborn
            driving.report(None, NotOwner(f"{driving.owner}: the lease is lost: {why}"))
            await opened.draining.lose(why)
            if was_draining:
                return
            opened = self._opened = await self._next(driving)
            reborn.set()

    async def _next(self, last: Driving) -> Opened:
        while True:
            try:
                return await become(self._setup, self._carry_out, wait=False)
            except Exception as error:  # noqa: BLE001 - a border: a worker outlives its store
                last.report(None, error)
                await asyncio.sleep(REBIRTH_SECONDS)
