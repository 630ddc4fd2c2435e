"""A coordinator in miniature: plans, calls and applies by hand, with no loop and no store.

What is planned at once begins at once and then ends one by one, so that everything
that could run at the same time did.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sagacity.core.actions import ActionRegistry
from sagacity.core.bindings import resolve
from sagacity.core.codec import LoggedEvent
from sagacity.core.dag import Dag
from sagacity.core.events import (
    Adopted,
    Created,
    Effect,
    ErrorKind,
    ErrorRecord,
    Event,
    Failed,
    Finished,
    How,
    Started,
    StartRequested,
    Succeeded,
    UndoFailed,
    UndoFinished,
    UndoStarted,
)
from sagacity.core.planner import (
    Command,
    Conclude,
    ConcludeUndo,
    Expire,
    Finish,
    GiveUp,
    RunAction,
    RunUndo,
    plan,
)
from sagacity.core.state import SagaState
from sagacity.core.values import Json, decode, encode
from sagacity.core.viewing import view_of
from sagacity.core.views import SagaView
from sagacity.errors import ActionFailed
from sagacity.steno import StenoSaga

SAGA_ID: Final = UUID("049b2522-308d-442e-bc65-9bfaef863597")
_INJECTED: Final = ErrorRecord(ErrorKind.INJECTED, "error injected")


@dataclass(frozen=True)
class Faults:
    """What goes wrong on purpose, by node index; `repeat` has the calls of do and undo."""

    errors: frozenset[int] = frozenset()
    undo_errors: frozenset[int] = frozenset()
    repeat: dict[int, tuple[int, int]] = field(default_factory=dict)


class BadInputError(Exception):
    """A look-up found something of another type."""


class Run:
    """One saga, from its first event on."""

    def __init__(
        self,
        dag: Dag,
        params: Json,
        actions: ActionRegistry,
        *,
        saga_id: UUID = SAGA_ID,
        before: Iterable[Event] = (),
    ) -> None:
        self.saga_id = saga_id
        self.state = SagaState(dag, params)
        self._actions = actions
        self._log: list[LoggedEvent] = []
        for event in before:
            self.apply(event)

    @classmethod
    def created(cls, dag: Dag, params: Any, actions: ActionRegistry) -> Run:
        """Return a new saga."""
        return cls(dag, encode(params), actions, before=[Created("driver")])

    @classmethod
    def resumed(cls, saga: StenoSaga, actions: ActionRegistry) -> Run:
        """Return a saga taken over, as the engine does it."""
        events = [Created("driver"), *saga.events, Adopted("driver")]
        return cls(saga.dag, saga.params, actions, saga_id=saga.saga_id, before=events)

    def apply(self, event: Event) -> None:
        """Append an event."""
        self.state.apply(event)
        self._log.append(LoggedEvent(len(self._log) + 1, 0, 1, "driver", event))

    def view(self) -> SagaView:
        """Return the saga as it is now."""
        state = self.state
        return view_of(
            saga_id=self.saga_id, name=state.dag.name, state_name="", labels={}, fingerprint="",
            owner="driver", epoch=1, created_ms=0, updated_ms=0,
            dag=state.dag, params=state.params, log=self._log,
        )  # fmt: skip

    def drive(self, faults: Faults | None = None) -> SagaView:
        """Start the saga or go on with it, until it ends or is stuck."""
        self.crash_after(sys.maxsize, faults)
        return self.view()

    def crash_after(self, rounds: int, faults: Faults | None = None) -> SagaView:
        """Start the saga or go on with it, and stop when the next round of calls has begun."""
        faults = faults or Faults()
        if not self.state.started:
            self.apply(StartRequested())
        while commands := plan(self.state):
            for command in commands:
                self._begin(command, faults)
            if not rounds:
                break
            for command in commands:
                self._end(command, faults)
            rounds -= 1
        return self.view()

    def crash(self) -> None:
        """Let another coordinator take over."""
        self.apply(Adopted("another"))

    def _begin(self, command: Command, faults: Faults) -> None:
        match command:
            case RunAction(node, attempt) | Conclude(node, attempt):
                self.apply(Started(node, attempt))
            case RunUndo(node, attempt):
                self.apply(UndoStarted(node, attempt))
            case ConcludeUndo(node) if node in faults.undo_errors:
                self.apply(UndoStarted(node, self.state.undo_attempts.get(node, 0) + 1))
            case ConcludeUndo() | GiveUp() | Expire() | Finish():
                pass

    def _end(self, command: Command, faults: Faults) -> None:
        state = self.state
        match command:
            case Finish(outcome):
                self.apply(Finished(outcome))
            case GiveUp() | Expire():
                raise AssertionError("Steno retries nothing, and knows no deadlines")
            case RunAction(node) | Conclude(node) if node in faults.errors:
                self.apply(Failed(node, _INJECTED, Effect.NONE))
            case RunUndo(node) | ConcludeUndo(node) if node in faults.undo_errors:
                self.apply(UndoFailed(node, _INJECTED))
            case Conclude(node):
                value = state.dag.nodes[node].value
                assert value is not None
                self.apply(Succeeded(node, resolve(value, state.lookup)))
            case ConcludeUndo(node):
                self.apply(UndoFinished(node, How.NOTHING))
            case RunAction(node):
                self._act(node, faults.repeat.get(node, (1, 1))[0])
            case RunUndo(node):
                undo = self._function(node, undo=True)
                for _ in range(faults.repeat.get(node, (1, 1))[1]):
                    finish(undo(SyncContext(state, node)))
                self.apply(UndoFinished(node, How.UNDONE))

    def _act(self, node: int, times: int) -> None:
        do = self._function(node, undo=False)
        output: Any = None
        try:
            for _ in range(times):
                output = finish(do(SyncContext(self.state, node)))
        except ActionFailed as error:
            data = None if error.data is None else encode(error.data)
            failure = ErrorRecord(ErrorKind.ACTION_FAILED, error.message, data=data)
            self.apply(Failed(node, failure, Effect.NONE))
        except BadInputError as error:
            self.apply(Failed(node, ErrorRecord(ErrorKind.INPUT, str(error)), Effect.NONE))
        else:
            self.apply(Succeeded(node, encode(output)))

    def _function(self, node: int, *, undo: bool) -> Callable[[Any], Coroutine[Any, Any, Any]]:
        action = self._actions.get(self.state.dag.nodes[node].action)
        assert action is not None
        function = action.undo if undo else action.do
        assert function is not None
        return function


class SyncContext:
    """What an action of the lower layer sees of its saga."""

    def __init__(self, state: SagaState, node: int) -> None:
        self._state = state
        self._node = node

    @property
    def node_name(self) -> str:
        return self._state.dag.nodes[self._node].name

    @property
    def node_label(self) -> str:
        return self._state.dag.nodes[self._node].label

    def params(self, _wanted: Any) -> Any:
        """Return the params of the node's own (sub)saga."""
        return decode(self._state.params_of(self._state.dag.nodes[self._node].scope))

    def lookup(self, name: str, wanted: Any) -> Any:
        """Return an earlier node's output; in an undo, also the node's own."""
        dag = self._state.dag
        found = self._node if name == self.node_name else dag.find_input(self._node, name)
        assert found is not None, f"{name} is no ancestor"
        output = self._state.outputs[found]
        if wanted == list[Any] and not output.startswith(b"["):
            raise BadInputError(f'output from earlier node "{name}": not a list')
        return decode(output)


def finish(call: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never waits, and return its result."""
    try:
        call.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the action waits for something")
