"""What lists show of a saga, from its state; and stored sagas as views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.core.agenda import Direction
from sagacity.core.codec import decode_log
from sagacity.core.events import FinalState
from sagacity.core.folding import fold_log
from sagacity.core.viewing import view_of
from sagacity.core.views import SagaSummary
from sagacity.engine.handle import ending_of
from sagacity.errors import LogCorrupt, StoreCorrupt
from sagacity.ports.store import FINAL, SagaStatus, Summary

if TYPE_CHECKING:
    from sagacity.core.dag import Dag
    from sagacity.core.state import SagaState
    from sagacity.core.views import SagaView
    from sagacity.engine.definitions import Definitions
    from sagacity.engine.handle import Ending
    from sagacity.ports.store import SagaHead, StoredSaga


def summary_of(state: SagaState) -> Summary:
    """Return the summary that goes with an append."""
    return _SUMMARIES[state.direction][status_of(state)]


_SUMMARIES: Final = {
    direction: {status: Summary(status, direction) for status in SagaStatus}
    for direction in Direction
}


_RUNNING: Final = SagaStatus.RUNNING  # looked up once: it is asked for with each append
_ENDED: Final = {final: SagaStatus(final.value) for final in FinalState}


def status_of(state: SagaState) -> SagaStatus:
    """Return the state of a saga as people see it."""
    if state.in_flight and state.started and not state.paused:  # the commonest first
        return _RUNNING
    if state.finished is not None:
        return _ENDED[state.finished]
    if not state.started:
        return SagaStatus.READY
    if state.stuck_on and state.stuck is not None:
        return SagaStatus.STUCK
    if state.paused:
        return SagaStatus.PAUSED
    if not state.attempts and state.direction is Direction.FORWARD:
        return SagaStatus.QUEUED
    return SagaStatus.RUNNING


def view_of_stored(stored: StoredSaga, dag: Dag) -> SagaView:
    """Return the view of a stored saga.

    Raises:
        StoreCorrupt: its log cannot be; the text names saga and sequence.
    """
    head = stored.head
    try:
        return view_of(
            saga_id=head.id,
            name=head.name,
            state_name=head.state.value,
            labels=head.labels,
            fingerprint=head.fingerprint,
            owner=head.owner,
            epoch=head.epoch,
            created_ms=head.created_ms,
            updated_ms=head.updated_ms,
            dag=dag,
            params=stored.params,
            log=list(decode_log(stored.records)),
            priority=head.priority,
        )
    except LogCorrupt as error:
        raise StoreCorrupt(f"saga {head.id}: {error}") from error


def state_of_stored(stored: StoredSaga, dag: Dag) -> SagaState:
    """Return the state of a stored saga.

    Raises:
        StoreCorrupt: its log cannot be; the text names saga and sequence.
    """
    try:
        return fold_log(dag, stored.params, decode_log(stored.records))
    except LogCorrupt as error:
        raise StoreCorrupt(f"saga {stored.head.id}: {error}") from error


def ending_of_stored(stored: StoredSaga, definitions: Definitions) -> Ending | None:
    """Return how a stored saga ended, or why it is stuck; None while it goes on.

    Raises:
        StoreCorrupt: its definition or its log is damaged.
    """
    if stored.head.state not in FINAL and stored.head.state is not SagaStatus.STUCK:
        return None
    return ending_of(stored.head.name, state_of_stored(stored, definitions.dag_of(stored)))


def listed(head: SagaHead, *, orphaned: bool = False, hung: bool | None = None) -> SagaSummary:
    """Return the head of a saga as a list shows it."""
    return SagaSummary(
        id=head.id,
        name=head.name,
        state=head.state.value,
        direction=head.direction,
        labels=head.labels,
        owner=head.owner,
        epoch=head.epoch,
        created_ms=head.created_ms,
        updated_ms=head.updated_ms,
        orphaned=orphaned,
        hung=hung,
        priority=head.priority,
    )
