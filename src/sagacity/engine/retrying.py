"""Whether a failed attempt is followed by another, and when."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from sagacity.core.events import Effect
from sagacity.core.nodes import Undoing
from sagacity.core.policies import ONCE, PATIENT
from sagacity.errors import ActionFailed, InputMismatch, NoSuchInput, UndoFailed

if TYPE_CHECKING:
    from sagacity.core.actions import Action
    from sagacity.core.policies import Retry
    from sagacity.core.state import SagaState

log: Final = logging.getLogger("sagacity")


def retry_policy(state: SagaState, node: int, action: Action, effect: Effect) -> Retry:
    """Return how the do of `node` is retried: as the node says, or else the action.

    Where neither says it, what cannot be unwound is tried until it succeeds: anything behind
    a point of no return, and the point itself once it may have had its effect.
    """
    what = state.dag.nodes[node]
    policy = what.retry or action.retry
    if policy is not ONCE:
        return policy
    at_stake = effect is Effect.POSSIBLE and what.undoing is Undoing.PIVOT
    return PATIENT if state.forward_only or at_stake else policy


def retry_at_ms(
    state: SagaState,
    node: int,
    policy: Retry,
    error: BaseException,
    *,
    now_ms: int,
    chance: float,
) -> int | None:
    """Return when the do (or the undo) of `node`, which failed with `error`, is tried again.

    None: never, because it is final, of another kind, or one too many.
    """
    before = state.retrying.get(node)
    failed = 1 if before is None else before.failed + 1
    if not policy.allows(failed) or is_final(error) or not _takes(policy, error):
        return None
    at_ms = now_ms + policy.delay_ms(failed, chance)
    deadline_ms = state.deadlines.get(node)
    return None if deadline_ms is not None and at_ms > deadline_ms else at_ms


def is_final(error: BaseException) -> bool:
    """Whether another attempt cannot be better: the author says so, or the inputs do not fit."""
    return (isinstance(error, ActionFailed) and error.final) or isinstance(
        error, UndoFailed | NoSuchInput | InputMismatch
    )


def _takes(policy: Retry, error: BaseException) -> bool:
    try:
        return policy.takes(error)
    except BaseException:  # a border: this is user code too
        log.exception("the on= of a retry policy failed; what it was asked about is not retried")
        return False
