"""Answers the seven questions of `why`, from the log and from what is known around the saga."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.core.agenda import Direction
from sagacity.core.causes import CAUSES, acts_of
from sagacity.core.dag import Siblings
from sagacity.core.decisions import NO_NODE, Answer, Verb, judge_decision
from sagacity.core.events import (
    Adopted,
    AttemptFailed,
    Created,
    Failed,
    UndoAttemptFailed,
    UndoFailed,
    Unwinding,
)
from sagacity.core.holding import left_behind
from sagacity.core.outcome import node_error
from sagacity.core.transitions import NodeStatus
from sagacity.core.why import Choice, Doing, Held, Ownership, Why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sagacity.core.circumstances import Known
    from sagacity.core.outcome import NodeError
    from sagacity.core.state import SagaState
    from sagacity.core.views import SagaView


def explain(known: Known) -> Why:
    """Answer the seven questions."""
    view, state = known.view, known.state
    nodes = known.nodes
    return Why(
        id=view.id,
        name=view.name,
        version=view.version,
        labels=view.labels,
        state=view.state,
        direction=view.direction,
        created_ms=view.created_ms,
        created_by=_creator(view),
        deadline_ms=state.deadline_ms or None,
        seen_ms=known.now_ms,
        moving=any(node.doing is Doing.RUNNING for node in nodes),
        hung=any(node.doing is Doing.HUNG for node in nodes),
        orphaned=known.orphaned,
        last_event=view.events[-1] if view.events else None,
        turned=_turned(view) if view.direction is Direction.UNWINDING else "",
        nodes=nodes,
        causes=tuple(cause for find in CAUSES for cause in find(known)),
        error=_last_error(known),
        owner=view.owner,
        epoch=view.epoch,
        owned=known.owned,
        owners=_owners(view),
        held=_held(view, state),
        choices=tuple(_choices(state)),
        acts=acts_of(view),
    )


def _creator(view: SagaView) -> str:
    first = view.log[0].event if view.log else None
    return (first.by or first.owner) if isinstance(first, Created) else ""


def _last_error(known: Known) -> NodeError | None:
    """Return the last error of the log, whether or not the node has got over it since."""
    for logged in reversed(known.view.log):
        match logged.event:
            case Failed(node=node, error=error, effect=effect):
                return node_error(known.state.dag, node, error, effect)
            case AttemptFailed(node=node, error=error, effect=effect):
                return node_error(known.state.dag, node, error, effect)
            case UndoFailed(node=node, error=error) | UndoAttemptFailed(node=node, error=error):
                return node_error(known.state.dag, node, error, None)
            case _:
                pass
    return None


def _turned(view: SagaView) -> str:
    """Return why it unwinds: what failed first, or who wanted it."""
    for logged in view.log:
        match logged.event:
            case Unwinding(reason=reason):
                return reason
            case Failed(node=node, error=error):
                return f'node "{view.dag.paths[node]}" failed: {error.message}'
            case _:
                pass
    return ""


# -- 4. who has it? ---------------------------------------------------------------------


def _owners(view: SagaView) -> tuple[Ownership, ...]:
    """Return who has had it, in order; the last one has it (or had it last)."""
    changes: list[tuple[str, int, int | None]] = [
        (logged.event.owner, logged.epoch, logged.time_ms)
        for logged in view.log
        if isinstance(logged.event, Created | Adopted) and logged.event.owner
    ]
    if view.owner and (not changes or changes[-1][:2] != (view.owner, view.epoch)):
        changes.append((view.owner, view.epoch, None))  # adopted, and nothing was written yet
    ends = [*(since_ms for _, _, since_ms in changes[1:]), None][: len(changes)]
    return tuple(
        Ownership(owner, epoch, since_ms, end)
        for (owner, epoch, since_ms), end in zip(changes, ends, strict=True)
    )


# -- 5. what has it touched? --------------------------------------------------------------


def _held(view: SagaView, state: SagaState) -> tuple[Held, ...]:
    """Return the nodes with an effect that is not taken back; read-only ones have none."""
    paths = {state.dag.paths[node] for node in left_behind(state)}
    return tuple(
        Held(node.path, node.output, certain=node.status is NodeStatus.SUCCEEDED)
        for node in view.nodes
        if node.path in paths
    )


# -- 6. what may I do? ------------------------------------------------------------------


def _choices(state: SagaState) -> Iterator[Choice]:
    nodes = sorted({*state.stuck_on, *(node for node in state.retrying if node in state.waiting)})
    for verb in WOULD:
        for node in nodes if verb in _ABOUT_TROUBLE else [NO_NODE]:
            verdict = judge_decision(state, verb, node)
            allowed = verdict.answer is Answer.ALLOWED
            text = WOULD[verb](state, node) if allowed else verdict.why
            path = "" if node == NO_NODE else state.dag.paths[node]
            yield Choice(verb, path, verdict.answer, text)


def _of_undo(state: SagaState, node: int) -> bool:
    return state.status[node] in (NodeStatus.UNDO_STARTED, NodeStatus.UNDO_FAILED)


def _would_abort(state: SagaState, _node: int) -> str:
    done = len(left_behind(state))
    if not state.in_flight:
        first = ""
    elif state.dag.siblings is Siblings.CANCEL:
        first = "cuts short what runs, where that may be, "
    else:
        first = "waits for what runs, "
    back = f"takes back what was done (nodes that hold something: {done})"
    return f"begins nothing more, {first}and {back}"


def _would_retry(state: SagaState, node: int) -> str:
    whose = "its undo" if _of_undo(state, node) else "its action"
    return f"runs {whose} again now, with a fresh budget"


def _would_set_output(state: SagaState, _node: int) -> str:
    unwinds = state.direction is Direction.UNWINDING
    then = "it is undone with that" if unwinds else "the saga goes on with that"
    return f"takes it as succeeded with the output that you give; {then}"


WOULD: Final[Mapping[Verb, Callable[[SagaState, int], str]]] = {
    Verb.PAUSE: lambda _state, _node: "begins nothing more; what runs may finish",
    Verb.UNPAUSE: lambda _state, _node: "goes on where it was",
    Verb.ABORT: _would_abort,
    Verb.RETRY: _would_retry,
    Verb.SKIP: lambda _state, _node: (
        "calls nothing, and takes it as undone; the saga unwinds further"
    ),
    Verb.SET_OUTPUT: _would_set_output,
    Verb.ABANDON: lambda _state, _node: "ends it as it is; what it holds stays",
    Verb.STEP: lambda _state, _node: "lets one node begin that waits; all else stands still",
    Verb.CLEAR_BREAKPOINT: lambda _state, _node: "removes its breakpoints; it runs through",
}
"""What each verb would do, in a sentence; but for setting breakpoints, which mends nothing."""
_ABOUT_TROUBLE: Final = frozenset({Verb.RETRY, Verb.SKIP, Verb.SET_OUTPUT})
"""Verbs that are offered for each node that is stuck or waits for a retry."""
