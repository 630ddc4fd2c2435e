"""`FaultyStore`: any store, with the trouble that a test asks for.

A call can fail before it has its effect, as when a disk is full; or after it, as when
the answer to a commit is lost; or it can hang until the test lets it go. Faults are
asked for by the number of the call, or come by chance from a seed.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

from sagacity.errors import StoreError
from sagacity.ports.store import DRIVEN, MAX_PAGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    from sagacity.ports.store import (
        Append,
        Coordinator,
        InboxCommand,
        NewSaga,
        Order,
        SagaHead,
        SagaQuery,
        SagaStatus,
        SagaStore,
        StoredSaga,
    )

T = TypeVar("T")

Moment: TypeAlias = Literal["before", "after"]
"""Whether a call fails before its effect or after it."""

CHANCED: Final = frozenset(
    {"create", "append", "adopt", "read", "list", "send", "take", "done", "wait_for_change"}
)
"""The methods that fail by chance; opening and closing fail only when asked to."""


class FaultInjectedError(StoreError):
    """Raised by a `FaultyStore`, so that a test can tell its own faults from real ones."""


@dataclass(slots=True)
class Hold:
    """A call that waits: `entered` is set when it came, `release` lets it (and later ones) go."""

    entered: asyncio.Event = field(default_factory=asyncio.Event)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        """Let the call go on."""
        self._released.set()

    async def wait(self) -> None:
        """Wait for the release."""
        self.entered.set()
        await self._released.wait()


@dataclass(slots=True)
class _Fault:
    method: str
    saga_id: UUID | None
    skip: int
    times: int | None
    moment: Moment
    error: Callable[[], Exception]
    hold: Hold | None = None

    def strikes(self, method: str, saga_id: UUID | None) -> bool:
        """Whether this call is one of those to fail, counting it."""
        if method != self.method or self.saga_id not in (None, saga_id) or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class FaultyStore:
    """A `SagaStore` around another one. Without faults it is the other one."""

    def __init__(self, store: SagaStore, *, seed: int = 0, rate: float = 0.0) -> None:
        """Wrap `store`; each call of `CHANCED` fails with probability `rate`, as `seed` has it."""
        self.inner: Final = store
        self.rate = rate
        self.calls: Final[Counter[str]] = Counter()
        """How often each method was called."""
        self.struck: Final[Counter[tuple[str, Moment]]] = Counter()
        """How often each failed, and when."""
        self._chance: Final = random.Random(seed)  # noqa: S311 - a test is to be repeated
        self._faults: Final[list[_Fault]] = []

    # -- what a test asks for -----------------------------------------------------------

    def fail(
        self,
        method: str,
        *,
        moment: Moment = "before",
        skip: int = 0,
        times: int | None = 1,
        saga_id: UUID | None = None,
        error: Callable[[], Exception] | None = None,
    ) -> None:
        """Let calls of `method` fail: `times` of them (None: all), after the next `skip`.

        With `saga_id` only calls about that saga count. The error is a
        `FaultInjectedError`, or what `error` makes.
        """
        make = error or (
            lambda: FaultInjectedError(f"injected: {method} fails {moment} its effect")
        )
        self._faults.append(_Fault(method, saga_id, skip, times, moment, make))

    def hold(self, method: str, *, skip: int = 0, saga_id: UUID | None = None) -> Hold:
        """Let calls of `method` wait before their effect, until the hold is released."""
        hold = Hold()
        fault = _Fault(method, saga_id, skip, None, "before", AssertionError, hold)
        self._faults.append(fault)
        return hold

    def heal(self) -> None:
        """Let nothing fail any more."""
        for fault in self._faults:
            if fault.hold is not None:
                fault.hold.release()
        self._faults.clear()
        self.rate = 0.0

    # -- how it comes about ---------------------------------------------------------------

    async def _call(
        self, method: str, work: Callable[[], Awaitable[T]], saga_id: UUID | None = None
    ) -> T:
        self.calls[method] += 1
        struck = [fault for fault in self._faults if fault.strikes(method, saga_id)]
        for fault in struck:
            if fault.hold is not None:
                await fault.hold.wait()
        failing = next((fault for fault in struck if fault.hold is None), None)
        if failing is None and method in CHANCED and self._chance.random() < self.rate:
            moment: Moment = "before" if self._chance.random() < 0.5 else "after"  # noqa: PLR2004
            failing = _Fault(
                method, None, 0, 1, moment, lambda: FaultInjectedError(f"chance: {method} {moment}")
            )
        if failing is None:
            return await work()
        self.struck[method, failing.moment] += 1
        if failing.moment == "after":
            await work()
        raise failing.error()

    # -- the store --------------------------------------------------------------------------

    async def open(self) -> None:
        """Open the store inside."""
        await self._call("open", self.inner.open)

    async def close(self) -> None:
        """Close the store inside."""
        await self._call("close", self.inner.close)

    async def acquire(self, owner: str, *, wait: bool) -> int:
        """Become its coordinator."""
        return await self._call("acquire", lambda: self.inner.acquire(owner, wait=wait))

    async def release(self) -> None:
        """Be its coordinator no more."""
        await self._call("release", self.inner.release)

    async def renew(self) -> float | None:
        """Go on being a coordinator of it."""
        return await self._call("renew", self.inner.renew)

    async def coordinators(self) -> Sequence[Coordinator]:
        """Ask for those that it has."""
        return await self._call("coordinators", self.inner.coordinators)

    async def create(self, saga: NewSaga) -> SagaHead | None:
        """Create a saga there."""
        return await self._call("create", lambda: self.inner.create(saga), saga.id)

    async def append(self, append: Append) -> None:
        """Append a record there."""
        await self._call("append", lambda: self.inner.append(append), append.saga_id)

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
        """Take over sagas there."""
        return await self._call(
            "adopt",
            lambda: self.inner.adopt(
                owner, epoch, ids=ids, states=states, unfit=unfit, limit=limit
            ),
        )

    async def disown(self, owner: str, ids: Sequence[UUID]) -> None:
        """Own sagas there no more."""
        await self._call("disown", lambda: self.inner.disown(owner, ids))

    async def read(self, saga_id: UUID) -> StoredSaga:
        """Read a saga there."""
        return await self._call("read", lambda: self.inner.read(saga_id), saga_id)

    async def list(self, query: SagaQuery) -> Sequence[SagaHead]:
        """List sagas there."""
        return await self._call("list", lambda: self.inner.list(query))

    async def newest(self, name: str, *, limit: int = 100) -> Sequence[SagaHead]:
        """List the newest sagas of a name there."""
        return await self._call("newest", lambda: self.inner.newest(name, limit=limit))

    async def send(self, command: InboxCommand) -> bool:
        """Send a command there."""
        return await self._call("send", lambda: self.inner.send(command), command.saga_id)

    async def take(
        self, *, owner: str | None = None, limit: int = MAX_PAGE
    ) -> Sequence[InboxCommand]:
        """Take commands from there."""
        return await self._call("take", lambda: self.inner.take(owner=owner, limit=limit))

    async def done(self, request_ids: Sequence[UUID]) -> None:
        """Mark commands as done there."""
        await self._call("done", lambda: self.inner.done(request_ids))

    async def delete(self, ids: Sequence[UUID]) -> int:
        """Delete sagas there."""
        return await self._call("delete", lambda: self.inner.delete(ids))

    async def keep_order(self, order: Order) -> bool:
        """Keep an order there."""
        return await self._call("keep_order", lambda: self.inner.keep_order(order))

    async def orders(self, kind: str) -> Sequence[Order]:
        """Return the orders there."""
        return await self._call("orders", lambda: self.inner.orders(kind))

    async def drop_order(self, order_id: UUID) -> None:
        """Drop an order there."""
        await self._call("drop_order", lambda: self.inner.drop_order(order_id))

    async def wait_for_change(self, seen: int, timeout_seconds: float) -> int:
        """Wait for a change there."""
        return await self._call(
            "wait_for_change", lambda: self.inner.wait_for_change(seen, timeout_seconds)
        )

    async def wait_for_end(self, saga_id: UUID, timeout_seconds: float) -> None:
        """Wait for the end of a saga there."""
        await self._call(
            "wait_for_end", lambda: self.inner.wait_for_end(saga_id, timeout_seconds), saga_id
        )
