"""One decision about many sagas: in batches, with its progress in the store.

The ids of each batch are stored before it is asked for, and the request of each saga is
made from the id of the bulk and that of the saga. So one that was killed is taken up
where it was: no saga is decided about twice, and none is counted twice or left out.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID, uuid5

import msgspec

from sagacity.core.decisions import Verb
from sagacity.core.sealed import refuse_sealed_text
from sagacity.core.values import encode
from sagacity.engine.requests import Request
from sagacity.engine.summaries import state_of_stored
from sagacity.errors import (
    NoSuchNode,
    NoSuchSaga,
    SagaStateError,
    StoreCorrupt,
    StoreError,
    ValueNotStorable,
)
from sagacity.ports.store import FINAL, Order, SagaQuery, SagaStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagacity.engine.definitions import Definitions
    from sagacity.ports.store import SagaStore

KIND: Final = "bulk"
VERBS: Final = frozenset(
    {
        Verb.PAUSE,
        Verb.UNPAUSE,
        Verb.ABORT,
        Verb.RETRY,
        Verb.SKIP,
        Verb.SET_OUTPUT,
        Verb.ABANDON,
    }
)
"""What can be decided about many."""
BATCH: Final = 50
"""Sagas of one batch."""
AT_ONCE: Final = 16
"""Of a batch, how many a coordinator is asked for at one time."""
MAX_KEPT: Final = 100
"""The most that are kept after their end; the oldest are forgotten first."""
MAX_REASONS: Final = 20
"""The most different reasons of refusals and failures that are counted each by itself."""
MAX_REASON_CHARS: Final = 200
OTHER: Final = "other reasons"
PATIENCE_SECONDS: Final = 30.0
"""How long a coordinator that is alive may take for one saga."""

Decide: TypeAlias = Callable[[UUID, Request], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Bulk:
    """A decision about many sagas, and how far it has come.

    It is about the sagas in one of `states` (empty: all that have not ended), of this
    `name`, with all these `labels`, whose log last grew before `before_ms` and which were
    there when it began (`began_ms`; Unix epoch). `done` of them were decided about, for
    `no_op` nothing was to be done, `refused` were in no state for it, and `failed` could
    not be asked; `reasons` counts why. It has come to the end when `finished`.
    """

    id: UUID
    verb: Verb
    node: str
    output: Any
    states: tuple[SagaStatus, ...]
    name: str | None
    labels: Mapping[str, str]
    before_ms: int
    began_ms: int
    by: str
    reason: str
    after: UUID | None = None
    batch: tuple[UUID, ...] = ()
    done: int = 0
    no_op: int = 0
    refused: int = 0
    failed: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict[str, int])
    finished: bool = False

    def request_for(self, saga_id: UUID) -> Request:
        """Return what is asked of a saga: the same each time."""
        value = encode(self.output) if self.verb is Verb.SET_OUTPUT else None
        request_id = uuid5(self.id, str(saga_id))
        return Request(request_id, self.verb, self.node, self.by, self.reason, value)


# -- in the store --------------------------------------------------------------------------


async def read_bulks(store: SagaStore) -> Sequence[tuple[Order, Bulk]]:
    """Return what is kept of bulks, by id.

    Raises:
        StoreCorrupt: one is damaged.
    """
    return [(order, _bulk_of(order)) for order in await store.orders(KIND)]


def _bulk_of(order: Order) -> Bulk:
    try:
        return msgspec.json.decode(order.document, type=Bulk)
    except msgspec.MsgspecError as error:
        refuse_sealed_text(order.document)
        raise StoreCorrupt(f"bulk {order.id} is damaged: {error}") from error


async def forget_oldest(store: SagaStore) -> None:
    """Make room for one more."""
    ended = [bulk for _, bulk in await read_bulks(store) if bulk.finished]
    for bulk in ended[: max(0, len(ended) - MAX_KEPT + 1)]:
        await store.drop_order(bulk.id)


# -- carrying it out -----------------------------------------------------------------------


class BulkRun:
    """Carries out one bulk from where it is; one process at a time."""

    def __init__(
        self,
        store: SagaStore,
        definitions: Definitions,
        decide: Decide,
        bulk: Bulk,
        version: int,
    ) -> None:
        """Take up `bulk`, which is kept at `version` (0: not yet)."""
        self._store: Final = store
        self._definitions: Final = definitions
        self._decide: Final = decide
        self._version = version
        self.bulk = bulk
        self._is_taken_up = bool(bulk.batch)
        """Whether somebody may have begun with the batch before."""

    async def run(self, tell: Callable[[Bulk], None]) -> Bulk:
        """Go on to the end; `tell` is called after each batch.

        Raises:
            StoreError: the store fails, or another process carries it out. It can be
                taken up again.
        """
        if not self._version:
            await self._keep(await self._with_next_batch(self.bulk))
        while not self.bulk.finished:
            told = await self._ask_all(self.bulk.batch)
            self._is_taken_up = False
            await self._keep(await self._with_next_batch(_counted(self.bulk, told)))
            tell(self.bulk)
        return self.bulk

    async def _keep(self, bulk: Bulk) -> None:
        order = Order(bulk.id, KIND, self._version + 1, encode(msgspec.to_builtins(bulk)))
        if not await self._store.keep_order(order):
            raise StoreError(f"bulk {bulk.id} is carried out by another process")
        self._version += 1
        self.bulk = bulk

    async def _with_next_batch(self, bulk: Bulk) -> Bulk:
        states = frozenset(bulk.states) or frozenset(SagaStatus) - FINAL
        while True:
            query = SagaQuery(
                name=bulk.name, labels=bulk.labels, states=states, after=bulk.after, limit=BATCH
            )
            heads = await self._store.list(query)
            if not heads:
                return replace(bulk, batch=(), finished=True)
            ids = tuple(
                head.id
                for head in heads
                if head.updated_ms <= bulk.before_ms and head.created_ms <= bulk.began_ms
            )
            bulk = replace(bulk, after=heads[-1].id, batch=ids)
            if ids:
                return bulk

    async def _ask_all(self, ids: Sequence[UUID]) -> list[tuple[str, str]]:
        # Without a coordinator each is decided by becoming one for a moment: one at a time.
        places = asyncio.Semaphore(AT_ONCE if await self._store.coordinators() else 1)

        async def ask(saga_id: UUID) -> tuple[str, str]:
            async with places:
                return await self._ask(saga_id)

        tasks: list[asyncio.Task[tuple[str, str]]] = []
        try:
            async with asyncio.TaskGroup() as group:
                tasks += [group.create_task(ask(saga_id)) for saga_id in ids]
        except* StoreError as errors:
            raise _first(errors) from None
        return [task.result() for task in tasks]

    async def _ask(self, saga_id: UUID) -> tuple[str, str]:
        """Return what became of one saga (a member of `Bulk` that counts it), and why."""
        request = self.bulk.request_for(saga_id)
        try:
            if self._is_taken_up and await self._was_done(saga_id, request):
                return "done", ""
            async with asyncio.timeout(PATIENCE_SECONDS):
                changed = await self._decide(saga_id, request)
        except SagaStateError as error:
            return "refused", error.why
        except (NoSuchNode, ValueNotStorable) as error:
            return "refused", str(error)
        except NoSuchSaga:
            return "no_op", ""
        except StoreCorrupt as error:
            return "failed", str(error)
        except TimeoutError:
            return "failed", "asked, and its coordinator has not done it yet"
        return ("done" if changed else "no_op"), ""

    async def _was_done(self, saga_id: UUID, request: Request) -> bool:
        stored = await self._store.read(saga_id)
        state = state_of_stored(stored, self._definitions.dag_of(stored))
        return str(request.request_id) in state.requests


def _first(errors: BaseExceptionGroup[StoreError]) -> StoreError:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, StoreError)
    return error


def _counted(bulk: Bulk, told: Sequence[tuple[str, str]]) -> Bulk:
    counts = Counter(what for what, _ in told)
    reasons = dict(bulk.reasons)
    for _, why in told:
        if why:
            known = why[:MAX_REASON_CHARS]
            if known not in reasons and len(reasons) >= MAX_REASONS:
                known = OTHER
            reasons[known] = reasons.get(known, 0) + 1
    return replace(
        bulk,
        done=bulk.done + counts["done"],
        no_op=bulk.no_op + counts["no_op"],
        refused=bulk.refused + counts["refused"],
        failed=bulk.failed + counts["failed"],
        reasons=reasons,
    )
