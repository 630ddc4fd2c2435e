"""What a caller hands in to be created, validated at the edge before anything is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakSet

from sagacity.authoring import Saga
from sagacity.core.codec import encode_record
from sagacity.core.dag import Dag
from sagacity.core.definition import constants_of
from sagacity.core.events import Created, StartRequested
from sagacity.core.immutable import Immutable
from sagacity.core.masking import revived
from sagacity.core.sealed import refuse_sealed
from sagacity.core.state import SagaState
from sagacity.core.values import MOST_VALUE_BYTES, decode, encode, within
from sagacity.engine import system
from sagacity.engine.definitions import definition_for
from sagacity.engine.requests import whoami
from sagacity.engine.summaries import summary_of
from sagacity.errors import DagError, SagaExists
from sagacity.ports.store import NewSaga

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from sagacity.core.actions import ActionRegistry
    from sagacity.core.events import Event
    from sagacity.core.values import Json

MAX_LABELS: Final = 64
MAX_LABEL_CHARS: Final = 256
_NO_CODE: Final = (
    "The coordinator was not given the code that the saga needs. Give it the saga, or all its "
    "actions: Sec(store, [saga])"
)


class Intake(Immutable):
    """A saga to create: its DAG, its params as stored, and how to read its output."""

    dag: Dag
    params: Json
    labels: Mapping[str, str]
    decode_output: Callable[[Json], Any]


def take_in(
    saga: Saga[Any, Any] | Dag,
    params: Any,
    labels: Mapping[str, str] | None,
    max_value_bytes: int,
) -> Intake:
    """Check what a caller wants to run.

    Raises:
        DagError: the DAG has mistakes (only a dynamic saga's can still have any).
        ValueNotStorable: the params do not fit or cannot be stored.
        TypeError: not a saga, or labels that are not short strings.
    """
    checked = check_labels(labels)
    if isinstance(saga, Dag):
        stored = within(encode(params, limit_bytes=MOST_VALUE_BYTES), max_value_bytes)
        return Intake(saga, stored, checked, revived)
    if not isinstance(saga, Saga):  # pyright: ignore[reportUnnecessaryIsInstance] - the edge
        raise TypeError(f"{saga!r:.80} is no saga: give a function decorated with @saga, or a Dag")
    dag, stored = saga.dag_for(params), within(saga.encode_params(params), max_value_bytes)
    return Intake(dag, stored, checked, saga.decode_output)


def check_labels(labels: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return `labels`, bounded in number and length.

    Raises:
        TypeError: a key or value is no string, or there are too many or too long ones.
    """
    if not labels:
        return {}
    if len(labels) > MAX_LABELS:
        raise TypeError(f"{len(labels)} labels are over the limit of {MAX_LABELS}")
    for key, value in labels.items():
        for text in cast("tuple[object, ...]", (key, value)):
            if not isinstance(text, str) or len(text) > MAX_LABEL_CHARS:
                raise TypeError(
                    f"label {key!r:.80}={value!r:.80}: both must be strings "
                    f"of at most {MAX_LABEL_CHARS} characters"
                )
            encode(text)
    return dict(labels)


class ActionCheck:
    """Whether a coordinator's actions are those that a DAG needs, looked at once per DAG."""

    def __init__(self, registry: ActionRegistry) -> None:
        """Check against `registry`."""
        self._registry: Final = registry
        self._passed: WeakSet[Dag] = WeakSet()

    def __call__(self, dag: Dag) -> None:
        """Check that the coordinator can run `dag`.

        Raises:
            DagError: names each action that is not registered, or not in the needed version.
        """
        if dag in self._passed:
            return
        missing = self._registry.missing_for(dag)
        if missing:
            raise DagError(dag.name, missing, says="cannot run here", remedy=_NO_CODE)
        self._passed.add(dag)


def new_saga(
    intake: Intake,
    saga_id: UUID,
    state: SagaState,
    events: Sequence[Event],
    *,
    now_ms: int,
    owner: str,
    epoch: int,
    priority: int = 0,
) -> NewSaga:
    """Return what the store needs to create the saga, with `events` as its first record."""
    return NewSaga(
        id=saga_id,
        name=intake.dag.name,
        definition=definition_for(intake.dag),
        constants=constants_of(intake.dag),
        params=intake.params,
        labels=intake.labels,
        record=encode_record(events, time_ms=now_ms, epoch=epoch),
        event_count=len(events),
        summary=summary_of(state),
        created_ms=now_ms,
        owner=owner,
        epoch=epoch,
        priority=priority,
    )


def unowned_saga(intake: Intake, saga_id: UUID, *, priority: int, start: bool) -> NewSaga:
    """Return a saga as a process creates it that drives none: whoever is there takes it on."""
    state, now_ms = SagaState(intake.dag, intake.params), system.wall_ms()
    events: list[Event] = [Created("", whoami())]
    if start:
        events.append(StartRequested(intake.dag.expires_ms(now_ms)))
    for event in events:
        state.apply(event)
    return new_saga(
        intake, saga_id, state, events, now_ms=now_ms, owner="", epoch=0, priority=priority
    )


def check_same(saga_id: UUID, name: str, params: Json, intake: Intake) -> None:
    """Check that creating again under a used id means the saga that is there.

    Raises:
        SagaExists: it has another name or other params.
    """
    if name != intake.dag.name:
        raise SagaExists(saga_id, f'it is a "{name}"')
    if params != intake.params:
        refuse_sealed(decode(params))
        raise SagaExists(saga_id, "its params are others")
