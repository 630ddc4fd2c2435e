"""The store: the durable home of sagas and their logs, in the words of the domain.

What every store promises (`sagacity.testing.check_store` judges it):

* A call that returned is durable; a call that raised changed nothing, except
  where it says that the outcome is unknown.
* A saga's records are appended with the expected sequence and the owner's epoch,
  both checked in the same transaction. There are no holes and no second writer.
* Appends of many sagas may share one durable write; a conflict of one harms it alone.
* A saga has at most one owner. A coordinator owns what it has created or adopted until it
  releases the store, or until its lease has ended and another one has taken the saga.
* Reads never wait for writes.
* Records, params, constants and definitions are opaque JSON: stored and given
  back byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from sagacity.core.immutable import Immutable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sagacity.core.agenda import Direction
    from sagacity.core.definition import Definition
    from sagacity.core.values import Json

MAX_PAGE: Final = 1_000
"""The most that one call lists, takes, adopts, marks as done or deletes."""
MAX_INBOX: Final = 100_000
"""The most commands that wait to be taken."""
MAX_TEXT_BYTES: Final = 64 * 1024 * 1024
"""The most that one record, document, params, constants or arguments may be."""
MAX_NAME_CHARS: Final = 1_024
"""The most that a name, an owner, or a label with its value may be."""
MAX_LABELS: Final = 64
"""The most labels of a saga, or in a query."""


MAX_ORDERS: Final = 1_000
"""The most orders that are kept."""
MAX_UNFIT: Final = 1_000
"""The most definitions that an adoption may leave out."""
MOST_PRIORITY: Final = 100
"""Priorities go from minus this to this."""
PRIORITY_MS: Final = 60_000
"""One more of priority counts as having come so much earlier: so nobody waits for ever."""


class SagaStatus(StrEnum):
    """The `state` of a saga as shown and listed."""

    READY = "ready"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    STUCK = "stuck"
    WAITING_FOR_CODE = "waiting for code"
    SUCCEEDED = "succeeded"
    UNWOUND = "unwound"
    ABANDONED = "abandoned"


FINAL: Final = frozenset({SagaStatus.SUCCEEDED, SagaStatus.UNWOUND, SagaStatus.ABANDONED})
DRIVEN: Final = frozenset(
    {SagaStatus.QUEUED, SagaStatus.RUNNING, SagaStatus.PAUSED, SagaStatus.WAITING_FOR_CODE}
)
"""States in which a coordinator has something to do, now or later."""


class Summary(Immutable):
    """What lists show of a saga: a cache of its log, written along with each append."""

    state: SagaStatus
    direction: Direction


class NewSaga(Immutable):
    """A saga to create, with its first record (which holds `created` and what follows)."""

    id: UUID
    name: str
    definition: Definition
    constants: Json
    params: Json
    labels: Mapping[str, str]
    record: Json
    event_count: int
    summary: Summary
    created_ms: int
    owner: str = ""
    epoch: int = 0
    priority: int = 0


class Append(Immutable):
    """Records for one saga. No events: only the summary changes.

    `expected_sequence` is the number of events that the log has before.
    """

    saga_id: UUID
    epoch: int
    expected_sequence: int
    record: Json
    event_count: int
    summary: Summary
    updated_ms: int


@dataclass(frozen=True, slots=True)
class SagaHead:
    """A saga without its log, params and definition."""

    id: UUID
    name: str
    fingerprint: str
    labels: Mapping[str, str]
    state: SagaStatus
    direction: Direction
    sequence: int
    owner: str
    epoch: int
    created_ms: int
    updated_ms: int
    priority: int = 0

    @property
    def rank_ms(self) -> int:
        """Its place in a line: lower is earlier. An old one overtakes whatever priority."""
        return self.created_ms - self.priority * PRIORITY_MS


@dataclass(frozen=True, slots=True)
class Coordinator:
    """A coordinator that is alive: its identity, new with each `acquire`, and its epoch."""

    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class StoredSaga:
    """A saga with everything: `records` are `(first_sequence, record)`, in order."""

    head: SagaHead
    document: Json
    constants: Json
    params: Json
    records: Sequence[tuple[int, Json]]


@dataclass(frozen=True, slots=True)
class SagaQuery:
    """Which sagas to list: all that is given must hold; ordered by id, after `after`.

    `states`: in one of these (empty: in whatever state).
    """

    state: SagaStatus | None = None
    direction: Direction | None = None
    name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    after: UUID | None = None
    limit: int = 100
    states: frozenset[SagaStatus] = frozenset()


@dataclass(frozen=True, slots=True)
class InboxCommand:
    """A command to the owner of a saga, from any process; done once per `request_id`."""

    request_id: UUID
    saga_id: UUID
    verb: str
    arguments: Json
    sent_ms: int


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asks of many sagas at once, kept until it is dropped.

    `version` counts the writes of it, from 1; `kind` says who reads the document.
    """

    id: UUID
    kind: str
    version: int
    document: Json


