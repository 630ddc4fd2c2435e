"""A saga that runs, as others reach it: who asks, what its attempts tell, who cuts them.

What comes is kept, or recorded, and wakes the loop up; the loop itself (`executor`)
is none of its business.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sagacity.core.dag import Siblings
from sagacity.core.events import Released
from sagacity.engine.control import decision_of, events_of
from sagacity.engine.flights import Flights
from sagacity.engine.hearing import Hearing
from sagacity.engine.heartbeats import Heartbeats, Pulse
from sagacity.engine.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from uuid import UUID

    from sagacity.core.actions import Action
    from sagacity.core.events import Decided
    from sagacity.core.state import SagaState
    from sagacity.engine.attempts import Attempts
    from sagacity.engine.clock import Clock
    from sagacity.engine.hanging import Hanging
    from sagacity.engine.journal import Ledger
    from sagacity.engine.quarantine import Quarantine
    from sagacity.engine.requests import Request
    from sagacity.engine.slots import Slots
    from sagacity.engine.tasks import TaskSet
    from sagacity.engine.transacting import Transactions
    from sagacity.ports.transactions import Transaction


@dataclass(frozen=True, slots=True)
class Environment:
    """What the executions of one coordinator share."""

    actions: Mapping[str, Action]
    slots: Slots
    attempts: Attempts
    tasks: TaskSet
    clock: Clock
    ledger: Ledger
    hanging: Hanging
    quarantine: Quarantine
    is_trusted: Callable[[], bool] | None
    """Whether nobody else can own what this coordinator owns; None: never."""
    begin: Callable[[UUID], Awaitable[Transaction]]
    """Begins a transaction for an attempt of a saga."""
    may_sleep: Callable[[int], bool]
    """Whether a saga with nothing to do before then (in ms) is let go until then."""


class Reachable:
    """One saga that this coordinator drives, without what drives it."""

    __slots__ = (
        "_env",
        "_flights",
        "_has_news",
        "_hearing",
        "_is_alone",
        "_is_cut",
        "_task",
        "_transactions",
        "_wake",
        "epoch",
        "journal",
        "labels",
        "name",
        "saga_id",
        "state",
    )

    def __init__(  # noqa: PLR0917
        self,
        env: Environment,
        saga_id: UUID,
        name: str,
        epoch: int,
        state: SagaState,
        labels: Mapping[str, str],
    ) -> None:
        """Take over the saga whose log adds up to `state`."""
        self._env = env
        self.saga_id: Final = saga_id
        self.name: Final = name
        self.labels: Final = labels
        self.epoch: Final = epoch
        self.state: Final = state
        self.journal: Final = Journal(env.ledger, saga_id, name, epoch, state)
        self._flights: Final = Flights(env.slots, saga_id, state, self._wake_up)
        self._hearing: Hearing | None = None
        """What people ask, from when the first one does."""
        self._is_alone = False
        """Whether an attempt runs in this saga's own task."""
        self._task: asyncio.Task[Any] | None = None
        self._wake: asyncio.Future[None] | None = None
        self._has_news = False
        """Whether something has come that `_take_in` has not looked at."""
        self._is_cut = False
        self._transactions: Transactions | None = None
        """Those of its attempts that are open, from when there is the first one."""

    def ask(self, request: Request) -> asyncio.Future[bool]:
        """Ask for a decision; the future is done when it is durable (False: it changes nothing).

        It fails as `decision_of` does, and with `AtRestError` if the saga does not run any more.
        """
        answer = self._listen().ask(request)
        self._have_news()
        return answer

    def _listen(self) -> Hearing:
        if self._hearing is None:
            heartbeats = Heartbeats(self.journal, self._env.clock, self._have_news)
            self._hearing = Hearing(self.journal, self._take_request, heartbeats)
        return self._hearing

    def _have_news(self) -> None:
        if self._is_alone:
            self._listen().answer_aside(self._env.tasks)
        self._wake_up()

    def cut(self) -> None:
        """Know that what cancels the tasks of this saga from now on is the coordinator."""
        self._is_cut = True

    def in_flight(self) -> list[str]:
        """Return the paths of the nodes whose attempts are running."""
        return [self.state.dag.paths[node] for node in sorted(self.state.in_flight)]

    def waits_for(self) -> dict[str, str]:
        """Return what nodes wait for in this process before they can begin, by their paths."""
        state = self.state
        waits = self._flights.waits_for()
        return {state.dag.paths[node]: waits[node] for node in sorted(waits.keys() & state.waiting)}

    async def release(self) -> None:
        """Tell the next coordinator that what was cut short has killed nobody."""
        if self.state.in_flight and self.state.finished is None:
            self.journal.record(Released())
            await self.journal.commit()

    def give_up(self) -> None:
        """Let go of all slots; what still runs was cancelled, or belongs to a lost saga."""
        self._flights.give_up()
        if self._env.quarantine.inside is not None:
            self._env.quarantine.leave_all_of(self.saga_id)
        if self._hearing is not None:
            self._hearing.refuse()
            self._hearing = None  # it holds us: only the cyclic collector would free either

    # -- what people ask --------------------------------------------------------

    def _take_request(self, request: Request) -> bool:
        decided = decision_of(self.state, self.saga_id, request, self._env.actions)
        if decided is not None:
            self.take_decision(decided)
        return decided is not None

    def take_decision(self, decided: Decided) -> None:
        """Record a decision, with what follows from it at once."""
        before = self.state.direction
        for event in events_of(self.state, decided):
            self.journal.record(event)
        if self.state.direction is not before and self.state.dag.siblings is Siblings.CANCEL:
            self._flights.cut_short()

    # -- what an attempt asks -------------------------------------------------

    def pulse(self, node: int, attempt: int, *, undo: bool) -> Pulse:
        """Return what hears the heartbeats of an attempt; called by any thread."""
        env = self._env
        return Pulse(self, node, attempt, undo=undo, clock=env.clock, loop=env.tasks.loop)

    def connection(self, node: int) -> Any:
        """Return the connection of the transaction that the attempt of `node` is."""
        return None if self._transactions is None else self._transactions.connection(node)

    def hear_heartbeat(self, pulse: Pulse) -> None:
        """Take a heartbeat, which is recorded at once or soon."""
        if not self.cuts(pulse.node):
            self._listen().heartbeats.hear(pulse)

    def cuts(self, node: int) -> bool:
        """Whether a cancellation of the attempt of `node` is the coordinator's doing."""
        return self._is_cut or self._flights.has_cancelled(node)

    def lingers(self, node: int, end: asyncio.Future[Any]) -> None:
        """Know that an attempt of `node` has been given up and still runs, until `end`."""
        self._flights.linger(node, end)

    @property
    def is_left_running(self) -> bool:
        """Whether an attempt that was given up still runs."""
        return bool(self._flights.lingering)

    def runs_in(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether `task` is one of this saga's."""
        return task is not None and (task is self._task or task in self._flights.tasks.values())

    def _wake_up(self) -> None:
        self._has_news = True
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
