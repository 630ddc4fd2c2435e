"""Parks sagas that a coordinator has no code for: `waiting for code`, never run, never lost.

The state is one that coordinators drive. So each later one takes the saga over and looks
again, and one that has the code goes on with it. Where there are many coordinators, a saga is
passed on first, and marked only if nobody takes it (`claiming`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from sagacity.core.codec import encode_record
from sagacity.core.events import Adopted
from sagacity.errors import StoreError
from sagacity.ports.store import MAX_UNFIT, Append, SagaStatus, Summary

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

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
        self.unsure = False
        """Whether some could not be passed on, and nobody knows of them any more."""

    @property
    def unfit(self) -> Collection[str]:
        """Fingerprints of definitions that there is no code for here: others take their sagas."""
        return self._unfit.keys()

    async def park(
        self, execution: Execution, head: SagaHead, missing: Sequence[str], now_ms: int
    ) -> None:
        """Leave a saga alone whose log began as `head` says: marked, or for others to take.

        Nothing but its adoption may be pending.
        """
        if self._owner is not None:
            self.note_unfit(head.fingerprint)
            await self.pass_on([head])
            return
        log.warning("saga %s (%s) waits for code: %s", head.id, head.name, "; ".join(missing))
        await self.mark(execution, head, missing, now_ms)

    async def pass_on(self, heads: Sequence[SagaHead]) -> None:
        """Own these no more, for others to take."""
        assert self._owner is not None
        try:
            await self._store.disown(self._owner, [head.id for head in heads])
        except StoreError:
            self.unsure = True
            raise

    def note_unfit(self, fingerprint: str) -> None:
        """Pass over this definition from now on; the oldest is forgotten beyond `MAX_UNFIT`."""
        self._unfit.pop(fingerprint, None)
        self._unfit[fingerprint] = None
        if len(self._unfit) > MAX_UNFIT:
            del self._unfit[next(iter(self._unfit))]

    async def mark(
        self, execution: Execution, head: SagaHead, missing: Sequence[str], now_ms: int
    ) -> None:
        """Let the log of a saga say what is `missing`, unless it does."""
        if len(missing) > MAX_MISSING_TOLD:
            missing = [*missing[:MAX_MISSING_TOLD], f"{len(missing) - MAX_MISSING_TOLD} more"]
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