class SagaStore(Protocol):
    """Where sagas live.

    All methods may raise `StoreError`, and `ValueError` when a limit or a page is over
    what is stated here. A store is used from one event loop, by any number of tasks.
    """

    async def open(self) -> None:
        """Make ready for use, bringing the schema up to date.

        Raises:
            SchemaVersionError: it was written by a newer schema.
        """
        ...

    async def close(self) -> None:
        """Let go of everything; what was acknowledged stays. May be called twice."""
        ...

    async def acquire(self, owner: str, *, wait: bool) -> int:
        """Become a coordinator of this store, as `owner`, and return the epoch for it.

        The epoch is greater than that of every coordinator before. Held until `release`,
        `close` or the end of the process; on a store with leases until the lease ends. A
        store object is one coordinator: acquiring again gives up what it was before.

        Raises:
            StoreBusy: there is a live one, and the store takes only one (unless `wait`:
                then it is waited for). Stores with leases take any number.
        """
        ...

    async def renew(self) -> float | None:
        """Go on being a coordinator; return for how many seconds from the call on.

        None: for as long as the process lives; it need not be asked again, and there is
        no other coordinator meanwhile.

        Raises:
            NotOwner: the lease has ended, or was never had. Only a new `acquire` helps.
        """
        ...

    async def release(self) -> None:
        """Stop being a coordinator. Its sagas keep their owner until others adopt them."""
        ...

    async def coordinators(self) -> Sequence[Coordinator]:
        """Return the coordinators that are alive on this store, in whatever process.

        Without one sagas look as the last one left them, `running` above all. A saga
        whose owner is not among them has nobody who drives it. Asking harms nobody: an
        `acquire` at the same moment succeeds as without it.
        """
        ...

    async def create(self, saga: NewSaga) -> SagaHead | None:
        """Store a new saga whole; if the id exists, change nothing and return its head.

        Definitions are stored once for each fingerprint. Returns None when created.
        """
        ...

    async def append(self, append: Append) -> None:
        """Append one record.

        Raises:
            NotOwner: epoch or sequence are not the saga's; nothing was written.
            NoSuchSaga: it does not exist.
        """
        ...

    async def adopt(
        self,
        owner: str,
        epoch: int,
        *,
        ids: Sequence[UUID] | None = None,
        states: frozenset[SagaStatus] = DRIVEN,
        unfit: Sequence[str] = (),
        limit: int = MAX_PAGE,
    ) -> Sequence[SagaHead]:
        """Take over sagas that no living coordinator owns, and return their heads.

        Their epoch grows: to that of the coordinator, or above that of the owner before.

        Without `ids`: those in one of `states`, in the order of their rank (`rank_ms`), at
        most `limit`, but not of the definitions with the fingerprints `unfit`; a store may
        pass over what another coordinator is taking at this moment. With `ids`: these (the
        unknown are left out), in whatever state that is not final; the caller's own are
        returned too, as they are.

        Raises:
            NotOwner: the caller is no living coordinator with this epoch.
        """
        ...

    async def disown(self, owner: str, ids: Sequence[UUID]) -> None:
        """Own these sagas no more, those that `owner` does own: for others to adopt.

        On a store with one coordinator at a time nothing changes: the next one takes all.
        """
        ...

    async def read(self, saga_id: UUID) -> StoredSaga:
        """Return one saga whole, as of one moment.

        Raises:
            NoSuchSaga: it does not exist.
            StoreCorrupt: a row is damaged; the text names it.
        """
        ...

    async def list(self, query: SagaQuery) -> Sequence[SagaHead]:
        """Return the heads that match, ordered by id, at most `query.limit`."""
        ...

    async def newest(self, name: str, *, limit: int = 100) -> Sequence[SagaHead]:
        """Return the heads of the sagas of this name with the highest ids, those first."""
        ...

    async def send(self, command: InboxCommand) -> bool:
        """Put a command into the inbox; False when this request id was sent before.

        Raises:
            NoSuchSaga: there is no such saga.
            StoreError: the inbox is full (`MAX_INBOX`).
        """
        ...

    async def take(
        self, *, owner: str | None = None, limit: int = MAX_PAGE
    ) -> Sequence[InboxCommand]:
        """Return the oldest commands not yet done, in the order they were sent.

        With `owner`: without those for sagas that another living coordinator owns.
        """
        ...

    async def done(self, request_ids: Sequence[UUID]) -> None:
        """Mark commands as done; they are not taken again."""
        ...

    async def delete(self, ids: Sequence[UUID]) -> int:
        """Remove sagas that are in a final state, whole; return how many were removed.

        Others are left as they are. Definitions that no saga uses any more go too.
        """
        ...

    async def keep_order(self, order: Order) -> bool:
        """Keep an order: a new one at version 1, another in place of the version before.

        False, and nothing is changed, if that is not what is there: somebody was faster.

        Raises:
            StoreError: there are `MAX_ORDERS` already.
        """
        ...

    async def orders(self, kind: str) -> Sequence[Order]:
        """Return the orders of a kind, by id."""
        ...

    async def drop_order(self, order_id: UUID) -> None:
        """Keep an order no more, if it is there."""
        ...

    async def wait_for_change(self, seen: int, timeout_seconds: float) -> int:
        """Return when some process may have changed the store since `seen`, or after the time-out.

        The result is the next `seen`; begin with 0. So a change is not missed that
        comes while its reader is still at work on the one before. Commands, orders, and
        sagas created without an owner, are told at once within a process; all else, above
        all the appends of an owner itself, within a fraction of a second. On a store with
        leases appends need not be told at all.
        """
        ...

    async def wait_for_end(self, saga_id: UUID, timeout_seconds: float) -> None:
        """Return when the saga may have ended or got stuck, or after the time-out.

        What happened before the call is not told: who waits looks again after a time-out.
        """
        ...
