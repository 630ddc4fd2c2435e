"""What people may decide about a saga, and when: one table, for the fold and for those who ask.

A decision is an event of the log (`Decided`), with who, why, and the id of the request:
the same request is taken once, however often it is sent.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sagacity.core.agenda import Direction, StuckReason
from sagacity.core.breakpoints import MAX_BREAKPOINTS, At, Breakpoint, is_passed, read_at
from sagacity.core.immutable import Immutable
from sagacity.core.transitions import NodeStatus

if TYPE_CHECKING:
    from sagacity.core.state import SagaState
    from sagacity.core.values import Json

NO_NODE: Final = -1


class Verb(StrEnum):
    """What a person can do about a saga."""

    PAUSE = "pause"
    UNPAUSE = "unpause"
    ABORT = "abort"
    RETRY = "retry"
    SKIP = "skip"
    SET_OUTPUT = "set_output"
    ABANDON = "abandon"
    STEP = "step"
    SET_BREAKPOINT = "set_breakpoint"
    CLEAR_BREAKPOINT = "clear_breakpoint"


OF_NODES: Final = frozenset(
    {
        Verb.RETRY,
        Verb.SKIP,
        Verb.SET_OUTPUT,
        Verb.STEP,
        Verb.SET_BREAKPOINT,
        Verb.CLEAR_BREAKPOINT,
    }
)
"""The verbs that can be about a node."""
NEED_A_NODE: Final = frozenset({Verb.SKIP, Verb.SET_OUTPUT})
BEFORE_START: Final = frozenset(
    {Verb.PAUSE, Verb.UNPAUSE, Verb.ABANDON, Verb.SET_BREAKPOINT, Verb.CLEAR_BREAKPOINT}
)
"""The verbs that a saga takes also before it is started."""


class Answer(StrEnum):
    """What becomes of a decision."""

    ALLOWED = "allowed"
    NO_OP = "no-op"
    REFUSED = "refused"


class Verdict(Immutable):
    """An answer, with the reason unless it is allowed."""

    answer: Answer
    why: str = ""


_ALLOWED: Final = Verdict(Answer.ALLOWED)


def judge_decision(
    state: SagaState, verb: Verb, node: int = NO_NODE, value: Json | None = None
) -> Verdict:
    """Return what becomes of `verb` (about `node`) while the saga is in `state`.

    `value` is what a breakpoint is at.
    """
    if state.finished is not None:
        if verb is Verb.ABANDON and state.finished == "abandoned":
            return Verdict(Answer.NO_OP, "it is abandoned already")
        return Verdict(Answer.REFUSED, f"it has ended: {state.finished}")
    if not state.started and verb not in BEFORE_START:
        return Verdict(Answer.REFUSED, "it was not started; it can be started or abandoned")
    match verb:
        case Verb.PAUSE:
            # Who pauses a saga that is held means that it stays paused when the hold is lifted.
            is_so = state.paused and not state.held_by
            return Verdict(Answer.NO_OP, "it is paused already") if is_so else _ALLOWED
        case Verb.UNPAUSE:
            return _ALLOWED if state.paused else Verdict(Answer.NO_OP, "it is not paused")
        case Verb.ABORT:
            return _of_abort(state)
        case Verb.ABANDON:
            return _of_abandon(state)
        case Verb.STEP:
            return _of_step(state, node)
        case Verb.SET_BREAKPOINT:
            return _of_breakpoint(state, node, value)
        case Verb.CLEAR_BREAKPOINT:
            some = cleared(state, node, value)
            return _ALLOWED if some else Verdict(Answer.NO_OP, "there is no such breakpoint")
        case Verb.RETRY if node == NO_NODE:
            return _ALLOWED if retriable(state) else _not_retriable(state)
        case _:
            return _of_node(state, verb, node)


def _not_retriable(state: SagaState) -> Verdict:
    if not state.stuck_on:
        return Verdict(Answer.REFUSED, "none of its nodes is stuck or waits for a retry")
    path = state.dag.paths[min(state.stuck_on)]
    return Verdict(Answer.REFUSED, f'node "{path}" {_ASKS}')


_ASKS: Final = "has no undo that could be tried: skip it, or abandon the saga"


def retriable(state: SagaState) -> list[int]:
    """Return the nodes that a person may let run again now."""
    waiting = [node for node in state.retrying if node in state.waiting]
    stuck = [node for node, why in state.stuck_on.items() if why is not StuckReason.ASKS]
    return sorted({*stuck, *waiting})


def _of_abort(state: SagaState) -> Verdict:
    if state.direction is Direction.UNWINDING:
        return Verdict(Answer.NO_OP, "it unwinds already")
    if state.forward_only:
        return Verdict(Answer.REFUSED, "its point of no return is behind it: it only goes forward")
    pivot = state.pivot_at_stake()
    if pivot is None:
        return _ALLOWED
    name = state.dag.paths[pivot]
    return Verdict(
        Answer.REFUSED, f'its point of no return, node "{name}", may have had its effect already'
    )


def next_step(state: SagaState, node: int = NO_NODE) -> int | None:
    """Return the node that a step lets pass: the one asked for, or what has waited longest."""
    for each in state.waiting:
        if each not in state.stepped and node in (NO_NODE, each):
            return each
    return None


def _of_step(state: SagaState, node: int) -> Verdict:
    if state.halted:
        return Verdict(Answer.REFUSED, "it is stuck: retry, skip, set an output, or abandon it")
    if next_step(state, node) is not None:
        return _ALLOWED
    if state.stepped and node in (NO_NODE, *state.stepped):
        return Verdict(Answer.NO_OP, "it takes that step already")
    if node != NO_NODE:
        path = state.dag.paths[node]
        return Verdict(Answer.REFUSED, f'node "{path}" does not wait to begin')
    why = "attempts are running; wait for them" if state.in_flight else "nothing waits to begin"
    return Verdict(Answer.REFUSED, why)


def cleared(state: SagaState, node: int, value: Json | None) -> frozenset[Breakpoint]:
    """Return the breakpoints that are meant: of one node or of all, at one place or at any."""
    at = read_at(value)
    return frozenset(
        each for each in state.breakpoints if node in (NO_NODE, each.node) and at in (None, each.at)
    )


def _of_breakpoint(state: SagaState, node: int, value: Json | None) -> Verdict:
    at = read_at(value)
    if at is None:
        return Verdict(Answer.REFUSED, f"a breakpoint is at one of: {', '.join(At)}")
    if node == NO_NODE and at is not At.FAILURE:
        return Verdict(Answer.REFUSED, f'a breakpoint "{at}" needs a node')
    wanted = Breakpoint(at, node)
    if wanted in state.breakpoints:
        return Verdict(Answer.NO_OP, "it is set already")
    if is_passed(wanted, state):
        return Verdict(Answer.REFUSED, f'node "{state.dag.paths[node]}" is beyond that')
    if len(state.breakpoints) >= MAX_BREAKPOINTS:
        return Verdict(Answer.REFUSED, f"a saga has at most {MAX_BREAKPOINTS:,} breakpoints")
    return _ALLOWED


def _of_abandon(state: SagaState) -> Verdict:
    if not state.in_flight:
        return _ALLOWED
    running = ", ".join(f'"{state.dag.paths[node]}"' for node in sorted(state.in_flight)[:5])
    return Verdict(Answer.REFUSED, f"attempts are running: {running}; pause it, and wait for them")


def _of_node(state: SagaState, verb: Verb, node: int) -> Verdict:
    if not 0 <= node < len(state.status) or state.dag.markers[node]:
        return Verdict(Answer.REFUSED, f"{verb} needs a node")
    stuck = state.stuck_on.get(node)
    waits = node in state.retrying and node in state.waiting
    undoing = state.status[node] is NodeStatus.UNDO_STARTED
    match verb:
        case Verb.RETRY if stuck is StuckReason.ASKS:
            fits, wanted = False, _ASKS
        case Verb.RETRY:
            fits, wanted = stuck is not None or waits, "neither stuck nor waits for a retry"
        case Verb.SKIP:
            forward = state.forward_only and stuck is not None
            fits = (stuck is not None and not forward) or (waits and undoing)
            wanted = (
                "is behind the point of no return, where nothing is undone: set its output"
                if forward
                else "neither stuck nor has an undo that waits for a retry"
            )
        case _:
            unknown = stuck not in (None, StuckReason.ASKS, StuckReason.UNDO_FAILED)
            fits = (unknown or waits) and not undoing
            wanted = "has no unknown outcome, nor an action that waits for a retry"
    if fits:
        return _ALLOWED
    return Verdict(Answer.REFUSED, f'node "{state.dag.paths[node]}" {wanted}')
