"""What happens next: `plan(state) -> commands`, the same for a new and a recovered saga.

The fold keeps an agenda of nodes that have something to do. `plan` takes what is
on it and says what: each command is handed out once, and a coordinator that
starts from a log gets all that is left to do. Whether a command is carried out
now or waits for a slot is the coordinator's choice; `is_current` tells whether it
still stands by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from sagacity.core.agenda import Direction
from sagacity.core.events import FinalState
from sagacity.core.immutable import Immutable
from sagacity.core.nodes import NodeKind, Undoing
from sagacity.core.transitions import NodeStatus

if TYPE_CHECKING:
    from sagacity.core.state import SagaState

# Python finds a member of an enum by asking its class, each time it is named.
_FORWARD: Final = Direction.FORWARD
_ACTION: Final = NodeKind.ACTION


class RunAction(Immutable):
    """Call the action of `node`. `again`: an attempt was interrupted before."""

    node: int
    attempt: int
    not_before_ms: int = 0
    """Wall time (Unix epoch, UTC) that it waits for; 0: none."""


class RunUndo(Immutable):
    """Call the undo of `node`."""

    node: int
    attempt: int
    not_before_ms: int = 0


class GiveUp(Immutable):
    """`node` waits for another attempt that will not come, as the saga unwinds.

    Log that it failed: nothing else would say what became of it.
    """

    node: int


class Conclude(Immutable):
    """`node` needs no call: log that a constant or a subsaga's end has its output."""

    node: int
    attempt: int


class ConcludeUndo(Immutable):
    """`node` has nothing to take back: log that its undo is finished."""

    node: int


class Expire(Immutable):
    """Take the saga back once it is `not_before_ms`, if it still goes forward."""

    not_before_ms: int


class Finish(Immutable):
    """Everything is done: log that the saga ended."""

    outcome: FinalState


Command: TypeAlias = RunAction | RunUndo | GiveUp | Conclude | ConcludeUndo | Expire | Finish


def plan(state: SagaState) -> list[Command]:
    """Take what became possible since the last call.

    Nothing before the saga is started, nothing new once it is stuck. While it is paused
    nothing but the nodes that a person lets pass; that it has come to its end is told all
    the same.
    """
    if not state.started or state.finished is not None:
        return []
    if state.stuck_on and state.halted:
        return []
    commands: list[Command] = []
    if state.agenda and not (state.paused and not state.stepped):
        agenda, state.agenda = state.agenda, []
        # What is held back by a pause comes onto the agenda again when that ends.
        waiting = state.stepped if state.paused else state.waiting
        for node in agenda:
            if node in waiting:
                # Not a comprehension, which costs a call for what is mostly one node.
                commands.append(command_for(state, node))  # noqa: PERF401
    if commands or state.in_flight or state.waiting or state.stuck_on:
        if state.expiry_ms and not state.paused:
            commands.insert(0, Expire(state.expiry_ms))  # before anything new begins
            state.expiry_ms = 0
        return commands
    forward = state.direction is _FORWARD
    return [Finish(FinalState.SUCCEEDED if forward else FinalState.UNWOUND)]


def is_current(state: SagaState, command: Command) -> bool:
    """Whether a command that waited (for a slot) is still what is to be done."""
    if state.finished is not None or state.halted or isinstance(command, Finish):
        return False
    if isinstance(command, Expire):
        has_work = bool(state.waiting or state.in_flight)  # else it has arrived in time
        return has_work and not state.paused and may_unwind(state)
    if state.paused and command.node not in state.stepped:
        return False
    return command.node in state.waiting and command_for(state, command.node) == command


def idle_until_ms(state: SagaState) -> int | None:
    """Return when the next retry (or the deadline) is due; None if anything else is to be done."""
    if state.in_flight or not state.waiting:
        return None
    due = [state.retrying[each].at_ms for each in state.waiting if each in state.retrying]
    if len(due) < len(state.waiting):
        return None
    if state.deadline_ms and may_unwind(state):
        due.append(state.deadline_ms)
    return min(due)


def may_unwind(state: SagaState) -> bool:
    """Whether a saga that goes forward can be turned now."""
    if state.direction is Direction.UNWINDING or state.forward_only:
        return False
    return state.pivot_at_stake() is None


def command_for(state: SagaState, node: int) -> Command:
    """Return what is to be done about a node that waits."""
    what = state.dag.nodes[node]
    status = state.status[node]
    not_before_ms = 0
    if state.retrying and node in state.retrying:
        not_before_ms = state.retrying[node].at_ms
    if state.direction is _FORWARD or (
        # Steno's rule: what has to end in a known outcome runs again, and is then undone.
        status is NodeStatus.STARTED and what.atomic and node in state.tainted
    ):
        attempt = state.attempts.get(node, 0) + 1
        if what.kind is not _ACTION:
            return Conclude(node, attempt)
        return RunAction(node, attempt, not_before_ms)
    if status is NodeStatus.STARTED and (
        node not in state.interrupted or what.undoing is Undoing.ASK
    ):
        return GiveUp(node)
    if what.undoing is Undoing.NOTHING:
        return ConcludeUndo(node)
    if status is not NodeStatus.UNDO_STARTED:  # what is retried was the do
        not_before_ms = 0
    return RunUndo(node, state.undo_attempts.get(node, 0) + 1, not_before_ms)
