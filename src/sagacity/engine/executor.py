"""Drives one saga: plan, make it durable, run, take the outcome; until it ends.

What must stay true here: nothing runs before its `started` is acknowledged by the
store. If an acknowledgement never comes, the execution is thrown away whole and
the log is folded again.

A saga with one thing to do runs it in its own task; only more than one at a time
cost tasks of their own.
"""

from __future__ import annotations

import asyncio
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from sagacity.core.dag import Siblings
from sagacity.core.events import (
    ErrorKind,
    Failed,
    Finished,
    Started,
    Succeeded,
    UndoStarted,
    Unwinding,
)
from sagacity.core.planner import (
    Expire,
    Finish,
    RunAction,
    RunUndo,
    idle_until_ms,
    is_current,
    plan,
)
from sagacity.core.poison import is_suspect
from sagacity.engine.attempts import uncancel
from sagacity.engine.concluding import conclusion, cut_short, lost, with_output
from sagacity.engine.error_records import error_record
from sagacity.engine.reachable import Environment, Reachable
from sagacity.engine.transacting import Transacted, Transactions
from sagacity.errors import NotOwner, TransactionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from uuid import UUID

    from sagacity.core.actions import Action
    from sagacity.core.events import Event
    from sagacity.core.state import SagaState
    from sagacity.engine.flights import Call, Flight
    from sagacity.engine.injection import Faults


_CALLS: Final = (RunAction, RunUndo)


