"""What one saga has decided, on its way into the store.

What is recorded changes the state at once and is durable with the next commit: the
state is a step ahead of the store only in between. At most one commit of a saga is
in flight; what is decided meanwhile joins the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sagacity.core.codec import encode_record
from sagacity.engine.summaries import summary_of
from sagacity.errors import StoreError
from sagacity.ports.observer import Recorded
from sagacity.ports.store import Append, SagaStatus, Summary

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from sagacity.core.events import Event
    from sagacity.core.state import SagaState
    from sagacity.engine.clock import Clock
    from sagacity.ports.store import SagaStore
    from sagacity.ports.transactions import Transaction

MAX_RECORD_BYTES: Final = 16 * 1024 * 1024
"""A larger append is made in parts: stores need not take what no value alone can be."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where the journals of one coordinator end up."""

    store: SagaStore
    clock: Clock
    insist: Callable[[Append, StoreError], Awaitable[None]]
    """Repeats an append that the store failed to do, until it is durable; raises a `NotOwner`."""
    recorded: Callable[[Recorded], None] | None
    """Told of what has become durable."""


class Journal:
    """The writing end of one saga's log."""

    __slots__ = ("_ledger", "at_ms", "epoch", "name", "pending", "saga_id", "state")

    def __init__(
        self, ledger: Ledger, saga_id: UUID, name: str, epoch: int, state: SagaState
    ) -> None:
        """Go on with the log that adds up to `state`."""
        self._ledger: Final = ledger
        self.saga_id: Final = saga_id
        self.name: Final = name
        self.epoch: Final = epoch
        self.state: Final = state
        self.pending: list[Event] = []
        """Decided, and not yet handed to the store."""
        self.at_ms = 0
        """The time of the last commit, and of all that follow until it is set to 0.

        It is what `ctx.now()` of the attempts that begin with these commits gives.
        """

    def record(self, event: Event) -> None:
        """Decide that `event` is the next of the log."""
        self.state.apply(event)
        self.pending.append(event)

    def take(self) -> list[Event]:
        """Return what is pending, for a write that the caller makes."""
        events, self.pending = self.pending, []
        return events

    async def commit(self) -> None:
        """Make durable what is pending.

        Raises:
            NotOwner: another coordinator has the saga now.
        """
        ledger, state = self._ledger, self.state
        events, self.pending = self.pending, []
        self.at_ms = now = self.at_ms or ledger.clock.now_ms()
        count = len(events)
        record = encode_record(events, time_ms=now, epoch=self.epoch)
        if len(record) > MAX_RECORD_BYTES and count > 1:
            await self._commit_in_parts(events)
        else:
            append = Append(self.saga_id, self.epoch, state.sequence - count, record, count,
                            summary_of(state), now)  # fmt: skip
            try:
                await ledger.store.append(append)
            except StoreError as error:
                await ledger.insist(append, error)
        if ledger.recorded is not None:
            self.acknowledged(events)

    async def commit_in(self, transaction: Transaction, event: Event) -> None:
        """Record `event` and make it durable with what was done in a transaction.

        Nothing may be pending.

        Raises:
            NotOwner: another coordinator has the saga now.
            TransactionFailed: neither is durable, and nothing is recorded.
        """
        now, state = self._ledger.clock.now_ms(), self.state
        record = encode_record([event], time_ms=now, epoch=self.epoch)
        summary = summary_of(state)
        await transaction.commit(
            Append(self.saga_id, self.epoch, state.sequence, record, 1, summary, now)
        )
        state.apply(event)
        self.acknowledged([event])

    async def _commit_in_parts(self, events: list[Event]) -> None:
        """Commit what is too much for one record; any prefix of it recovers."""
        ledger, now = self._ledger, self.at_ms
        sequence = self.state.sequence - len(events)
        running = Summary(SagaStatus.RUNNING, self.state.direction)
        parts = [events]
        while parts:
            part = parts.pop()
            record = encode_record(part, time_ms=now, epoch=self.epoch)
            if len(record) > MAX_RECORD_BYTES and len(part) > 1:
                half = len(part) // 2
                parts += [part[half:], part[:half]]
                continue
            summary = running if parts else summary_of(self.state)
            append = Append(self.saga_id, self.epoch, sequence, record, len(part), summary, now)
            try:
                await ledger.store.append(append)
            except StoreError as error:
                await ledger.insist(append, error)
            sequence += len(part)

    def acknowledged(self, events: list[Event]) -> None:
        """Tell observers what has become durable."""
        recorded = self._ledger.recorded
        if recorded is not None:
            state = self.state
            recorded(
                Recorded(
                    self.saga_id, self.name, state.dag, events, state.sequence, state.owner,
                    self.epoch,
                )
            )  # fmt: skip
