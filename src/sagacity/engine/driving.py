"""The sagas that one coordinator drives now, those in line for a place, and who waits for them.

A saga is here from its start until it has ended or is stuck; then nothing of it
stays. Each is apart from every other: what goes wrong with one is reported and
ends with it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from sagacity.core.agenda import Direction
from sagacity.core.events import Adopted
from sagacity.engine.attempts import Attempts
from sagacity.engine.calling import callers_for
from sagacity.engine.creating import Creating
from sagacity.engine.executor import Execution
from sagacity.engine.expectations import Expectations
from sagacity.engine.handle import ending_of
from sagacity.engine.hanging import Hanging
from sagacity.engine.holds import Holds
from sagacity.engine.insistence import Insistence
from sagacity.engine.journal import Ledger
from sagacity.engine.parking import Parking
from sagacity.engine.places import Entrant, Places
from sagacity.engine.quarantine import Quarantine
from sagacity.engine.reachable import Environment
from sagacity.engine.slots import Slots
from sagacity.engine.summaries import state_of_stored
from sagacity.engine.tasks import TaskSet
from sagacity.engine.waiters import Waiters, closing, fail
from sagacity.errors import NotOwner
from sagacity.ports.store import FINAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from sagacity.core.actions import ActionRegistry
    from sagacity.core.events import Event
    from sagacity.core.state import SagaState
    from sagacity.engine.capacity import Capacity
    from sagacity.engine.clock import Clock
    from sagacity.engine.definitions import Definitions
    from sagacity.engine.injection import Faults
    from sagacity.engine.observing import Observing
    from sagacity.ports.store import NewSaga, SagaHead, SagaStore, StoredSaga

log: Final = logging.getLogger("sagacity")

MOMENT_SECONDS: Final = 0.005
"""How long to wait for what takes about one write."""


class Driving:
    """Executions, their places and their waiters."""

    def __init__(
        self,
        store: SagaStore,
        registry: ActionRegistry,
        definitions: Definitions,
        *,
        owner: str,
        epoch: int,
        deps: Any,
        capacity: Capacity,
        observing: Observing,
        clock: Clock,
        is_trusted: Callable[[], bool] | None,
    ) -> None:
        """Begin with nothing to drive, on the running loop.

        `is_trusted` says whether nobody else can own what is owned here; None: nobody can.
        """
        self.owner: Final = owner
        self.epoch: Final = epoch
        self.shares: Final = is_trusted is not None
        """Whether there may be other coordinators."""
        self.draining = False
        self.left: list[UUID] = []
        """Those that were let go of for the drain, and are not handed over yet."""
        self.why_cut: Callable[[], Exception] = closing
        """Makes what those are told whose request is cut short."""
        self.active: dict[UUID, Execution] = {}
        self.holds = Holds()
        """Those that are known; whoever lets a saga begin looks at them (`obey`)."""
        self.faults: dict[UUID, Faults] = {}
        """Injected before the saga runs."""
        self._store: Final = store
        self._registry: Final = registry
        self._definitions: Final = definitions
        self.observing: Final = observing
        self._loop: Final = asyncio.get_running_loop()
        self.places: Final = Places(
            max_sagas=capacity.max_sagas,
            max_queued=capacity.max_queued,
            limits=capacity.limits,
            clock=clock,
            run=self._run_queued,
        )
        self.parking: Final = Parking(store, owner if self.shares else None)
        self.reserved: set[UUID] = set()
        """At rest, and about to be changed: nobody else may load them meanwhile."""
        self.waiters: Final = Waiters()
        self.tasks: Final = TaskSet()
        self._insistence: Final = Insistence(store, self.report)
        self._creating: Final = Creating(store, self._insistence, self.waiters)
        self._env: Final = Environment(
            actions=registry.by_name,
            slots=Slots(capacity.max_actions, capacity.undo_slots),
            attempts=Attempts(
                deps, callers_for(capacity.max_actions, clock), clock, capacity.max_value_bytes
            ),
            clock=clock,
            is_trusted=is_trusted,
            tasks=self.tasks,
            quarantine=Quarantine(clock),
            begin=self._insistence.begin,
            may_sleep=self.places.may_sleep,
            ledger=Ledger(
                store=store,
                clock=clock,
                insist=self._insistence.append,
                recorded=self.observing.recorded,
            ),
            hanging=Hanging(
                registry.by_name, Expectations(store, definitions), self.observing, clock
            ),
        )

    # -- places ----------------------------------------------------------------

    def now_ms(self) -> int:
        """Return the time, in milliseconds since the Unix epoch, UTC."""
        return self._env.clock.now_ms()

    def knows(self, saga_id: UUID) -> bool:
        """Whether the saga runs here, waits for a place, sleeps, or is in somebody's hand."""
        return saga_id in self.active or saga_id in self.reserved or self.places.knows(saga_id)

    def enqueue(self, entrant: Entrant, *, promised: bool = False) -> None:
        """Run a stored, started saga as soon as there is a place."""
        if not self.knows(entrant.saga_id):
            self.places.enqueue(entrant, promised=promised)
        elif promised:
            self.places.forgo(entrant)

    async def until_free(self, saga_id: UUID) -> None:
        """Wait until nobody has the saga in hand."""
        while saga_id in self.reserved:  # noqa: ASYNC110 - for about as long as one write takes
            await asyncio.sleep(MOMENT_SECONDS)

    def _run_queued(self, saga_id: UUID) -> None:
        # The place is taken before the log is read.
        self.active[saga_id] = _LOADING
        _ = self.tasks.spawn(self._take_on(saga_id))

    def _leave(self, saga_id: UUID) -> None:
        """The saga does not run any more: its place is for the next one."""
        del self.active[saga_id]
        self.places.leave(saga_id)

    # -- driving ---------------------------------------------------------------

    def execution(
        self, saga_id: UUID, name: str, epoch: int, state: SagaState, labels: Mapping[str, str]
    ) -> Execution:
        """Return an execution of the saga, with the faults that were injected before."""
        execution = Execution(self._env, saga_id, name, epoch, state, labels)
        if self.faults:
            execution.faults = self.faults.get(saga_id)
        if self.draining:
            execution.drain()
        return execution

    def launch_new(
        self, execution: Execution, entrant: Entrant, saga: NewSaga, events: list[Event]
    ) -> None:
        """Create the saga in the store, and drive it; its waiters hear of both."""
        self.places.enter(entrant)
        self.active[saga.id] = execution
        _ = self.tasks.spawn(self._create_and_drive(execution, saga, events))

    def launch(self, execution: Execution, entrant: Entrant) -> asyncio.Future[None]:
        """Drive a saga that there is a place for.

        The future is done when what was decided so far is durable.
        """
        first_append: asyncio.Future[None] = self._loop.create_future()
        self.places.enter(entrant)
        self.active[execution.saga_id] = execution
        task = self.tasks.spawn(self._drive(execution, first_append))
        task.add_done_callback(lambda _: fail(first_append, self.why_cut()))  # if it never began
        return first_append

    def enqueue_new(self, saga: NewSaga, entrant: Entrant) -> None:
        """Create a started saga in the store, and run it when there is a place: as promised."""
        _ = self.tasks.spawn(self._create_and_enqueue(saga, entrant))

    async def _create_and_enqueue(self, saga: NewSaga, entrant: Entrant) -> None:
        if await self._creating.create(saga):
            self.enqueue(entrant, promised=True)
        else:
            self.places.forgo(entrant)

    def launch_queued(
        self, execution: Execution, *, promised: bool = False
    ) -> asyncio.Future[None]:
        """Make durable that the saga is started, and run it when there is a place.

        The future is done when it is durable. `promised`: there is room for it in the line.
        """
        durable: asyncio.Future[None] = self._loop.create_future()
        task = self.tasks.spawn(self._commit_and_enqueue(execution, durable, promised=promised))
        task.add_done_callback(lambda _: fail(durable, self.why_cut()))  # if it never began
        return durable

    async def _commit_and_enqueue(
        self, execution: Execution, durable: asyncio.Future[None], *, promised: bool
    ) -> None:
        entrant = entrant_of(execution)
        try:
            await execution.journal.commit()
        except asyncio.CancelledError:
            fail(durable, self.why_cut())
            raise
        except Exception as error:  # noqa: BLE001 - a border: the caller is told
            if promised:
                self.places.forgo(entrant)
            fail(durable, error)
        else:
            if not durable.done():
                durable.set_result(None)
            self.reserved.discard(execution.saga_id)
            self.enqueue(entrant, promised=promised)

    def running(self, saga_id: UUID) -> Execution | None:
        """Return the execution of a saga that runs here."""
        execution = self.active.get(saga_id)
        return None if execution is _LOADING else execution

    def obey(self, execution: Execution) -> bool:
        """Bring a saga that is about to run into line with the holds; False if it was."""
        if not self.holds and not execution.state.held_by:
            return False
        return self.holds.apply(execution, self._registry.by_name)

    def load(self, stored: StoredSaga) -> Execution:
        """Return an execution of a stored saga, adopted if it was another coordinator's.

        Raises:
            StoreCorrupt: its definition or log is damaged.
            NotOwner: another coordinator has it.
        """
        head = stored.head
        if head.owner != self.owner and head.state not in FINAL:
            raise NotOwner(f"saga {head.id} is another coordinator's: {head.owner}")
        state = state_of_stored(stored, self._definitions.dag_of(stored))
        execution = self.execution(head.id, head.name, head.epoch, state, head.labels)
        if (state.owner != self.owner or state.in_flight) and state.finished is None:
            execution.journal.record(Adopted(self.owner))
        else:
            state.plan_anew()
        return execution

    async def _create_and_drive(
        self, execution: Execution, saga: NewSaga, events: list[Event]
    ) -> None:
        created = False
        try:
            created = await self._creating.create(saga)
        finally:
            if not created:
                execution.give_up()
                self._leave(saga.id)
        if created:
            execution.journal.acknowledged(events)
            await self._drive(execution, None)

    async def _take_on(self, saga_id: UUID) -> None:
        """Read a saga that waited for a place, and drive it."""
        try:
            stored = await self._insistence.read(saga_id)
            execution = self.load(stored)
            missing = self._registry.missing_for(execution.state.dag)
            stuck = execution.state.stuck is not None
            if execution.state.finished is not None:  # by a person, while it was in the line
                self._leave(saga_id)
                self._deliver(execution)
                return
            obeyed = self.obey(execution)
            # What stands still needs no code to be told so.
            stands = stuck or (execution.state.paused and not execution.state.stepped)
            if missing and not stands:
                if obeyed:
                    await execution.journal.commit()
                await self.parking.park(execution, stored.head, missing, self.now_ms())
                self._leave(saga_id)
                return
            execution.decide()
            self.active[saga_id] = execution
        except asyncio.CancelledError:
            self._leave(saga_id)
            raise
        except Exception as error:  # noqa: BLE001 - a border: one saga never stops another
            self._leave(saga_id)
            if not isinstance(error, NotOwner):  # then it was taken while it was in the line
                self.report(saga_id, error)
            self.waiters.fail(saga_id, error)
            return
        await self._drive(execution, None)

    async def _drive(self, execution: Execution, first_append: asyncio.Future[None] | None) -> None:
        saga_id = execution.saga_id
        try:
            if await execution.run(first_append):
                self._deliver(execution)
            elif not execution.sleeps_until_ms:
                if not execution.is_left_running:  # else whoever takes it would run beside that
                    self.left.append(saga_id)
                self.observing.released(execution, "drained")
        except NotOwner as error:
            self.observing.released(execution, "lost")
            # Somebody else drives it now: nothing more is recorded here, nothing unwound.
            log.warning("saga %s: lost to another coordinator: %s", saga_id, error)
            self.waiters.fail(saga_id, error)
            fail(first_append, error)
        except asyncio.CancelledError:
            self.observing.released(execution, "drained" if self.why_cut is closing else "lost")
            fail(first_append, self.why_cut())
            raise
        except Exception as error:  # noqa: BLE001 - a border: one saga never stops another
            self.report(saga_id, error)
            self.waiters.fail(saga_id, error)
            fail(first_append, error)
        finally:
            if self.faults:
                self.faults.pop(saga_id, None)
            if execution.sleeps_until_ms:
                self._sleep(execution)
            else:
                self._leave(saga_id)

    def _sleep(self, execution: Execution) -> None:
        """Keep nothing of a saga until its next retry is due but the time, and faults."""
        if execution.faults:
            self.faults[execution.saga_id] = execution.faults
        del self.active[execution.saga_id]
        self.places.sleep(entrant_of(execution), execution.sleeps_until_ms)

    # -- who is told -------------------------------------------------------------

    def _deliver(self, execution: Execution) -> None:
        if execution.state.finished is None and execution.state.stuck is None:
            return  # paused: who waits goes on waiting
        if execution.state.finished is None:
            self.observing.stuck(execution)
        if not self.waiters.has(execution.saga_id):
            return
        ending = ending_of(execution.name, execution.state)
        assert ending is not None
        self.waiters.tell(execution.saga_id, ending)

    def report(self, saga_id: UUID | None, error: Exception) -> None:
        """Tell logs and observers of an error that harms at most this saga."""
        self.observing.report(saga_id, error)

    def driven(self) -> list[Execution]:
        """Return the sagas that run."""
        return [each for each in self.active.values() if each is not _LOADING]

    async def look_for_hung(self) -> None:
        """Tell of attempts that take longer than is expected of them."""
        await self._env.hanging.look(self.driven())

    # -- the end -------------------------------------------------------------------

    def stop_taking(self) -> list[UUID]:
        """Let no saga begin any more, here; return those that wait for a place, or sleep."""
        self.draining = True
        return self.places.close()

    async def dismiss(self, why: Exception) -> None:
        """Let go of who waits, of the threads and of the processes."""
        self.waiters.fail_all(why)
        await self._env.attempts.close()

    # -- owning ----------------------------------------------------------------------

    async def own(self, head: SagaHead) -> None:
        """Own a saga that is not final, if nobody alive does.

        Raises:
            NotOwner: another coordinator has it.
        """
        if head.owner == self.owner:
            return
        if not await self._store.adopt(self.owner, self.epoch, ids=[head.id]):
            raise NotOwner(f"saga {head.id} is another coordinator's: {head.owner}")

    async def disown(self, ids: Sequence[UUID]) -> None:
        """Let others have these sagas, of which nothing is in memory any more."""
        await self._store.disown(self.owner, ids)


_LOADING: Final[Any] = object()
"""Holds a saga's place in `Driving.active` while its log is read."""


def entrant_of(execution: Execution) -> Entrant:
    """Return what the saga wants a place with, as it is now."""
    state = execution.state
    undoes = state.direction is Direction.UNWINDING
    return Entrant(execution.saga_id, execution.name, state.params, undoes)
