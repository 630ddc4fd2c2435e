"""Drives one saga: plan, make it durable, run, take the outcome; until it ends.

What must stay true here: nothing runs before its `started` is acknowledged by the
store, at most one append of the saga is in flight, and what is decided meanwhile
joins the next one. The state is a step ahead of the store only between a decision
and its acknowledgement; if that never comes, the execution is thrown away whole
and the log is folded again.

A saga with one thing to do runs it in its own task; only more than one at a time
cost tasks of their own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from sagacity.core.bindings import check_fields
from sagacity.core.codec import encode_record
from sagacity.core.dag import Siblings
from sagacity.core.events import (
    Effect,
    ErrorKind,
    ErrorRecord,
    Failed,
    Finished,
    How,
    Started,
    Succeeded,
    UndoFailed,
    UndoFinished,
    UndoStarted,
    Unwinding,
)
from sagacity.core.planner import (
    Conclude,
    ConcludeUndo,
    Finish,
    RunAction,
    RunUndo,
    is_current,
    plan,
)
from sagacity.core.values import NULL
from sagacity.engine.attempts import Attempt, error_record, uncancel
from sagacity.engine.injection import INJECTED
from sagacity.engine.summaries import summary_of
from sagacity.errors import NotOwner, SagacityError, StoreError
from sagacity.ports.observer import Recorded
from sagacity.ports.store import Append, SagaStatus, Summary

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from uuid import UUID

    from sagacity.core.actions import Action, ActionRegistry
    from sagacity.core.events import Event
    from sagacity.core.state import SagaState
    from sagacity.engine.attempts import Attempts
    from sagacity.engine.injection import Faults
    from sagacity.engine.slots import Slots
    from sagacity.engine.tasks import TaskSet
    from sagacity.ports.store import SagaStore

MAX_RECORD_BYTES: Final = 16 * 1024 * 1024
"""A larger append is made in parts: stores need not take what no value alone can be."""

_CUT_SHORT: Final = ErrorRecord(ErrorKind.CANCELLED, "cut short because the saga unwinds")


@dataclass(frozen=True, slots=True)
class Environment:
    """What the executions of one coordinator share."""

    registry: ActionRegistry
    slots: Slots
    attempts: Attempts
    tasks: TaskSet
    wall_ms: Callable[[], int]
    store: SagaStore
    insist: Callable[[Append, StoreError], Awaitable[None]]
    """Repeats an append that the store failed to do, until it is durable; raises `NotOwner`."""
    recorded: Callable[[Recorded], None] | None


class Execution:
    """One saga that this coordinator drives."""

    __slots__ = (
        "_attempt_tasks",
        "_batch",
        "_cut",
        "_cut_short",
        "_draining",
        "_env",
        "_granted",
        "_held",
        "_outcomes",
        "_over",
        "_parked",
        "_starting",
        "_wake",
        "epoch",
        "faults",
        "name",
        "saga_id",
        "state",
    )

    def __init__(
        self, env: Environment, saga_id: UUID, name: str, epoch: int, state: SagaState
    ) -> None:
        """Take over the saga whose log adds up to `state`."""
        self._env = env
        self.saga_id: Final = saga_id
        self.name: Final = name
        self.epoch: Final = epoch
        self.state: Final = state
        self.faults: Faults | None = None
        self._batch: list[Event] = []
        self._starting: list[RunAction | RunUndo] = []
        self._granted: deque[RunAction | RunUndo] = deque()
        self._outcomes: deque[tuple[RunAction | RunUndo, Event]] = deque()
        self._attempt_tasks: dict[int, asyncio.Task[None]] = {}
        self._held: dict[int, Action] = {}
        self._cut_short: set[int] = set()
        self._parked = 0
        self._wake: asyncio.Future[None] | None = None
        self._draining = False
        self._over = False
        self._cut = False

    # -- what the coordinator calls -----------------------------------------

    def record(self, event: Event) -> None:
        """Decide that `event` is the next of the log; it becomes durable with the next append."""
        state = self.state
        turned = state.direction
        state.apply(event)
        self._batch.append(event)
        if turned is not state.direction:
            if type(event) is Failed:
                self.record(Unwinding(f'node "{state.dag.paths[event.node]}" failed'))
            if state.dag.siblings is Siblings.CANCEL:
                self._cancel_siblings()

    def decide(self) -> None:
        """Turn what can be done now into events, as far as slots allow."""
        if self._draining:
            return
        concluded = True
        while concluded:
            concluded = False
            for command in plan(self.state):
                if concluded and not is_current(self.state, command):
                    continue  # what was concluded failed, and turned the saga
                match command:
                    case RunAction() | RunUndo():
                        self._start_or_park(command)
                    case Finish():
                        self.record(Finished(command.outcome))
                    case Conclude() | ConcludeUndo():
                        self._conclude(command)
                        concluded = True

    def take_events(self) -> list[Event]:
        """Return what was decided and is not durable, for an append that the caller makes."""
        events, self._batch = self._batch, []
        return events

    async def commit(self) -> None:
        """Make durable what was decided.

        Raises:
            NotOwner: another coordinator has the saga now.
        """
        env, state = self._env, self.state
        events, self._batch = self._batch, []
        now = env.wall_ms()
        record = encode_record(events, time_ms=now, epoch=self.epoch)
        if len(record) > MAX_RECORD_BYTES and len(events) > 1:
            await self._commit_in_parts(events)
        else:
            count = len(events)
            await self._append(
                Append(
                    self.saga_id,
                    self.epoch,
                    state.sequence - count,
                    record,
                    count,
                    summary_of(state),
                    now,
                )
            )
        if env.recorded is not None:
            self.acknowledged(events)

    async def _commit_in_parts(self, events: list[Event]) -> None:
        """Append what is too much for one record; any prefix of it recovers."""
        now = self._env.wall_ms()
        sequence = self.state.sequence - len(events)
        running = Summary(SagaStatus.RUNNING, self.state.direction)
        parts = [events]
        while parts:
            part = parts.pop()
            record = encode_record(part, time_ms=now, epoch=self.epoch)
            if len(record) > MAX_RECORD_BYTES and len(part) > 1:
                half = len(part) // 2
                parts += [part[half:], part[:half]]
                continue
            summary = running if parts else summary_of(self.state)
            await self._append(
                Append(self.saga_id, self.epoch, sequence, record, len(part), summary, now)
            )
            sequence += len(part)

    async def _append(self, append: Append) -> None:
        try:
            await self._env.store.append(append)
        except NotOwner:
            raise
        except StoreError as error:
            await self._env.insist(append, error)

    def acknowledged(self, events: list[Event]) -> None:
        """Tell observers what has become durable."""
        if self._env.recorded is not None:
            self._env.recorded(
                Recorded(self.saga_id, self.name, self.state.dag, events, self.state.sequence)
            )

    def drain(self) -> None:
        """Start nothing more; `run` returns when the attempts in flight have ended."""
        self._draining = True
        self._wake_up()

    def cut(self) -> None:
        """Know that what cancels the tasks of this saga from now on is the coordinator."""
        self._cut = True

    def in_flight(self) -> list[str]:
        """Return the paths of the nodes whose attempts are running."""
        return [self.state.dag.paths[node] for node in sorted(self.state.in_flight)]

    async def run(self, first_append: asyncio.Future[None] | None = None) -> bool:
        """Drive the saga until it has ended or is stuck (True), or was drained (False).

        `first_append` is done when what was decided before this call is durable.

        Raises:
            NotOwner: another coordinator has it now; nothing more was recorded.
            asyncio.CancelledError: cut short; what was in flight is recorded by nobody.
        """
        try:
            if first_append is not None:
                await self.commit()
                if not first_append.done():
                    first_append.set_result(None)
            return await self._drive()
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Let go of all slots; what still runs was cancelled, or belongs to a lost saga."""
        self._over = True
        for task in self._attempt_tasks.values():
            task.cancel()
        self._attempt_tasks.clear()
        for node in list(self._held):
            self._release(node)
        while self._granted:
            self._env.slots.release(self._action(self._granted.popleft().node))

    # -- the loop ------------------------------------------------------------

    async def _drive(self) -> bool:
        state = self.state
        task = cast("asyncio.Task[bool]", asyncio.current_task())
        while True:
            while self._outcomes:
                self._take_outcome(*self._outcomes.popleft())
            while self._granted:
                self._start_if_current(self._granted.popleft())
            self.decide()
            if self._batch:
                await self.commit()
            if state.finished is not None or (state.stuck_on and state.stuck is not None):
                return True
            starting, self._starting = self._starting, []
            if len(starting) == 1 and not self._parked and len(state.in_flight) == 1:
                command = starting[0]
                event = await self._attempt(command)
                if self._cut:  # and the action swallowed it: too late to record anything
                    raise asyncio.CancelledError
                if task.cancelling():  # by the action itself: being cut does not come here
                    await uncancel(task)
                self._take_outcome(command, event)
                continue
            for command in starting:
                self._spawn(command)
            if self._outcomes or self._granted:
                continue
            if self._draining and not self._attempt_tasks:
                return False
            await self._news()

    async def _news(self) -> None:
        self._wake = asyncio.get_running_loop().create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    # -- nodes ----------------------------------------------------------------

    def _conclude(self, command: Conclude | ConcludeUndo) -> None:
        """Log what needs no call."""
        node, faults = command.node, self.faults
        if isinstance(command, Conclude):
            self.record(Started(node, command.attempt))
            injected = faults is not None and node in faults.errors
            self.record(Failed(node, INJECTED, Effect.NONE) if injected else self._value(node))
        elif faults is not None and node in faults.undo_errors:
            self.record(UndoStarted(node, self.state.undo_attempts.get(node, 0) + 1))
            self.record(UndoFailed(node, INJECTED))
        else:
            self.record(UndoFinished(node, How.NOTHING))

    def _value(self, node: int) -> Succeeded | Failed:
        binding = self.state.dag.nodes[node].value
        try:
            return Succeeded(node, NULL if binding is None else self.state.resolve(binding))
        except (LookupError, SagacityError) as error:
            return Failed(node, ErrorRecord(ErrorKind.INPUT, str(error)), Effect.NONE)

    def _action(self, node: int) -> Action:
        name = self.state.dag.nodes[node].action
        action = self._env.registry.get(name)
        assert action is not None, f"{name} was checked when the saga was taken on"
        return action

    def _start_or_park(self, command: RunAction | RunUndo) -> None:
        action = self._action(command.node)
        if self._env.slots.try_acquire(action):
            self._start(command, action)
        else:
            self._parked += 1
            self._env.slots.wait(action, lambda: self._grant(command, action))

    def _grant(self, command: RunAction | RunUndo, action: Action) -> None:
        """Take the slot that `command` waited for."""
        if self._over:
            self._env.slots.release(action)
            return
        self._parked -= 1
        self._granted.append(command)
        self._wake_up()

    def _start_if_current(self, command: RunAction | RunUndo) -> None:
        action = self._action(command.node)
        if not self._draining and is_current(self.state, command):
            self._start(command, action)
        else:
            self._env.slots.release(action)

    def _start(self, command: RunAction | RunUndo, action: Action) -> None:
        node, attempt = command.node, command.attempt
        self._held[node] = action
        self.record(
            Started(node, attempt) if type(command) is RunAction else UndoStarted(node, attempt)
        )
        self._starting.append(command)

    def _attempt(self, command: RunAction | RunUndo) -> Coroutine[Any, Any, Event]:
        attempts, node = self._env.attempts, command.node
        run = attempts.run_do if type(command) is RunAction else attempts.run_undo
        return run(
            Attempt(
                self.saga_id,
                self.epoch,
                self.state,
                node,
                command.attempt,
                self._held[node],
                self.faults,
                self._is_cut,
            )
        )

    def _spawn(self, command: RunAction | RunUndo) -> None:
        self._attempt_tasks[command.node] = self._env.tasks.spawn(self._attempt_apart(command))

    async def _attempt_apart(self, command: RunAction | RunUndo) -> None:
        try:
            event = await self._attempt(command)
        except asyncio.CancelledError:
            if command.node not in self._cut_short:
                raise
            self._cut_short.discard(command.node)
            event = Failed(command.node, _CUT_SHORT, Effect.POSSIBLE)
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not hang the saga
            lost = error_record(ErrorKind.EXCEPTION, error)
            event = (
                Failed(command.node, lost, Effect.POSSIBLE)
                if isinstance(command, RunAction)
                else UndoFailed(command.node, lost)
            )
        self._outcomes.append((command, event))
        self._wake_up()

    def _take_outcome(self, command: RunAction | RunUndo, event: Event) -> None:
        node = command.node
        if self._attempt_tasks:
            self._attempt_tasks.pop(node, None)
        self._env.slots.release(self._held.pop(node))
        if type(event) is Succeeded and node in self.state.dag.output_sources:
            event = self._with_output(event)
        self.record(event)

    def _with_output(self, event: Succeeded) -> Event:
        """Check that the saga's output will be there: a field of this one may be missing."""
        binding = self.state.dag.output
        try:
            if binding is not None:
                check_fields(binding, event.node, event.output)
        except LookupError as error:
            missing = ErrorRecord(ErrorKind.OUTPUT, f"the saga's output: {error}")
            return Failed(event.node, missing, Effect.POSSIBLE)
        return event

    def _is_cut(self, node: int) -> bool:
        """Whether a cancellation of the attempt of `node` is the coordinator's doing."""
        return self._over or self._cut or node in self._cut_short

    def _cancel_siblings(self) -> None:
        for node, task in self._attempt_tasks.items():
            action = self._held[node]
            if not (action.atomic or action.do_blocks or task.done()):  # those are waited for
                self._cut_short.add(node)
                task.cancel()

    def _release(self, node: int) -> None:
        self._env.slots.release(self._held.pop(node))
