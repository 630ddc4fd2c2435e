"""A store in memory: for tests, for trying things out, and as the reading of the port.

It lives as long as the object: `close` and `open` again is how a test makes a
coordinator go away and come back. Nothing in it waits, apart from `acquire` and
`wait_for_change`: each method is one step of the event loop, hence atomic, and a
cancelled call has either not begun or is whole.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

from sagacity.errors import NoSuchSaga, NotOwner, StoreBusy, StoreError
from sagacity.ports.store import (
    DRIVEN,
    FINAL,
    MAX_INBOX,
    MAX_ORDERS,
    MAX_PAGE,
    PRIORITY_MS,
    Coordinator,
    SagaHead,
    StoredSaga,
)
from sagacity.stores._changes import Changes
from sagacity.stores._limits import (
    check_adoption,
    check_append,
    check_command,
    check_ids,
    check_limit,
    check_new,
    check_order,
    check_query,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from sagacity.core.definition import Definition
    from sagacity.core.values import Json
    from sagacity.ports.store import (
        Append,
        InboxCommand,
        NewSaga,
        Order,
        SagaQuery,
        SagaStatus,
    )


class _Saga:
    """One saga. Slots and bare records, because a hundred thousand may be waiting."""

    __slots__ = (
        "constants",
        "created_ms",
        "definition",
        "epoch",
        "id",
        "labels",
        "name",
        "owner",
        "params",
        "priority",
        "records",
        "sequence",
        "summary",
        "updated_ms",
    )

    def __init__(self, new: NewSaga, definition: Definition) -> None:
        self.id: Final = new.id
        self.name: Final = new.name
        self.definition: Final = definition
        self.constants: Final = new.constants
        self.params: Final = new.params
        # A copy: the store's truth must not change with the caller's dict.
        self.labels: Final[Mapping[str, str]] = dict(new.labels) if new.labels else _NO_LABELS
        self.created_ms: Final = new.created_ms
        self.priority: Final = new.priority
        self.updated_ms = new.created_ms
        self.owner = new.owner
        self.epoch = new.epoch
        self.summary = new.summary
        self.sequence = new.event_count
        self.records: dict[int, Json] = {1: new.record}
        """By the sequence of their first event. Of numbers and bytes, so never collected."""

    def head(self) -> SagaHead:
        return SagaHead(
            id=self.id,
            name=self.name,
            fingerprint=self.definition.fingerprint,
            labels=dict(self.labels),
            state=self.summary.state,
            direction=self.summary.direction,
            sequence=self.sequence,
            owner=self.owner,
            epoch=self.epoch,
            created_ms=self.created_ms,
            updated_ms=self.updated_ms,
            priority=self.priority,
        )


_NO_LABELS: Final[Mapping[str, str]] = {}

# Named here, because within the class `list` is the method.
_Heads: TypeAlias = "list[SagaHead]"
_Sagas: TypeAlias = "list[_Saga]"


class _Uses:
    """A definition, and how many sagas use it."""

    __slots__ = ("count", "definition")

    def __init__(self, definition: Definition) -> None:
        self.definition: Final = definition
        self.count = 0


class MemoryStore:
    """Sagas in a dict. Keyed by `UUID.int`: an int is hashed in C, a UUID in Python."""

    def __init__(self) -> None:
        self._is_open = False
        self._sagas: dict[int, _Saga] = {}
        self._order: list[int] = []
        """The keys in order, but for those of `_unordered`: sorting waits for a reader."""
        self._unordered: list[int] = []
        self._adoptable: set[int] = set()
        """All that `adopt` may have to take over, and some that it need not."""
        self._definitions: dict[str, _Uses] = {}
        self._inbox: dict[int, InboxCommand] = {}
        self._sent: set[int] = set()
        self._requests: dict[int, list[int]] = {}
        """The requests ever sent, for each saga: they are forgotten with it."""
        self._orders: dict[int, Order] = {}
        self._epoch = 0
        self._coordinator = ""
        self._turn = asyncio.Lock()
        self._changes: Final = Changes()

    async def open(self) -> None:
        if not self._is_open:
            # It belongs to the event loop that it was first used in; this may be another one.
            self._turn = asyncio.Lock()
            self._is_open = True

    async def close(self) -> None:
        await self.release()
        self._is_open = False
        self._changes.note_now()

    async def acquire(self, owner: str, *, wait: bool) -> int:
        self._check_open()
        turn = self._turn
        if turn.locked() and not wait:
            raise StoreBusy(f'coordinator "{self._coordinator}" drives this store')
        await turn.acquire()
        if turn is not self._turn or not self._is_open:
            turn.release()
            raise StoreError("this store is not open: it was closed meanwhile")
        self._epoch += 1
        self._coordinator = owner
        # What an earlier coordinator drove is for this one to take over.
        self._adoptable = {key for key, saga in self._sagas.items() if saga.summary.state in DRIVEN}
        return self._epoch

    async def release(self) -> None:
        if self._turn.locked():
            self._coordinator = ""
            self._turn.release()

    async def renew(self) -> None:
        self._check_open()
        if not self._turn.locked():
            raise NotOwner("there is no coordinator")

    async def coordinators(self) -> Sequence[Coordinator]:
        self._check_open()
        return (Coordinator(self._coordinator, self._epoch),) if self._turn.locked() else ()

    async def create(self, saga: NewSaga) -> SagaHead | None:
        self._check_open()
        check_new(saga)
        key = saga.id.int
        existing = self._sagas.get(key)
        if existing is not None:
            return existing.head()
        fingerprint = saga.definition.fingerprint
        uses = self._definitions.get(fingerprint)
        if uses is None:
            uses = self._definitions[fingerprint] = _Uses(saga.definition)
        uses.count += 1
        self._sagas[key] = _Saga(saga, uses.definition)
        self._unordered.append(key)
        if saga.epoch < self._epoch or not saga.owner:
            self._note_adoptable(key, saga)
            self._changes.note_now()
        else:
            self._changes.note()
        return None

    async def append(self, append: Append) -> None:
        if not self._is_open:
            self._check_open()
        check_append(append)
        key, count = append.saga_id.int, append.event_count
        saga = self._sagas.get(key)
        if saga is None:
            raise NoSuchSaga(append.saga_id)
        if saga.epoch != append.epoch or saga.sequence != append.expected_sequence:
            raise NotOwner(
                f"saga {append.saga_id} is at sequence {saga.sequence} of epoch {saga.epoch}; "
                f"this append expected {append.expected_sequence} of epoch {append.epoch}"
            )
        if count:
            saga.records[saga.sequence + 1] = append.record
            saga.sequence += count
        saga.summary = append.summary
        saga.updated_ms = append.updated_ms
        if append.epoch < self._epoch:
            self._note_adoptable(key, append)
        self._changes.note()

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
        self._check_open()
        check_adoption(states, unfit, limit)
        if epoch != self._epoch:
            raise NotOwner(f"epoch {epoch} is not the coordinator's, which is {self._epoch}")
        if ids is None:
            adopted = self._adopt_driven(epoch, states, frozenset(unfit), limit)
        else:
            check_ids(ids)
            adopted = self._adopt_these(ids)
        for saga in adopted:
            saga.owner, saga.epoch = owner, epoch
            self._adoptable.discard(saga.id.int)
        if adopted:
            self._changes.note()
        return [saga.head() for saga in adopted]

    async def disown(self, owner: str, ids: Sequence[UUID]) -> None:
        del owner
        self._check_open()
        check_ids(ids)

    async def read(self, saga_id: UUID) -> StoredSaga:
        self._check_open()
        saga = self._sagas.get(saga_id.int)
        if saga is None:
            raise NoSuchSaga(saga_id)
        return StoredSaga(
            head=saga.head(),
            document=saga.definition.document,
            constants=saga.constants,
            params=saga.params,
            records=tuple(saga.records.items()),
        )

    async def list(self, query: SagaQuery) -> Sequence[SagaHead]:
        self._check_open()
        check_query(query)
        self._put_in_order()
        heads: _Heads = []
        first = 0 if query.after is None else bisect_right(self._order, query.after.int)
        for place in range(first, len(self._order)):
            saga = self._sagas[self._order[place]]
            if _matches(saga, query):
                heads.append(saga.head())
                if len(heads) == query.limit:
                    break
        return heads

    async def newest(self, name: str, *, limit: int = 100) -> _Heads:
        self._check_open()
        check_limit(limit)
        self._put_in_order()
        newest_first = (self._sagas[key] for key in reversed(self._order))
        of_name = (saga for saga in newest_first if saga.name == name)
        return [saga.head() for saga in islice(of_name, limit)]

    async def send(self, command: InboxCommand) -> bool:
        self._check_open()
        check_command(command)
        saga, request = command.saga_id.int, command.request_id.int
        if saga not in self._sagas:
            raise NoSuchSaga(command.saga_id)
        if request in self._sent:
            return False
        if len(self._inbox) >= MAX_INBOX:
            raise StoreError(f"the inbox is full: {MAX_INBOX:,} commands wait for a coordinator")
        self._inbox[request] = command
        self._sent.add(request)
        self._requests.setdefault(saga, []).append(request)
        self._changes.note_now()
        return True

    async def take(
        self, *, owner: str | None = None, limit: int = MAX_PAGE
    ) -> Sequence[InboxCommand]:
        del owner  # there is no other coordinator
        self._check_open()
        check_limit(limit)
        return list(islice(self._inbox.values(), limit))

    async def done(self, request_ids: Sequence[UUID]) -> None:
        self._check_open()
        check_ids(request_ids)
        for request_id in request_ids:
            self._inbox.pop(request_id.int, None)

    async def delete(self, ids: Sequence[UUID]) -> int:
        self._check_open()
        check_ids(ids)
        removed = 0
        for saga_id in ids:
            saga = self._sagas.get(saga_id.int)
            if saga is not None and saga.summary.state in FINAL:
                self._remove(saga)
                removed += 1
        if removed:
            self._sagas = dict(self._sagas)  # a dict keeps its room until it is copied
            self._order, self._unordered = [], list(self._sagas)
            self._changes.note()
        return removed

    async def keep_order(self, order: Order) -> bool:
        self._check_open()
        check_order(order)
        before = self._orders.get(order.id.int)
        if order.version > 1:
            if before is None or (before.kind, before.version) != (order.kind, order.version - 1):
                return False
        elif before is not None:
            return False
        elif len(self._orders) >= MAX_ORDERS:
            raise StoreError(f"{MAX_ORDERS:,} orders are kept already")
        self._orders[order.id.int] = order
        self._changes.note_now()
        return True

    async def orders(self, kind: str) -> Sequence[Order]:
        self._check_open()
        return [each for _, each in sorted(self._orders.items()) if each.kind == kind]

    async def drop_order(self, order_id: UUID) -> None:
        self._check_open()
        if self._orders.pop(order_id.int, None) is not None:
            self._changes.note_now()

    async def wait_for_change(self, seen: int, timeout_seconds: float) -> int:
        self._check_open()
        count = await self._changes.wait(seen, timeout_seconds)
        self._check_open()
        return count

    async def wait_for_end(self, saga_id: UUID, timeout_seconds: float) -> None:
        del saga_id
        self._check_open()
        await self._changes.wait(self._changes.count, timeout_seconds)

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreError("this store is not open")

    def _put_in_order(self) -> None:
        if self._unordered:
            # Timsort merges the sorted part with the new one in linear time.
            self._order += self._unordered
            self._order.sort()
            self._unordered.clear()

    def _note_adoptable(self, key: int, written: NewSaga | Append) -> None:
        if written.summary.state in DRIVEN:
            self._adoptable.add(key)

    def _adopt_driven(
        self, epoch: int, states: frozenset[SagaStatus], unfit: frozenset[str], limit: int
    ) -> Sequence[_Saga]:
        found: _Sagas = []
        for key in list(self._adoptable):
            saga = self._sagas.get(key)
            if saga is None or saga.epoch >= epoch or saga.summary.state not in DRIVEN:
                self._adoptable.discard(key)
            elif saga.summary.state in states and saga.definition.fingerprint not in unfit:
                found.append(saga)
        return nsmallest(limit, found, key=_rank)

    def _adopt_these(self, ids: Iterable[UUID]) -> Sequence[_Saga]:
        known = [self._sagas.get(key) for key in sorted({saga_id.int for saga_id in ids})]
        return [saga for saga in known if saga is not None and saga.summary.state not in FINAL]

    def _remove(self, saga: _Saga) -> None:
        key = saga.id.int
        del self._sagas[key]
        self._adoptable.discard(key)
        for request in self._requests.pop(key, ()):
            self._sent.discard(request)
            self._inbox.pop(request, None)
        uses = self._definitions[saga.definition.fingerprint]
        uses.count -= 1
        if not uses.count:
            del self._definitions[saga.definition.fingerprint]


def _rank(saga: _Saga) -> tuple[int, int]:
    return saga.created_ms - saga.priority * PRIORITY_MS, saga.id.int


def _matches(saga: _Saga, query: SagaQuery) -> bool:
    return (
        (query.state is None or saga.summary.state is query.state)
        and (not query.states or saga.summary.state in query.states)
        and (query.direction is None or saga.summary.direction is query.direction)
        and (query.name is None or saga.name == query.name)
        and all(saga.labels.get(key) == value for key, value in query.labels.items())
    )
