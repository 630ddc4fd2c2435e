"""What a decision would do, told before anybody decides: `plan` and `--dry-run`.

It reads the store and changes nothing, so it is the same with a coordinator and
without one, and from any process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sagacity.core.decisions import NO_NODE, Answer, Verb, judge_decision
from sagacity.core.events import Adopted
from sagacity.core.forecast import forecast
from sagacity.core.holding import left_behind
from sagacity.core.masking import shown
from sagacity.engine.control import checked_value, decided_by, events_of
from sagacity.engine.listing import owners_alive
from sagacity.engine.summaries import state_of_stored, status_of
from sagacity.errors import ValueNotStorable
from sagacity.ports.store import SagaStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sagacity.core.actions import Action
    from sagacity.core.dag import Dag
    from sagacity.core.forecast import Foreseen
    from sagacity.core.state import SagaState
    from sagacity.core.transitions import NodeStatus
    from sagacity.engine.definitions import Definitions
    from sagacity.engine.requests import Request
    from sagacity.ports.store import SagaStore


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call that would be made: of the action at path `node`, or (`undo`) of its undo.

    Calls of one `step` can run at the same time; step 0 is what runs already. `inputs`
    are those that are known before it runs, `awaited` the names of the others; where an
    action looks things up by name, `inputs` is None. `output` is what an undo is given.
    `not_before_ms` (Unix epoch) is when a retry is due, 0 if it is no matter.
    """

    step: int
    node: str
    label: str
    undo: bool
    attempt: int
    not_before_ms: int
    inputs: Mapping[str, Any] | None
    awaited: tuple[str, ...]
    output: Any


@dataclass(frozen=True, slots=True)
class LeftNode:
    """A node that would be left as it is, with what it may have done."""

    node: str
    label: str
    status: NodeStatus
    stuck: str
    """Why it is stuck; empty if it is not."""
    output: Any


@dataclass(frozen=True, slots=True)
class Plan:
    """What a decision would do if it were made now, and each call succeeded.

    `answer` is `allowed`, `no-op` or `refused`, with `why`. `state` is the saga's
    afterwards (as it is now, unless it is allowed).
    """

    saga_id: UUID
    verb: Verb
    node: str
    answer: Answer
    why: str
    calls: tuple[PlannedCall, ...]
    state: str
    left: tuple[LeftNode, ...]


_LEAVES: Final = frozenset({SagaStatus.ABANDONED, SagaStatus.STUCK})


async def plan_of(
    store: SagaStore,
    definitions: Definitions,
    actions: Mapping[str, Action],
    saga_id: UUID,
    request: Request,
) -> Plan:
    """Return what `request` would do. Nothing is changed.

    Raises:
        NoSuchSaga, NoSuchNode: it, or the node, does not exist.
    """
    alive = await owners_alive(store)
    stored = await store.read(saga_id)
    state = state_of_stored(stored, definitions.dag_of(stored))
    if stored.head.owner not in alive and state.started and state.finished is None:
        state.apply(Adopted(""))  # as the next coordinator will: nothing is in flight any more
    node = state.dag.find(request.path) if request.path else NO_NODE
    verdict = judge_decision(state, request.verb, node, request.value)
    answer, why, calls = verdict.answer, verdict.why, list[PlannedCall]()
    if answer is Answer.ALLOWED:
        try:
            decided = decided_by(checked_value(state.dag, request, node, actions), node)
        except ValueNotStorable as error:
            answer, why = Answer.REFUSED, str(error)
        else:
            for event in events_of(state, decided):
                state.apply(event)
            calls = [_planned(state.dag, each) for each in forecast(state)]
    status = status_of(state) if answer is Answer.ALLOWED else stored.head.state
    left = _left(state) if answer is Answer.ALLOWED and status in _LEAVES else ()
    return Plan(saga_id, request.verb, request.path, answer, why, tuple(calls), status.value, left)


def _planned(dag: Dag, call: Foreseen) -> PlannedCall:
    bound = call.inputs or {}
    known = {name: shown(value) for name, value in bound.items() if value is not None}
    return PlannedCall(
        step=call.step,
        node=dag.paths[call.node],
        label=dag.nodes[call.node].label,
        undo=call.undo,
        attempt=call.attempt,
        not_before_ms=call.not_before_ms,
        inputs=None if call.inputs is None else known,
        awaited=tuple(name for name, value in bound.items() if value is None),
        output=None if call.output is None else shown(call.output),
    )


def _left(state: SagaState) -> tuple[LeftNode, ...]:
    dag = state.dag
    return tuple(
        LeftNode(
            node=dag.paths[node],
            label=dag.nodes[node].label,
            status=state.status[node],
            stuck=state.stuck_on[node].value if node in state.stuck_on else "",
            output=shown(state.outputs[node]) if node in state.outputs else None,
        )
        for node in left_behind(state)
    )