class Execution(Reachable):
    """One saga that this coordinator drives."""

    __slots__ = (
        "_draining",
        "_due",
        "_outcomes",
        "_starting",
        "_unsettled",
        "faults",
        "sleeps_until_ms",
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
        super().__init__(env, saga_id, name, epoch, state, labels)
        self.faults: Faults | None = None
        self._due: list[Call | Expire] = []
        """Those whose time has come."""
        self._starting: list[Call] = []
        """Decided, and to be run as soon as that is durable."""
        self._outcomes: list[tuple[Call, Event | Transacted]] = []
        self._unsettled: list[tuple[Call, Transacted]] = []
        """Those whose transactions are to be committed."""
        self.sleeps_until_ms = 0
        """When to go on, if it was left with nothing to do before then."""
        self._draining = False

    # -- what the coordinator calls -----------------------------------------

    def decide(self) -> None:
        """Turn what can be done now into events, as far as slots allow."""
        state = self.state
        concluded = True
        while concluded:
            concluded = False
            for command in () if self._draining and state.waiting else plan(state):
                if concluded and not is_current(state, command):
                    continue  # what was concluded failed, and turned the saga
                if isinstance(command, _CALLS):
                    if not command.not_before_ms or self._is_due(command):
                        self._admit(command)
                elif isinstance(command, Expire):
                    if self._is_due(command):
                        self._expire()
                        concluded = True
                elif isinstance(command, Finish):
                    self.journal.record(Finished(command.outcome))
                else:
                    for event in conclusion(state, command, self.faults):
                        self._record(event)
                    concluded = True

    def drain(self) -> None:
        """Start nothing more; `run` returns when the attempts in flight have ended."""
        self._draining = True
        self._wake_up()

    async def run(self, first_append: asyncio.Future[None] | None = None) -> bool:
        """Drive the saga until it has ended or is stuck (True), or was drained or sleeps (False).

        `first_append` is done when what was decided before this call is durable.

        Raises:
            NotOwner: another coordinator has it now; nothing more was recorded.
            asyncio.CancelledError: cut short; what was in flight is recorded by nobody.
        """
        try:
            if first_append is not None:
                await self.journal.commit()
                if not first_append.done():
                    first_append.set_result(None)
            return await self._drive()
        finally:
            self.give_up()

    # -- the loop ------------------------------------------------------------

    async def _drive(self) -> bool:
        state, flights, journal = self.state, self._flights, self.journal
        self._task = asyncio.current_task(self._env.tasks.loop)
        alone = state.dag.siblings is not Siblings.CANCEL  # what may be cut has its own task
        while True:
            if self._has_news:
                self._take_in()
            if self._unsettled:
                await self._settle()
            self.decide()
            if journal.pending:
                await journal.commit()
            if self._hearing is not None:
                self._hearing.tell()
            if state.finished is not None:
                return True
            if (state.stuck_on or state.paused or not state.started) and self._is_at_rest():
                return True
            starting = self._take_starting()
            began_ms, journal.at_ms = journal.at_ms, 0
            if len(starting) == 1 and not state.waiting and len(state.in_flight) == 1 and alone:
                await self._run_alone(starting[0], began_ms)
                continue
            self._start_apart(starting, began_ms, may_be_cut=not alone)
            if self._has_news:
                continue
            if self._draining and not flights.tasks:
                return False
            if flights.delayed and self._falls_asleep():
                return False
            await self._news()

    async def _run_alone(self, command: Call, began_ms: int) -> None:
        """Run the only attempt of the saga in the saga's own task."""
        self._is_alone = True
        if self._has_news and self._hearing is not None:  # asked during the append before
            self._hearing.answer_aside(self._env.tasks)
        event = await self._attempt(command, began_ms)
        self._is_alone = False
        if isinstance(event, Transacted):
            self._unsettled.append((command, event))
        if self._hearing is not None:  # at most one append is in flight
            await self._hearing.until_answered()
        if self._is_cut:  # and the action swallowed it: too late to record anything
            raise asyncio.CancelledError
        task = self._task
        if task is not None and task.cancelling():  # by the action: being cut ends above
            await uncancel(task)
        if not isinstance(event, Transacted):
            self._take_outcome(command, event)

    def _take_starting(self) -> list[Call]:
        """Return what may begin now: the gate that each attempt passes.

        Raises:
            NotOwner: another coordinator may have the saga by now.
        """
        starting, self._starting = self._starting, []
        is_trusted = self._env.is_trusted
        if starting and is_trusted is not None and not is_trusted():
            raise NotOwner(f"saga {self.saga_id}: the lease of its owner has run out")
        return starting

    def _is_at_rest(self) -> bool:
        """Whether a person must act before anything can happen, and nothing runs any more."""
        state, flights = self.state, self._flights
        if flights.lingering or flights.tasks or state.in_flight:
            return False
        stands = state.paused and not state.stepped  # a step may wait for a slot, or its time
        return stands or state.stuck is not None or not state.started

    def _falls_asleep(self) -> bool:
        """Whether all that is left to do are retries that are not due for a while."""
        if self._flights.parked or self._flights.lingering:
            return False
        until_ms = idle_until_ms(self.state)
        if until_ms is not None and self._env.may_sleep(until_ms):
            self.sleeps_until_ms = until_ms
        return bool(self.sleeps_until_ms)

    def _take_in(self) -> None:
        """Take what has happened since the last turn."""
        self._has_news = False
        outcomes, self._outcomes = self._outcomes, []
        for command, event in outcomes:
            if isinstance(event, Transacted):
                self._unsettled.append((command, event))
            else:
                self._take_outcome(command, event)
        if self._hearing is not None:
            self._hearing.hear()
        for granted in self._flights.take_granted():
            self._begin_if_current(granted)
        due, self._due = self._due, []
        if any(isinstance(each, Expire) for each in due):  # before anything new begins
            self._expire()
        for each in due:
            if not isinstance(each, Expire):
                self._admit_if_current(each)

    async def _news(self) -> None:
        self._wake = asyncio.get_running_loop().create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    # -- nodes ----------------------------------------------------------------

    def _is_due(self, command: Call | Expire) -> bool:
        """Whether the time of a command has come; if not, it will be heard of."""
        clock = self._env.clock
        if command.not_before_ms <= clock.now_ms():
            return True
        node = -1 if isinstance(command, Expire) else command.node
        alarm = clock.call_at(command.not_before_ms, self._hear_of(command))
        self._flights.delay(node, alarm)
        return False

    def _hear_of(self, command: Call | Expire) -> Callable[[], None]:
        def hear() -> None:
            self._due.append(command)
            self._wake_up()

        return hear

    def _expire(self) -> None:
        """Take the saga back, unless it does so already, or has come too far."""
        if is_current(self.state, Expire(0)):
            self._unwind(f"its deadline of {self.state.dag.deadline:g} s has passed")

    def _unwind(self, reason: str) -> None:
        self.journal.record(Unwinding(reason))
        if self.state.dag.siblings is Siblings.CANCEL:
            self._flights.cut_short()

    def _admit_if_current(self, command: Call) -> None:
        if not self._draining and is_current(self.state, command):
            self._admit(command)
        else:
            self._env.quarantine.leave((self.saga_id, command.node))

    def _admit(self, command: Call) -> None:
        """Begin `command`, unless it must wait for a slot or for what lingers of its node."""
        node, flights = command.node, self._flights
        if self.state.deaths and is_suspect(self.state, node):
            suspect = (self.saga_id, node)
            if not self._env.quarantine.enter(suspect, self._hear_of(command)):
                return
        if flights.lingering and node in flights.lingering:
            flights.lingering[node].add_done_callback(lambda _: self._hear_of(command)())
            return
        action = self._env.actions[self.state.dag.nodes[node].action]
        if flights.admit(command, action):
            self._begin(command, action)

    def _begin(self, command: Call, action: Action) -> None:
        node, deadline_ms, expected_ms = command.node, 0, 0
        kind: type[Started | UndoStarted]
        if type(command) is RunAction:
            kind, expected = Started, action.expected
            deadline = (self.state.dag.nodes[node].retry or action.retry).deadline
        else:
            kind, expected = UndoStarted, action.undo_expected
            deadline = action.undo_retry.deadline
        if deadline is not None and node not in self.state.deadlines:
            deadline_ms = self._env.clock.now_ms() + round(deadline * 1_000)
        if expected:
            expected_ms = ceil(expected * 1_000)
            self._env.hanging.began(self.saga_id, node)
        self.journal.record(kind(node, command.attempt, deadline_ms, expected_ms))
        self._starting.append(command)

    def _begin_if_current(self, granted: Flight) -> None:
        if not self._draining and is_current(self.state, granted.call):
            self._flights.accept(granted)
            self._begin(granted.call, granted.action)
        else:
            self._flights.decline(granted)
            self._env.quarantine.leave((self.saga_id, granted.call.node))

    def _attempt(self, command: Call, began_ms: int) -> Coroutine[Any, Any, Event | Transacted]:
        """Call what `command` says; `began_ms` is the time of its `started` in the log."""
        node, forward = command.node, type(command) is RunAction
        if command.attempt > 1:
            began_ms = self.state.first_began_ms(node, undo=not forward) or began_ms
        run = self._env.attempts.run_do if forward else self._env.attempts.run_undo
        action = self._flights.held[node]
        call = run(self, node, command.attempt, action, began_ms)
        if not action.transaction:
            return call
        if self._transactions is None:
            self._transactions = Transactions()
        return self._transactions.attempt(partial(self._env.begin, self.saga_id), node, call)

    def _start_apart(self, commands: list[Call], began_ms: int, *, may_be_cut: bool) -> None:
        for command in commands:
            task = self._env.tasks.spawn(self._attempt_apart(command, began_ms))
            if may_be_cut:  # before its first step, when it cannot tell
                task.add_done_callback(partial(self._hear_of_end, command))
            self._flights.tasks[command.node] = task

    async def _attempt_apart(self, command: Call, began_ms: int) -> None:
        node = command.node
        event: Event | Transacted
        try:
            event = await self._attempt(command, began_ms)
        except asyncio.CancelledError:
            if not self._flights.was_cut_short(node):
                raise
            event = cut_short(node)
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not hang the saga
            event = lost(command, error_record(ErrorKind.EXCEPTION, error))
        self._outcomes.append((command, event))
        self._wake_up()

    def _hear_of_end(self, command: Call, task: asyncio.Task[None]) -> None:
        """Give an outcome to an attempt that was cut short before its first step."""
        if task.cancelled() and self._flights.was_cut_short(command.node):
            self._outcomes.append((command, cut_short(command.node)))
            self._wake_up()

    def _take_outcome(self, command: Call, event: Event) -> None:
        self._land(command.node, event)
        self._record(self._with_output(event))

    def _land(self, node: int, event: Event) -> None:
        self._flights.land(node)
        if self._hearing is not None:
            self._hearing.heartbeats.end(node, event)
        if self._env.quarantine.inside is not None:
            self._env.quarantine.leave((self.saga_id, node))

    def _with_output(self, event: Event) -> Event:
        if type(event) is Succeeded and event.node in self.state.dag.output_sources:
            return with_output(self.state, event)
        return event

    async def _settle(self) -> None:
        """Commit the transactions of attempts that have succeeded, each with its record."""
        while self._unsettled:
            command, (event, transaction) = self._unsettled[0]
            action = self._flights.held[command.node]
            if self.journal.pending:
                await self.journal.commit()
            try:
                await self.journal.commit_in(transaction, self._with_output(event))
            except TransactionFailed as error:
                began_ms = (
                    self.state.first_began_ms(command.node, undo=type(command) is RunUndo)
                    or self._env.clock.now_ms()
                )
                self._take_outcome(
                    command,
                    await self._env.attempts.not_committed(self, command, action, began_ms, error),
                )
            else:
                self._land(command.node, event)
            self._unsettled.pop(0)

    def give_up(self) -> None:
        """Let go of all slots and transactions; the saga has ended, was cut short or is lost."""
        for _, outcome in (*self._outcomes, *self._unsettled):
            if isinstance(outcome, Transacted):
                _ = self._env.tasks.spawn(outcome.transaction.take_back())
        super().give_up()

    def _record(self, event: Event) -> None:
        """Record what became of a node; the first failure turns the saga."""
        if type(event) is not Failed:
            self.journal.record(event)
            return
        state = self.state
        turned = state.direction
        self.journal.record(event)
        if turned is not state.direction:
            self._unwind(f'node "{state.dag.paths[event.node]}" failed')
