"""What a person asks of a saga: checked, and made an event of its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec.structs import replace

from sagacity.core.agenda import Direction
from sagacity.core.decisions import NEED_A_NODE, NO_NODE, Answer, Verb, judge_decision
from sagacity.core.events import Decided, FinalState, Finished, Unwinding
from sagacity.core.sealed import refuse_sealed
from sagacity.core.values import MOST_VALUE_BYTES, NULL, decode, encode
from sagacity.engine import system
from sagacity.engine.requests import Request
from sagacity.engine.summaries import status_of
from sagacity.errors import SagaStateError
from sagacity.ports.store import InboxCommand

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sagacity.core.actions import Action
    from sagacity.core.dag import Dag
    from sagacity.core.events import Event
    from sagacity.core.state import SagaState


def decision_of(
    state: SagaState, saga_id: UUID, request: Request, actions: Mapping[str, Action]
) -> Decided | None:
    """Return the event that `request` becomes; None if it is done already or changes nothing.

    Raises:
        NoSuchNode: there is no node at its path.
        SagaStateError: the saga is in no state for it; the text says why.
        ValueNotStorable: the output to set is not one of the node's action.
    """
    if str(request.request_id) in state.requests:
        return None
    node = state.dag.find(request.path) if request.path else NO_NODE
    if request.verb is Verb.UNPAUSE and request.value not in (None, encode(state.held_by)):
        return None  # the hold that was lifted is not what it is paused for any more
    verdict = judge_decision(state, request.verb, node, request.value)
    if verdict.answer is Answer.REFUSED:
        raise SagaStateError(saga_id, status_of(state), request.verb, verdict.why)
    if verdict.answer is Answer.NO_OP:
        return None
    return decided_by(checked_value(state.dag, request, node, actions), node)


def checked_value(dag: Dag, request: Request, node: int, actions: Mapping[str, Action]) -> Request:
    """Return the request with the output to set as it is stored, if there is one.

    Where the action is not known here it is taken as it is.

    Raises:
        ValueNotStorable: it is not one of the node's action.
    """
    if request.verb is not Verb.SET_OUTPUT:
        return request
    action = actions.get(dag.nodes[node].action)
    value = NULL if request.value is None else request.value
    return replace(request, value=value if action is None else action.check_output(value))


def decided_by(request: Request, node: int) -> Decided:
    """Return the event that `request`, about `node`, becomes."""
    request_id = str(request.request_id)
    return Decided(request.verb, node, request.by, request.reason, request_id, request.value)


def events_of(state: SagaState, decided: Decided) -> tuple[Event, ...]:
    """Return `decided` with what follows from it at once, as one record."""
    if decided.verb == Verb.ABANDON:
        return decided, Finished(FinalState.ABANDONED)
    if decided.verb == Verb.ABORT and state.direction is Direction.FORWARD:
        return decided, Unwinding(f"aborted by {decided.by}: {decided.reason}")
    if decided.verb == Verb.SKIP and state.direction is Direction.FORWARD:  # a pivot
        path = state.dag.paths[decided.node]
        return decided, Unwinding(f'node "{path}" skipped by {decided.by}: {decided.reason}')
    return (decided,)


# -- through the inbox -----------------------------------------------------------------


def decision_command(saga_id: UUID, request: Request) -> InboxCommand:
    """Return the command that asks another process for it."""
    arguments: dict[str, Any] = {
        "node": request.path,
        "by": request.by,
        "reason": request.reason,
    }
    if request.value is not None:  # as it is: one at the limit must have room for the rest, too
        arguments["value"] = orjson.Fragment(request.value)
    return InboxCommand(
        request_id=request.request_id,
        saga_id=saga_id,
        verb=request.verb.value,
        arguments=orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS),
        sent_ms=system.wall_ms(),
    )


def is_decision(verb: str) -> bool:
    """Whether a command of the inbox is a decision of a person."""
    return verb in _VERBS


_VERBS: Final = frozenset(verb.value for verb in Verb)


def read_request(command: InboxCommand) -> Request:
    """Return what a command of the inbox asks.

    Raises:
        ValueError: its arguments are not those of a decision.
    """
    match decode(command.arguments):
        case {"node": str(path), "by": str(by), "reason": str(reason), **rest}:
            value = encode(rest["value"], limit_bytes=MOST_VALUE_BYTES) if "value" in rest else None
            verb = Verb(command.verb)
            if verb in NEED_A_NODE and not path:
                raise ValueError(f"{verb} needs a node")
            return Request(command.request_id, verb, path, by, reason, value)
        case arguments:
            refuse_sealed(arguments)
            raise ValueError(f"not a decision: {command.arguments!r:.100}")
