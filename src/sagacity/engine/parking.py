"""Parks sagas that a coordinator has no code for: `waiting for code`, never run, never lost.

The state is one that coordinators drive. So each later one takes the saga over and looks
again, and one that has the code goes on with it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from sagacity.ports.store import Append, SagaStatus, Summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagacity.engine.executor import Execution
    from sagacity.ports.store import SagaHead, SagaStore

log: Final = logging.getLogger("sagacity")


async def park(
    store: SagaStore, execution: Execution, head: SagaHead, missing: Sequence[str], now_ms: int
) -> None:
    """Leave a saga alone whose log is as `head` says, and tell what is `missing`."""
    state = execution.state
    log.warning("saga %s (%s) waits for code: %s", head.id, head.name, "; ".join(missing))
    parked = Summary(SagaStatus.WAITING_FOR_CODE, state.direction)
    if Summary(head.state, head.direction) != parked:
        await store.append(
            Append(
                saga_id=head.id,
                epoch=head.epoch,
                expected_sequence=state.sequence - len(execution.journal.pending),
                record=b"",
                event_count=0,
                summary=parked,
                updated_ms=now_ms,
            )
        )
