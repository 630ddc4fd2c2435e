"""What would happen if: a saga's state driven on without calling anything, as if all succeeded.

The same `plan` and `apply` that drive a saga, so a forecast cannot promise what the
engine would not do. What it does not know is told as such: outputs of actions that
have not run. It changes the state that it is given, which must be nobody else's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.core.agenda import Direction
from sagacity.core.bindings import OutputOf, ParamsOf, leaves
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
    UndoFinished,
    UndoStarted,
)
from sagacity.core.immutable import Immutable
from sagacity.core.planner import (
    Conclude,
    ConcludeUndo,
    Expire,
    Finish,
    GiveUp,
    RunAction,
    RunUndo,
    is_current,
    plan,
)
from sagacity.core.transitions import NodeStatus
from sagacity.core.values import NULL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sagacity.core.bindings import Binding
    from sagacity.core.state import SagaState
    from sagacity.core.values import Json

_CUT_SHORT: Final = ErrorRecord(ErrorKind.CANCELLED, "")


class Foreseen(Immutable):
    """A call that would be made: of the do of `node`, or of its undo."""

    step: int
    """Calls of one step can run at once; 0: it runs already."""
    node: int
    undo: bool
    attempt: int
    not_before_ms: int
    inputs: Mapping[str, Json | None] | None
    """Of each parameter; None: not known before. None in all: it looks things up by name."""
    output: Json | None
    """What an undo is given; None: there is none yet, or it is not known."""


def forecast(state: SagaState) -> Sequence[Foreseen]:
    """Drive `state` on until it has ended or nothing more can be done; return the calls, in order.

    Each do and each undo succeeds at once. So `state` is afterwards as it would be then.
    """
    return _Forecast(state).run()


class _Forecast:
    def __init__(self, state: SagaState) -> None:
        self._state: Final = state
        self._guessed: Final[set[int]] = set()
        """Nodes whose outputs stand for something that is not known."""
        self._calls: Final[list[Foreseen]] = []

    def run(self) -> Sequence[Foreseen]:
        state = self._state
        in_flight = sorted(state.in_flight)
        for node in in_flight:
            undo = state.status[node] is NodeStatus.UNDO_STARTED
            attempts = state.undo_attempts if undo else state.attempts
            self._foresee(0, node, undo=undo, attempt=attempts[node], not_before_ms=0)
        self._end(in_flight)
        step = 1
        while commands := plan(state):
            begun: list[int] = []
            for command in commands:
                match command:
                    case Finish(outcome):
                        state.apply(Finished(outcome))
                    case Expire():
                        pass  # in no time at all, nothing is late
                    case _ if not is_current(state, command):
                        pass
                    case RunAction(node, attempt, at_ms):
                        self._foresee(step, node, undo=False, attempt=attempt, not_before_ms=at_ms)
                        state.apply(Started(node, attempt))
                        begun.append(node)
                    case RunUndo(node, attempt, at_ms):
                        self._foresee(step, node, undo=True, attempt=attempt, not_before_ms=at_ms)
                        state.apply(UndoStarted(node, attempt))
                        begun.append(node)
                    case Conclude(node, attempt):
                        state.apply(Started(node, attempt))
                        self._succeed(node, self._value(state.dag.nodes[node].value))
                    case ConcludeUndo(node):
                        state.apply(UndoFinished(node, How.NOTHING))
                    case GiveUp(node):
                        effect = Effect.POSSIBLE if node in state.tainted else Effect.NONE
                        state.apply(Failed(node, _CUT_SHORT, effect))
            self._end(begun)
            step += bool(begun)
        return self._calls

    def _foresee(
        self, step: int, node: int, *, undo: bool, attempt: int, not_before_ms: int
    ) -> None:
        state = self._state
        bound = state.dag.nodes[node].inputs
        inputs = None
        if bound is not None:
            inputs = {name: self._value(binding) for name, binding in bound.items()}
        output = None if not undo or node in self._guessed else state.outputs.get(node)
        self._calls.append(Foreseen(step, node, undo, attempt, not_before_ms, inputs, output))

    def _end(self, nodes: Sequence[int]) -> None:
        state = self._state
        cut = state.direction is Direction.UNWINDING and state.dag.siblings is Siblings.CANCEL
        for node in nodes:
            if state.status[node] is NodeStatus.UNDO_STARTED:
                state.apply(UndoFinished(node, How.UNDONE))
            elif cut and not state.dag.nodes[node].atomic:
                state.apply(Failed(node, _CUT_SHORT, Effect.POSSIBLE))
            else:
                self._succeed(node, None)

    def _succeed(self, node: int, output: Json | None) -> None:
        if output is None:
            self._guessed.add(node)
        self._state.apply(Succeeded(node, NULL if output is None else output))

    def _value(self, binding: Binding | None) -> Json | None:
        """Return what `binding` stands for, if that is known before."""
        if binding is None:
            return NULL
        if self._is_guessed(binding):
            return None
        try:
            return self._state.resolve(binding)
        except LookupError:  # the call would fail for it
            return None

    def _is_guessed(self, binding: Binding) -> bool:
        for leaf in leaves(binding):
            match leaf:
                case OutputOf(node):
                    if node in self._guessed or node not in self._state.outputs:
                        return True
                case ParamsOf(scope) if scope >= 0:
                    inner = self._state.dag.nodes[scope].value
                    if inner is not None and self._is_guessed(inner):
                        return True
                case _:
                    pass
        return False
