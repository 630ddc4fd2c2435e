"""What is logged without a call: constants, ends of subsagas, undos of nothing, giving up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.core.bindings import check_fields
from sagacity.core.events import (
    Effect,
    ErrorKind,
    ErrorRecord,
    Failed,
    How,
    Started,
    Succeeded,
    UndoFailed,
    UndoFinished,
    UndoStarted,
)
from sagacity.core.planner import Conclude, ConcludeUndo, GiveUp, RunAction, RunUndo
from sagacity.core.values import NULL
from sagacity.engine.injection import INJECTED
from sagacity.errors import SagacityError

if TYPE_CHECKING:
    from sagacity.core.events import Event
    from sagacity.core.state import SagaState
    from sagacity.engine.injection import Faults


_CUT_SHORT: Final = ErrorRecord(ErrorKind.CANCELLED, "cut short because the saga unwinds")
_INTERRUPTED: Final = ErrorRecord(
    ErrorKind.CANCELLED, "interrupted by the end of its coordinator, and the saga unwinds"
)


def conclusion(
    state: SagaState, command: Conclude | ConcludeUndo | GiveUp, faults: Faults | None
) -> tuple[Event, ...]:
    """Return the events that carry out `command`."""
    node = command.node
    match command:
        case Conclude():
            injected = faults is not None and node in faults.errors
            outcome = Failed(node, INJECTED, Effect.NONE) if injected else _value(state, node)
            return Started(node, command.attempt), outcome
        case GiveUp():
            effect = Effect.POSSIBLE if node in state.tainted else Effect.NONE
            retrying = state.retrying.get(node)
            error = _INTERRUPTED if retrying is None else retrying.error
            return (Failed(node, error, effect),)
        case _ if faults is not None and node in faults.undo_errors:
            attempt = state.undo_attempts.get(node, 0) + 1
            return UndoStarted(node, attempt), UndoFailed(node, INJECTED)
        case _:
            return (UndoFinished(node, How.NOTHING),)


def cut_short(node: int) -> Failed:
    """Return the outcome of an attempt that the coordinator has cut short."""
    return Failed(node, _CUT_SHORT, Effect.POSSIBLE)


def lost(command: RunAction | RunUndo, error: ErrorRecord) -> Failed | UndoFailed:
    """Return the outcome of an attempt that a mistake of the coordinator's has ended."""
    if isinstance(command, RunAction):
        return Failed(command.node, error, Effect.POSSIBLE)
    return UndoFailed(command.node, error)


def _value(state: SagaState, node: int) -> Succeeded | Failed:
    binding = state.dag.nodes[node].value
    try:
        return Succeeded(node, NULL if binding is None else state.resolve(binding))
    except (LookupError, SagacityError) as error:
        return Failed(node, ErrorRecord(ErrorKind.INPUT, str(error)), Effect.NONE)


def with_output(state: SagaState, event: Succeeded) -> Succeeded | Failed:
    """Check that the saga's output will be there: a field of this one may be missing."""
    binding = state.dag.output
    try:
        if binding is not None:
            check_fields(binding, event.node, event.output)
    except LookupError as error:
        missing = ErrorRecord(ErrorKind.OUTPUT, f"the saga's output: {error}")
        return Failed(event.node, missing, Effect.POSSIBLE)
    return event
