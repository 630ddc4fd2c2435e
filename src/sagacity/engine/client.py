"""Sagas from a process that drives none: create, start, watch, inject; through the store.

A live coordinator on the same store (or the next one) picks up what is asked. A
client never appends to a log: it creates sagas that nobody owns yet, and puts
commands for those that exist into the inbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, overload

from sagacity.core.masking import revived
from sagacity.core.values import MAX_VALUE_BYTES, check_value_limit
from sagacity.engine import inbox, system
from sagacity.engine.asking import ask
from sagacity.engine.awaiting import next_look
from sagacity.engine.definitions import Definitions
from sagacity.engine.forecasting import plan_of
from sagacity.engine.handle import Ending, Handle
from sagacity.engine.injection import check_repeat
from sagacity.engine.intake import check_same, take_in, unowned_saga
from sagacity.engine.listing import owners_alive
from sagacity.engine.many import ForMany
from sagacity.engine.slips import check_id
from sagacity.errors import SagaStateError
from sagacity.ports.store import FINAL, SagaStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from uuid import UUID

    from sagacity.authoring import Saga
    from sagacity.core.dag import Dag
    from sagacity.core.values import Json
    from sagacity.engine.forecasting import Plan
    from sagacity.engine.requests import Request
    from sagacity.ports.store import SagaStore

P = TypeVar("P")
R = TypeVar("R")

POLL_SECONDS: Final = 1.0


class Client(ForMany):
    """A store seen from outside, open between `async with` and its end.

    Opens and closes `store`. Works with or without a live coordinator; without
    one, what is asked waits for the next.
    """

    def __init__(self, store: SagaStore, *, max_value_bytes: int = MAX_VALUE_BYTES) -> None:
        """Nothing happens before `async with`. For the limit see `Sec`."""
        super().__init__(store, Definitions())
        self._max_value_bytes: Final = check_value_limit(max_value_bytes)

    async def __aenter__(self) -> Self:
        """Open the store."""
        await self._store.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the store."""
        await self._store.close()

    @overload
    async def create(
        self, saga_or_dag: Saga[P, R], params: P = ..., *, id: UUID | None = None,
        labels: Mapping[str, str] | None = None, priority: int = 0, start: bool = False,
    ) -> Handle[R]: ...  # fmt: skip

    @overload
    async def create(
        self, saga_or_dag: Dag, params: Any = None, *, id: UUID | None = None,
        labels: Mapping[str, str] | None = None, priority: int = 0, start: bool = False,
    ) -> Handle[Any]: ...  # fmt: skip

    async def create(
        self,
        saga_or_dag: Saga[Any, Any] | Dag,
        params: Any = None,
        *,
        id: UUID | None = None,
        labels: Mapping[str, str] | None = None,
        priority: int = 0,
        start: bool = False,
    ) -> Handle[Any]:
        """Store a new saga, started or not. As `Sec.create`; actions are checked by who runs it.

        Coordinators take started sagas in the order of their age; each point of `priority`
        (-100 to 100) counts as a minute more of it, so that nobody waits for ever.
        """
        intake = take_in(saga_or_dag, params, labels, self._max_value_bytes)
        saga_id = system.new_saga_id() if id is None else check_id(id)
        saga = unowned_saga(intake, saga_id, priority=priority, start=start)
        if await self._store.create(saga) is not None:
            stored = await self._store.read(saga_id)
            check_same(saga_id, stored.head.name, stored.params, intake)
            if start and stored.head.state is SagaStatus.READY:
                await self.start(saga_id)
        return Handle(self, saga_id, intake.decode_output)

    def handle(self, saga_id: UUID) -> Handle[Any]:
        """Return a handle of a saga of the store; whether it exists shows when it is used."""
        return Handle(self, check_id(saga_id))

    async def start(self, saga_id: UUID) -> None:
        """Ask for a created saga to be started; as `Handle.start`."""
        stored = await self._store.read(saga_id)
        if stored.head.state is not SagaStatus.READY:
            raise SagaStateError(saga_id, stored.head.state, "start")
        await self._store.send(inbox.start_command(saga_id))

    async def wait(self, saga_id: UUID) -> Ending:
        """Wait until the saga has ended or is stuck, whoever drives it; as `Handle.wait`."""
        while True:
            ending = await next_look(self._store, self._definitions, saga_id)
            if ending is not None:
                return ending

    async def has_coordinator(self) -> bool:
        """Return whether a coordinator is alive on the store; without one no saga goes on."""
        return bool(await self._store.coordinators())

    async def is_driven(self, saga_id: UUID) -> bool:
        """Return whether a coordinator that is alive owns the saga.

        Raises:
            NoSuchSaga: it does not exist.
        """
        alive = await owners_alive(self._store)
        return (await self._store.read(saga_id)).head.owner in alive

    async def wait_for_change(self, seen: int = 0, timeout_seconds: float = POLL_SECONDS) -> int:
        """Return when the store may have changed since `seen`, or after the time-out.

        The result is the next `seen`.
        """
        return await self._store.wait_for_change(seen, timeout_seconds)

    async def inject(self, saga_id: UUID, verb: str, node: str, counts: tuple[int, int]) -> None:
        """Ask for a fault; as the `inject_` methods of `Handle`."""
        check_repeat(*counts)
        stored = await self._store.read(saga_id)
        if stored.head.state in FINAL or stored.head.state is SagaStatus.STUCK:
            raise SagaStateError(saga_id, stored.head.state, "inject a fault into")
        self._definitions.dag_of(stored).find(node)
        await self._store.send(inbox.inject_command(saga_id, verb, node, counts))

    async def decide(self, saga_id: UUID, request: Request) -> bool:
        """Have carried out what a person asks; as the control and repair methods of `Handle`."""
        return await ask(self._store, self._definitions, saga_id, request)

    async def plan(self, saga_id: UUID, request: Request) -> Plan:
        """Return what a decision would do; as `Handle.plan`."""
        return await plan_of(self._store, self._definitions, {}, saga_id, request)

    def decoder_of(self, saga_name: str) -> Callable[[Json], Any]:
        """Return what reads an output of which nothing is known here: plain JSON."""
        del saga_name
        return revived
