"""Holds: sagas that people let stand still by name, by label, or all of the store.

A hold is a standing order in the store. It reaches a saga through the saga's own log: a
`pause`, at most once for each hold and saga, and an `unpause` when no hold is on it any
more. So a saga that a person paused stays paused, and one that a person unpaused goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

import msgspec

from sagacity.core.decisions import Verb
from sagacity.core.sealed import refuse_sealed_text
from sagacity.core.values import encode
from sagacity.engine.control import decision_of
from sagacity.engine.requests import Request, new_request
from sagacity.errors import StoreCorrupt
from sagacity.ports.store import Order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagacity.core.actions import Action
    from sagacity.core.state import SagaState
    from sagacity.engine.executor import Execution
    from sagacity.ports.store import SagaStore

KIND: Final = "hold"
MAX_HOLDS: Final = 100
"""The most that are in force at one time, each of which every saga that begins is held against."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Sagas that begin nothing: those of this name, with all these labels; or `everything`.

    `since_ms` is milliseconds since the Unix epoch. `lifted_by` and `lifted_reason` are
    None while it is in force.
    """

    id: UUID
    name: str | None
    labels: Mapping[str, str]
    everything: bool
    by: str
    reason: str
    since_ms: int
    lifted_by: str | None = None
    lifted_reason: str | None = None

    @property
    def in_force(self) -> bool:
        """Whether nobody has lifted it."""
        return self.lifted_by is None

    def covers(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether it is on sagas of this name with these labels."""
        return (self.name is None or self.name == name) and all(
            labels.get(key) == value for key, value in self.labels.items()
        )


def is_same_scope(hold: Hold, other: Hold) -> bool:
    """Whether two holds are on the same sagas, by what was said."""
    return (hold.name, hold.labels, hold.everything) == (
        other.name,
        other.labels,
        other.everything,
    )


# -- in the store ------------------------------------------------------------------------


async def read_holds(store: SagaStore) -> Sequence[tuple[Order, Hold]]:
    """Return all holds of the store, those that were lifted and still take effect too.

    Raises:
        StoreCorrupt: one is damaged.
    """
    return [(order, _hold_of(order)) for order in await store.orders(KIND)]


def order_of(hold: Hold, version: int) -> Order:
    """Return what is kept of a hold."""
    return Order(hold.id, KIND, version, encode(msgspec.to_builtins(hold)))


def lifted(hold: Hold, by: str, reason: str) -> Hold:
    """Return the hold, not in force any more."""
    return replace(hold, lifted_by=by, lifted_reason=reason)


def _hold_of(order: Order) -> Hold:
    try:
        return msgspec.json.decode(order.document, type=Hold)
    except msgspec.MsgspecError as error:
        refuse_sealed_text(order.document)
        raise StoreCorrupt(f"hold {order.id} is damaged: {error}") from error


# -- on a saga -----------------------------------------------------------------------------


class Holds:
    """All holds of a store, and what they ask of a saga."""

    def __init__(self, holds: Sequence[Hold] = ()) -> None:
        """Begin with those that were read."""
        self._in_force: Final = [hold for hold in holds if hold.in_force]
        self._lifted: Final = {str(hold.id): hold for hold in holds if not hold.in_force}

    def __bool__(self) -> bool:
        """Whether one is in force."""
        return bool(self._in_force)

    def wish(
        self, state: SagaState, saga_id: UUID, name: str, labels: Mapping[str, str]
    ) -> Request | None:
        """Return what is to be asked of the saga now, so that it is as the holds want it."""
        held_by = state.held_by
        if not state.started or state.finished is not None or (state.paused and not held_by):
            return None
        covering = [hold for hold in self._in_force if hold.covers(name, labels)]
        if any(str(hold.id) == held_by for hold in covering):
            return None
        for hold in covering:
            request = _request(hold.id, saga_id, Verb.PAUSE, hold.by, hold.reason)
            if str(request.request_id) not in state.requests:
                return request
        return self._release(held_by, saga_id) if held_by else None

    def apply(self, execution: Execution, actions: Mapping[str, Action]) -> bool:
        """Record what is to be asked of a saga that is about to run; False if there is nothing."""
        state, saga_id = execution.state, execution.saga_id
        request = self.wish(state, saga_id, execution.name, execution.labels)
        decided = None if request is None else decision_of(state, saga_id, request, actions)
        if decided is not None:
            execution.take_decision(decided)
        return decided is not None

    def _release(self, held_by: str, saga_id: UUID) -> Request:
        hold = self._lifted.get(held_by)
        by, reason = ("", "") if hold is None else (hold.lifted_by, hold.lifted_reason)
        return _request(UUID(held_by), saga_id, Verb.UNPAUSE, by or "", reason or "")


def _request(hold_id: UUID, saga_id: UUID, verb: Verb, by: str, reason: str) -> Request:
    request_id = uuid5(hold_id, f"{verb.value} {saga_id}")
    return new_request(
        verb, by=by, reason=reason, request_id=request_id, value=encode(str(hold_id))
    )
