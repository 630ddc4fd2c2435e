"""Injects a fault into a saga, whether it runs or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagacity.engine import inbox
from sagacity.engine.injection import Faults
from sagacity.errors import SagaStateError
from sagacity.ports.store import FINAL, SagaStatus

if TYPE_CHECKING:
    from uuid import UUID

    from sagacity.engine.definitions import Definitions
    from sagacity.engine.driving import Driving
    from sagacity.ports.store import SagaStore


async def inject(
    store: SagaStore,
    driving: Driving,
    definitions: Definitions,
    saga_id: UUID,
    *,
    verb: str,
    node: str,
    counts: tuple[int, int],
) -> None:
    """Inject a fault; as the `inject_` methods of `Handle`.

    Raises:
        NotOwner: another coordinator has the saga.
    """
    execution = driving.running(saga_id)
    if execution is None:
        stored = await store.read(saga_id)
        if stored.head.state in FINAL or stored.head.state is SagaStatus.STUCK:
            raise SagaStateError(saga_id, stored.head.state, "inject a fault into")
        index = definitions.dag_of(stored).find(node)
        await driving.own(stored.head)
        execution = driving.running(saga_id)  # it may have begun while we read
    else:
        index = execution.state.dag.find(node)
    if execution is None:
        faults = driving.faults.setdefault(saga_id, Faults())
    else:
        faults = execution.faults = execution.faults or Faults()
    match verb:
        case inbox.INJECT_ERROR:
            faults.errors.add(index)
        case inbox.INJECT_UNDO_ERROR:
            faults.undo_errors.add(index)
        case inbox.INJECT_REPEAT:
            faults.repeat(index, action=counts[0], undo=counts[1])
        case _:
            raise ValueError(f'"{verb}" is no command that this version knows')
