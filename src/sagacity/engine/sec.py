"""The saga execution coordinator: creates sagas, drives them, recovers them, and stops.

`Sec` is the public face. `driving` keeps what runs, `recovery` finds what should
run, `executor` drives one saga.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, overload

from sagacity.authoring import Saga
from sagacity.core.events import Adopted, Created, StartRequested
from sagacity.core.masking import revived
from sagacity.core.state import SagaState
from sagacity.engine import capacity, inbox, system
from sagacity.engine.asking import ask
from sagacity.engine.awaiting import until_ended
from sagacity.engine.clock import SystemClock
from sagacity.engine.control import is_decision, read_request
from sagacity.engine.creating import AlreadyThereError
from sagacity.engine.definitions import Definitions
from sagacity.engine.draining import DrainReport
from sagacity.engine.forecasting import plan_of
from sagacity.engine.handle import Ending, Handle, result_of
from sagacity.engine.injecting import inject
from sagacity.engine.intake import ActionCheck, Intake, check_same, new_saga, take_in
from sagacity.engine.many import ForMany
from sagacity.engine.opened import Life, Opened, Setup
from sagacity.engine.places import Entrant
from sagacity.engine.registering import registered
from sagacity.engine.slips import check_id
from sagacity.engine.waits import with_waits
from sagacity.errors import NotOwner, SagaExists, SagaStateError
from sagacity.ports.store import SagaStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from uuid import UUID

    from sagacity.core.actions import ActionRegistry
    from sagacity.core.dag import Dag
    from sagacity.core.limits import Limit
    from sagacity.core.values import Json
    from sagacity.core.views import SagaView
    from sagacity.engine.clock import Clock
    from sagacity.engine.draining import Tell
    from sagacity.engine.driving import Driving
    from sagacity.engine.forecasting import Plan
    from sagacity.engine.registering import Runnable
    from sagacity.engine.requests import Request
    from sagacity.ports.observer import Listener
    from sagacity.ports.store import InboxCommand, SagaStore
    from sagacity.steno import StenoSaga

P = TypeVar("P")
R = TypeVar("R")

DRAIN_SECONDS: Final = 30.0


class Sec(ForMany):
    """A saga execution coordinator, open between `async with` and its end.

    Opens and closes `store`. On entering it takes over all unfinished sagas of the
    store, and goes on doing so; on leaving it drains. `deps` is handed to every
    action as `ctx.deps`. At most `max_sagas` sagas are in memory (and an eighth as many
    that unwind) and at most `max_actions` attempts run at once, `undo_slots` of them kept
    for undos (an eighth unless it is said); the rest waits its turn. With `max_queued`
    sagas in line for a place, starting one more waits. `limits` are numbers of sagas of a
    name that run at once, before what `@saga(limit=)` says. Params and outputs may have
    `max_value_bytes` each, as JSON (at most 16 MiB).

    `only` is for a process that is there for sagas of its own, as `sagacity run` is: of
    all that others left or asked for in the store, it looks after the sagas with these
    ids alone (which need not exist yet). The rest waits for a later coordinator.
    `clock` is for tests (`sagacity.testing.ManualClock`).

    Raises on entering:
        StoreBusy: another coordinator drives the store (with `wait`, it is waited for).
        PayloadUnreadable: its sagas were written with a codec that `store` has not.
    """

    def __init__(
        self,
        store: SagaStore,
        sagas: Iterable[Runnable] | ActionRegistry = (),
        *,
        deps: Any = None,
        max_sagas: int = capacity.DEFAULT_MAX_SAGAS,
        max_actions: int = capacity.DEFAULT_MAX_ACTIONS,
        undo_slots: int | None = None,
        max_queued: int = capacity.DEFAULT_MAX_QUEUED,
        limits: Mapping[str, int | Limit] | None = None,
        max_value_bytes: int = capacity.DEFAULT_MAX_VALUE_BYTES,
        wait: bool = False,
        observers: Iterable[Listener] = (),
        only: Iterable[UUID] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Say what to drive; nothing happens before `async with`.

        Raises:
            DagError: two actions have one name.
            ValueError: a limit is below 1, or all slots are kept for undoing.
        """
        super().__init__(store, Definitions())
        self._registry, self._sagas = registered(sagas)
        self._check_actions: Final = ActionCheck(self._registry)
        self._capacity: Final = capacity.capacity_of(
            max_sagas=max_sagas,
            max_actions=max_actions,
            undo_slots=undo_slots,
            max_queued=max_queued,
            sagas=self._sagas.values(),
            limits=limits,
            max_value_bytes=max_value_bytes,
        )
        self._clock: Final = clock or SystemClock()
        setup = Setup(
            store,
            self._registry,
            self._sagas.values(),
            self._definitions,
            self._check_actions,
            deps,
            self._capacity,
            tuple(observers),
            None if only is None else frozenset(only),
            self._clock,
        )
        self._wait: Final = wait
        self._life: Final = Life(setup, self._carry_out)

    # -- opening and closing ------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Open the store, become its coordinator and begin to recover its sagas."""
        await self._store.open()
        try:
            await self._life.begin(wait=self._wait)
        except BaseException:
            await self._store.close()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Drain and close the store."""
        try:
            await self.drain(DRAIN_SECONDS)
        finally:
            try:
                await self._life.end()
                await self._store.release()
            finally:
                await self._store.close()

    async def drain(
        self, deadline: float = DRAIN_SECONDS, *, tell: Tell | None = None
    ) -> DrainReport:
        """Take on nothing more and let attempts in flight finish for `deadline` seconds.

        Sagas are left where they are; other coordinators go on with them, each as soon as
        its attempts have ended. Every few seconds `tell` is called with what is waited for:
        `(saga, path of a node)`. The report names the attempts that had to be cut short.
        """
        return await self._life.drain(deadline, tell)

    def _seen(self, view: SagaView) -> SagaView:
        return with_waits(view, self._driving())

    def _now_ms(self) -> int:
        return self._clock.now_ms()

    def _driving(self) -> Driving:
        return self._opened().driving

    def _opened(self) -> Opened:
        return self._life.opened()

    async def _accepting(self) -> Opened:
        return await self._life.accepting()

    # -- sagas ----------------------------------------------------------------------

    @overload
    async def create(
        self, saga_or_dag: Saga[P, R], params: P = ..., *, id: UUID | None = None,
        labels: Mapping[str, str] | None = None, priority: int = 0,
    ) -> Handle[R]: ...  # fmt: skip

    @overload
    async def create(
        self, saga_or_dag: Dag, params: Any = None, *, id: UUID | None = None,
        labels: Mapping[str, str] | None = None, priority: int = 0,
    ) -> Handle[Any]: ...  # fmt: skip

    async def create(
        self,
        saga_or_dag: Saga[Any, Any] | Dag,
        params: Any = None,
        *,
        id: UUID | None = None,
        labels: Mapping[str, str] | None = None,
        priority: int = 0,
    ) -> Handle[Any]:
        """Store a new saga, ready to be started. Returns when this is durable.

        Creating again under an `id` with the same saga name and params gives the
        saga that exists, in whatever state it is. For `priority` see `Client.create`: here
        it counts when another coordinator has to take the saga over.

        Raises:
            DagError: the DAG has mistakes, or an action is not registered here.
            ValueNotStorable: the params do not fit.
            SagaExists: the id stands for another saga.
        """
        driving = (await self._accepting()).driving
        intake = take_in(saga_or_dag, params, labels, self._capacity.max_value_bytes)
        self._check_actions(intake.dag)
        saga_id = system.new_saga_id() if id is None else check_id(id)
        state = SagaState(intake.dag, intake.params)
        created = Created(driving.owner)
        state.apply(created)
        saga = new_saga(
            intake, saga_id, state, [created],
            now_ms=self._clock.now_ms(), owner=driving.owner, epoch=driving.epoch,
            priority=priority,
        )  # fmt: skip
        if await self._store.create(saga) is not None:
            stored = await self._store.read(saga_id)
            check_same(saga_id, stored.head.name, stored.params, intake)
        return Handle(self, saga_id, intake.decode_output)

    @overload
    async def run(
        self, saga_or_dag: Saga[P, R], params: P = ..., *, id: UUID | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> R: ...  # fmt: skip

    @overload
    async def run(
        self, saga_or_dag: Dag, params: Any = None, *, id: UUID | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Any: ...  # fmt: skip

    async def run(
        self,
        saga_or_dag: Saga[Any, Any] | Dag,
        params: Any = None,
        *,
        id: UUID | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Any:
        """Create, start, and return the result; all of that as one durable step first.

        Cancelling this call does not stop the saga. With an `id` that exists (and the
        same saga name and params) the saga that is there is started if it was not, and
        waited for. With `max_queued` sagas in line for a place this waits before it stores
        anything, and may be cancelled without a trace.

        Raises:
            SagaUnwound, SagaStuck, SagaAbandoned: it ended otherwise.
            What `create` raises.
        """
        opened = await self._accepting()
        driving = opened.driving
        intake = take_in(saga_or_dag, params, labels, self._capacity.max_value_bytes)
        self._check_actions(intake.dag)
        saga_id = system.new_saga_id() if id is None else check_id(id)
        if id and (driving.knows(id) or id in opened.starting.busy):
            return await self._attach(id, intake)
        entrant, places = Entrant(saga_id, intake.dag.name, intake.params), driving.places
        has_room = places.has_room(entrant)
        if not has_room:
            has_room = not await places.promise(entrant)
            if id and (driving.knows(id) or id in opened.starting.busy):  # by now
                if not has_room:
                    places.forgo(entrant)
                return await self._attach(id, intake)
        state = SagaState(intake.dag, intake.params)
        execution = driving.execution(saga_id, intake.dag.name, driving.epoch, state, intake.labels)
        execution.journal.record(Created(driving.owner))
        execution.journal.at_ms = now_ms = self._clock.now_ms()
        execution.journal.record(StartRequested(intake.dag.expires_ms(now_ms)))
        driving.obey(execution)
        if has_room:
            execution.decide()
        events = execution.journal.take()
        saga = new_saga(
            intake, saga_id, state, events,
            now_ms=now_ms, owner=driving.owner, epoch=driving.epoch,
        )  # fmt: skip
        waiter = driving.waiters.add(saga_id)
        if has_room:
            driving.launch_new(execution, entrant, saga, events)
        else:
            driving.enqueue_new(saga, entrant)
        try:
            ending = await waiter
        except AlreadyThereError:
            return await self._attach(saga_id, intake)
        except NotOwner:
            if not driving.shares:
                raise
            # Whether it is stored or not: the next life knows.
            return await self.run(saga_or_dag, params, id=saga_id, labels=labels)
        except asyncio.CancelledError:
            driving.waiters.forget(saga_id, waiter)
            raise
        return result_of(saga_id, ending, intake.decode_output)

    async def _attach(self, saga_id: UUID, intake: Intake) -> Any:
        """Wait for a saga that exists, starting it if nobody has."""
        running = self._driving().running(saga_id)
        if running is not None:  # perhaps being created at this moment, and not stored yet
            check_same(saga_id, running.name, running.state.params, intake)
            return result_of(saga_id, await self.wait(saga_id), intake.decode_output)
        stored = await self._store.read(saga_id)
        check_same(saga_id, stored.head.name, stored.params, intake)
        if stored.head.state is SagaStatus.READY:
            with suppress(SagaStateError):  # somebody else was faster, which is as good
                await self.start(saga_id)
        self._opened().starting.see_to(stored)
        return result_of(saga_id, await self.wait(saga_id), intake.decode_output)

    async def resume(self, steno_saga: StenoSaga) -> Handle[Any]:
        """Take over a saga in Steno's format: stored with its events, ready to be started.

        Raises:
            SagaExists: its id is in use.
            DagError: an action is not registered here.
        """
        driving = (await self._accepting()).driving
        intake = Intake(steno_saga.dag, steno_saga.params, {}, revived)
        self._check_actions(intake.dag)
        events = [Created(driving.owner), *steno_saga.events, Adopted(driving.owner)]
        state = SagaState(intake.dag, intake.params)
        for event in events:
            state.apply(event)
        saga = new_saga(
            intake, steno_saga.saga_id, state, events,
            now_ms=self._clock.now_ms(), owner=driving.owner, epoch=driving.epoch,
        )  # fmt: skip
        if await self._store.create(saga) is not None:
            raise SagaExists(steno_saga.saga_id, "a saga cannot be resumed under an id in use")
        return Handle(self, steno_saga.saga_id, revived)

    def handle(self, saga_id: UUID) -> Handle[Any]:
        """Return a handle of a saga of the store; whether it exists shows when it is used.

        Its result is typed if the saga is registered here under its name.
        """
        return Handle(self, check_id(saga_id))

    def decoder_of(self, saga_name: str) -> Callable[[Json], Any]:
        """Return what reads the output of sagas of this name: typed if it is registered here."""
        saga = self._sagas.get(saga_name)
        return revived if saga is None else saga.decode_output

    # -- what handles ask ----------------------------------------------------------

    async def start(self, saga_id: UUID) -> None:
        """Start a created saga; as `Handle.start`."""
        opened = await self._accepting()
        try:
            await opened.starting.start(saga_id, here=True)
        except NotOwner:
            await self._store.send(inbox.start_command(saga_id))

    async def wait(self, saga_id: UUID) -> Ending:
        """Wait until the saga has ended or is stuck; as `Handle.wait`."""
        return await until_ended(self._store, self._definitions, self._life, saga_id)

    async def inject(self, saga_id: UUID, verb: str, node: str, counts: tuple[int, int]) -> None:
        """Inject a fault; as the `inject_` methods of `Handle`."""
        try:
            await self._inject(saga_id, verb, node, counts)
        except NotOwner:
            await self._store.send(inbox.inject_command(saga_id, verb, node, counts))

    async def _inject(self, saga_id: UUID, verb: str, node: str, counts: tuple[int, int]) -> None:
        await inject(
            self._store,
            self._driving(),
            self._definitions,
            saga_id,
            verb=verb,
            node=node,
            counts=counts,
        )

    async def decide(self, saga_id: UUID, request: Request) -> bool:
        """Carry out what a person asks; as the control and repair methods of `Handle`."""
        opened = await self._accepting()
        decide_here = opened.deciding.decide
        if not opened.driving.shares:
            return await decide_here(saga_id, request)
        return await ask(self._store, self._definitions, saga_id, request, decide_here)

    async def plan(self, saga_id: UUID, request: Request) -> Plan:
        """Return what a decision would do; as `Handle.plan`."""
        self._opened()
        actions = self._registry.by_name
        return await plan_of(self._store, self._definitions, actions, saga_id, request)

    def _check_open(self) -> None:
        self._opened()

    async def _orders_changed(self) -> None:
        await (await self._accepting()).obeying.sweep()

    async def _carry_out(self, command: InboxCommand) -> None:
        """Do one command of another process."""
        if command.verb == inbox.START:
            # Acknowledged when it was sent: without the code it is started all the same, and waits.
            # And that it was started is all that was asked, if by one that died before it said so.
            with suppress(SagaStateError):
                await self._opened().starting.start(command.saga_id, here=False)
        elif is_decision(command.verb):
            await self._opened().deciding.decide(command.saga_id, read_request(command))
        else:
            node, counts = inbox.read_injection(command)
            await self._inject(command.saga_id, command.verb, node, counts)
