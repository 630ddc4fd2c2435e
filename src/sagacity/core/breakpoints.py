"""Breakpoints: places where a saga pauses by itself, each once."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sagacity.core.events import (
    AttemptFailed,
    Failed,
    Succeeded,
    UndoAttemptFailed,
    UndoFailed,
    UndoFinished,
)
from sagacity.core.immutable import Immutable
from sagacity.core.planner import Conclude, ConcludeUndo, RunAction, RunUndo, command_for
from sagacity.core.transitions import NodeStatus
from sagacity.core.values import decode

if TYPE_CHECKING:
    from sagacity.core.events import Event
    from sagacity.core.state import SagaState
    from sagacity.core.values import Json

ANY_NODE: Final = -1
MAX_BREAKPOINTS: Final = 1_000
"""Of one saga: each event is held against all of them."""


class At(StrEnum):
    """Where a saga pauses: around the do or the undo of a node, or when an attempt failed."""

    BEFORE = "before"
    AFTER = "after"
    BEFORE_UNDO = "before-undo"
    AFTER_UNDO = "after-undo"
    FAILURE = "failure"


class Breakpoint(Immutable):
    """A place. `node` is `ANY_NODE` for a failure wherever it comes."""

    at: At
    node: int = ANY_NODE


def read_at(value: Json | None) -> At | None:
    """Return the place that a decision names; None if it names none that there is."""
    if value is None:
        return None
    named = decode(value)
    return At(named) if named in list(At) else None


def is_hit(breakpoint_: Breakpoint, state: SagaState, event: Event) -> bool:
    """Whether a saga that has just taken `event` stands at the breakpoint."""
    node = breakpoint_.node
    match breakpoint_.at:
        case At.BEFORE | At.BEFORE_UNDO:
            return node in state.waiting and _is_about_to(breakpoint_, state)
        case At.AFTER:
            return isinstance(event, Succeeded) and event.node == node
        case At.AFTER_UNDO:
            return isinstance(event, UndoFinished) and event.node == node
        case At.FAILURE:
            return isinstance(
                event, AttemptFailed | Failed | UndoAttemptFailed | UndoFailed
            ) and node in (ANY_NODE, event.node)


def _is_about_to(breakpoint_: Breakpoint, state: SagaState) -> bool:
    node, command = breakpoint_.node, command_for(state, breakpoint_.node)
    if breakpoint_.at is At.BEFORE:
        return isinstance(command, RunAction | Conclude) and node not in state.attempts
    return isinstance(command, RunUndo | ConcludeUndo) and node not in state.undo_attempts


_BEGUN: Final = frozenset(NodeStatus) - {NodeStatus.NEVER_STARTED}
_UNDO_BEGUN: Final = frozenset(
    {NodeStatus.UNDO_STARTED, NodeStatus.UNDONE, NodeStatus.UNDO_FAILED, NodeStatus.FAILED}
)
_PASSED: Final = {
    At.BEFORE: _BEGUN,
    At.AFTER: _BEGUN - {NodeStatus.STARTED},
    At.BEFORE_UNDO: _UNDO_BEGUN,
    At.AFTER_UNDO: frozenset({NodeStatus.UNDONE, NodeStatus.FAILED}),
    At.FAILURE: frozenset({NodeStatus.UNDONE}),
}


def is_passed(breakpoint_: Breakpoint, state: SagaState) -> bool:
    """Whether the saga cannot come to it any more."""
    node = breakpoint_.node
    return node != ANY_NODE and state.status[node] in _PASSED[breakpoint_.at]
