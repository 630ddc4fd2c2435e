"""Parks sagas that a coordinator has no code for: `waiting for code`, never run, never lost.

The state is one that coordinators drive. So each later one takes the saga over and looks
again, and one that has the code goes on with it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from sagacity.core.codec import encode_record
from sagacity.core.events import Adopted
from sagacity.ports.store import MAX_UNFIT, Append, SagaStatus, Summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagacity.engine.executor import Execution
    from sagacity.ports.store import SagaHead, SagaStore

log: Final = logging.getLogger("sagacity")

MAX_MISSING_TOLD: Final = 20
"""Of the actions that a saga waits for, the most that its log names."""


class Parking:
    """The sagas that one coordinator has no code for."""

    def __init__(self, store: SagaStore, owner: str | None) -> None:
        """`owner` leaves them to other coordinators; None: there are none."""
        self._store: Final = store
        self._owner: Final = owner
        self._unfit: Final[dict[str, None]] = {}

    @property
    def unfit(self) -> list[str]:
        """Fingerprints of definitions that there is no code for here: others take their sagas."""
        return list(self._unfit)

    async def park(
        self, execution: Execution, head: SagaHead, missing: Sequence[str], now_ms: int
    ) -> None:
        """Leave a saga alone whose log began as `head` says; its log says what is `missing`.

        Nothing but its adoption may be pending.
        """
        log.warning("saga %s (%s) waits for code: %s", head.id, head.name, "; ".join(missing))
        if len(missing) > MAX_MISSING_TOLD:
            missing = [*missing[:MAX_MISSING_TOLD], f"{len(missing) - MAX_MISSING_TOLD} more"]
        await self._record(execution, head, missing, now_ms)
        if self._owner is not None:
            self._unfit.pop(head.fingerprint, None)
            self._unfit[head.fingerprint] = None
            if len(self._unfit) > MAX_UNFIT:
                del self._unfit[next(iter(self._unfit))]
            await self._store.disown(self._owner, [head.id])

    async def _record(
        self, execution: Execution, head: SagaHead, missing: Sequence[str], now_ms: int
    ) -> None:
        state, journal = execution.state, execution.journal
        adopted = Adopted(state.owner, tuple(missing))
        if journal.pending:
            journal.take()  # it is told with more
        elif (
            head.state is SagaStatus.WAITING_FOR_CODE
            and head.sequence == state.sequence
            and state.missing == adopted.missing
        ):
            return
        else:
            state.apply(adopted)
        await self._store.append(
            Append(
                saga_id=head.id,
                epoch=head.epoch,
                expected_sequence=state.sequence - 1,
                record=encode_record([adopted], time_ms=now_ms, epoch=head.epoch),
                event_count=1,
                summary=Summary(SagaStatus.WAITING_FOR_CODE, state.direction),
                updated_ms=now_ms,
            )
        )
        journal.acknowledged([adopted])
