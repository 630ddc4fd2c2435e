"""Heads of sagas as databases give them: the columns that all of them have, in one order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from sagacity.core.agenda import Direction
from sagacity.errors import StoreCorrupt
from sagacity.ports.store import SagaHead, SagaStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID


def head_of(saga_id: UUID, columns: Sequence[Any], parts: Sequence[tuple[int, str]]) -> SagaHead:
    """Return the head that `columns` have: name, fingerprint, labels, state and so on.

    `parts` says of which part of the saga a column comes that is never NULL.

    Raises:
        StoreCorrupt: naming the saga.
    """
    for at, part in parts:
        if columns[at] is None:
            raise StoreCorrupt(f"saga {saga_id} is damaged: its {part} is lost")
    name, fingerprint, labels, state, direction, sequence, *rest = columns
    owner, epoch, created_ms, updated_ms, priority = rest
    try:
        return SagaHead(
            id=saga_id,
            name=name,
            fingerprint=fingerprint,
            labels=orjson.loads(labels),
            state=SagaStatus(state),
            direction=Direction(direction),
            sequence=sequence,
            owner=owner,
            epoch=epoch,
            created_ms=created_ms,
            updated_ms=updated_ms,
            priority=priority,
        )
    except ValueError as error:
        raise StoreCorrupt(f"the head of saga {saga_id} is damaged: {error}") from error
