"""How a saga ended, or why it does not go on: what `wait` gives.

`errors` holds everything that went wrong, do and undo alike, in the order of the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sagacity.core.events import Effect, FinalState
from sagacity.core.masking import shown
from sagacity.core.transitions import NodeStatus
from sagacity.errors import LogCorrupt

if TYPE_CHECKING:
    from sagacity.core.agenda import StuckReason
    from sagacity.core.dag import Dag
    from sagacity.core.events import ErrorKind, ErrorRecord
    from sagacity.core.state import SagaState
    from sagacity.core.values import Json


@dataclass(frozen=True, slots=True)
class NodeError:
    """One error of one node.

    `node` is its path, `data` what the author attached, `effect` what may be left
    behind. `traceback` is text, for people.
    """

    node: str
    kind: ErrorKind
    message: str
    data: Any
    effect: Effect | None
    class_name: str = ""
    traceback: str = ""
    undo: bool = False


@dataclass(frozen=True, slots=True)
class Succeeded:
    """Every node succeeded; `output` is the saga's, as JSON."""

    output: Any


@dataclass(frozen=True, slots=True)
class Unwound:
    """It failed, and everything it had done was taken back."""

    errors: tuple[NodeError, ...]


@dataclass(frozen=True, slots=True)
class Stuck:
    """A person must decide. Not final: the saga can still go on."""

    reason: StuckReason
    errors: tuple[NodeError, ...]
    undo_errors: tuple[NodeError, ...]


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A person ended it."""

    reason: str
    by: str
    errors: tuple[NodeError, ...]


Outcome: TypeAlias = Succeeded | Unwound | Stuck | Abandoned


def outcome_of(state: SagaState) -> Outcome | None:
    """Return how the saga of `state` ended, or None while it has not."""
    if state.finished is FinalState.SUCCEEDED:
        return Succeeded(shown(output_of(state)))
    if state.finished is FinalState.UNWOUND:
        return Unwound(all_errors(state))
    if state.finished is FinalState.ABANDONED:
        return Abandoned(*state.abandoned, all_errors(state))
    reason = state.stuck
    if reason is None:
        return None
    return Stuck(reason, do_errors(state), undo_errors(state))


def output_of(state: SagaState) -> Json:
    """Return the output of a saga that succeeded, as stored.

    Raises:
        LogCorrupt: it has none; no engine of ours can have written that.
    """
    try:
        return state.output()
    except LookupError as error:
        raise LogCorrupt(f"the output of a saga that succeeded: {error}") from error


def all_errors(state: SagaState) -> tuple[NodeError, ...]:
    """Return the errors of actions and undos, in the order of the log."""
    return tuple(
        node_error(state.dag, node, error, effect) for node, error, effect in state.failures
    )


def do_errors(state: SagaState) -> tuple[NodeError, ...]:
    """Return the errors of actions, in the order of the log."""
    return tuple(error for error in all_errors(state) if not error.undo)


def undo_errors(state: SagaState) -> tuple[NodeError, ...]:
    """Return the errors of undos, in the order of the log."""
    return tuple(error for error in all_errors(state) if error.undo)


def last_try(state: SagaState, node: int) -> NodeError | None:
    """Return the error of the last attempt of `node`, if it is retried."""
    retrying = state.retrying.get(node)
    if retrying is None:
        return None
    possible = Effect.POSSIBLE if node in state.tainted else Effect.NONE
    undoing = state.status[node] is NodeStatus.UNDO_STARTED
    return node_error(state.dag, node, retrying.error, None if undoing else possible)


def node_error(dag: Dag, node: int, error: ErrorRecord, effect: Effect | None) -> NodeError:
    """Return a stored error as people see it; without an `effect` it is that of an undo."""
    return NodeError(
        node=dag.paths[node],
        kind=error.kind,
        message=error.message,
        data=None if error.data is None else shown(error.data),
        effect=effect,
        class_name=error.class_name,
        traceback=error.traceback,
        undo=effect is None,
    )
