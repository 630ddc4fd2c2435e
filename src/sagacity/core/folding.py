"""Logs to states: the same fold for who drives a saga and for who looks at one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagacity.core.events import EventKind, Started, UndoStarted
from sagacity.core.state import SagaState
from sagacity.errors import LogCorrupt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sagacity.core.codec import LoggedEvent
    from sagacity.core.dag import Dag
    from sagacity.core.events import Event
    from sagacity.core.values import Json


def replay(dag: Dag, params: Json, events: Iterable[Event]) -> SagaState:
    """Return the state that `events` add up to.

    Raises:
        LogCorrupt: naming the event that cannot be.
    """
    state = SagaState(dag, params)
    for event in events:
        try:
            state.apply(event)
        except LogCorrupt as error:
            raise LogCorrupt(f"event {state.sequence + 1}: {error}") from error
    return state


def fold_log(dag: Dag, params: Json, log: Iterable[LoggedEvent]) -> SagaState:
    """Return the state of a stored log.

    Raises:
        LogCorrupt: names the sequence of the event that cannot be.
    """
    state = SagaState(dag, params)
    for logged in log:
        event = logged.event
        try:
            state.apply(event)
        except LogCorrupt as error:
            raise LogCorrupt(f"event {logged.sequence}: {error}") from error
        if isinstance(event, Started | UndoStarted):
            undo = event.kind is EventKind.UNDO_STARTED
            state.remember_begin(event.node, undo=undo, time_ms=logged.time_ms)
    return state
