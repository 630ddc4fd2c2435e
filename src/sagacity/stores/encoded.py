"""Any store, with the payloads in it encoded: what the store sees of them is one opaque text.

Params, constants, records, arguments of commands and orders go through the codec. The
rest is what a store finds sagas by and what is shown in lists, and stays readable: ids,
names, labels, states, owners, times, and definitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace as with_parts

from sagacity.errors import PayloadUnreadable
from sagacity.ports.store import DRIVEN, MAX_PAGE
from sagacity.ports.transactions import Transactional
from sagacity.stores._encoding import Encoding
from sagacity.stores._limits import check_append, check_command, check_new, check_order

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sagacity.ports.codec import Codecs
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
    from sagacity.ports.transactions import Transaction


class EncodedStore:
    """A `SagaStore` that encodes what it hands to another one, and decodes what comes back."""

    def __init__(self, store: SagaStore, codec: Codecs) -> None:
        """Keep everything in `store`. What it has without a codec is read as it is.

        Raises:
            ValueError: there is no codec, or two have one name.
        """
        self._store: Final = store
        self._encoding: Final = Encoding(codec)

    async def open(self) -> None:
        """Open the store."""
        await self._store.open()

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()

    async def acquire(self, owner: str, *, wait: bool) -> int:
        """Become the coordinator of the store."""
        return await self._store.acquire(owner, wait=wait)

    async def release(self) -> None:
        """Stop being the coordinator."""
        await self._store.release()

    async def renew(self) -> float | None:
        """Go on being a coordinator."""
        return await self._store.renew()

    async def coordinators(self) -> Sequence[Coordinator]:
        """Return the coordinators that are alive."""
        return await self._store.coordinators()

    async def create(self, saga: NewSaga) -> SagaHead | None:
        """Store a new saga, its payloads encoded."""
        check_new(saga)
        return await self._store.create(self._encoding.encode_saga(saga))

    async def append(self, append: Append) -> None:
        """Append a record, encoded."""
        await self._store.append(self._append_encoded(append))

    def _append_encoded(self, append: Append) -> Append:
        check_append(append)
        if append.event_count:
            append = with_parts(append, record=self._encoding.encode(append.record))
        return append

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
        """Take over sagas."""
        return await self._store.adopt(
            owner, epoch, ids=ids, states=states, unfit=unfit, limit=limit
        )

    async def disown(self, owner: str, ids: Sequence[UUID]) -> None:
        """Own sagas no more."""
        await self._store.disown(owner, ids)

    async def read(self, saga_id: UUID) -> StoredSaga:
        """Return one saga, decoded.

        Raises:
            PayloadUnreadable: with none of the codecs that are here.
        """
        stored = await self._store.read(saga_id)
        whose = f"saga {saga_id}"
        return replace(
            stored,
            params=self._encoding.decode(stored.params, whose),
            constants=self._encoding.decode(stored.constants, whose),
            records=tuple(
                (first, self._encoding.decode(record, whose)) for first, record in stored.records
            ),
        )

    async def list(self, query: SagaQuery) -> Sequence[SagaHead]:
        """Return heads; nothing in them is encoded."""
        return await self._store.list(query)

    async def newest(self, name: str, *, limit: int = 100) -> Sequence[SagaHead]:
        """Return the newest heads of a name."""
        return await self._store.newest(name, limit=limit)

    async def send(self, command: InboxCommand) -> bool:
        """Put a command into the inbox, its arguments encoded."""
        check_command(command)
        return await self._store.send(
            replace(command, arguments=self._encoding.encode(command.arguments))
        )

    async def take(
        self, *, owner: str | None = None, limit: int = MAX_PAGE
    ) -> Sequence[InboxCommand]:
        """Return the oldest commands. What no codec here can read is given as it is stored.

        So that one such command does not hide the others; whoever reads it is told.
        """
        return [
            self._opened(command) for command in await self._store.take(owner=owner, limit=limit)
        ]

    async def done(self, request_ids: Sequence[UUID]) -> None:
        """Mark commands as done."""
        await self._store.done(request_ids)

    async def delete(self, ids: Sequence[UUID]) -> int:
        """Remove sagas; no codec is needed for that."""
        return await self._store.delete(ids)

    async def keep_order(self, order: Order) -> bool:
        """Keep an order, its document encoded: it can have an output to set."""
        check_order(order)
        return await self._store.keep_order(
            replace(order, document=self._encoding.encode(order.document))
        )

    async def orders(self, kind: str) -> Sequence[Order]:
        """Return the orders of a kind, decoded.

        Raises:
            PayloadUnreadable: who does not know what others are to obey must not go on.
        """
        return [
            replace(order, document=self._encoding.decode(order.document, f"{kind} {order.id}"))
            for order in await self._store.orders(kind)
        ]

    async def drop_order(self, order_id: UUID) -> None:
        """Keep an order no more."""
        await self._store.drop_order(order_id)

    async def wait_for_change(self, seen: int, timeout_seconds: float) -> int:
        """Return when the store may have changed."""
        return await self._store.wait_for_change(seen, timeout_seconds)

    async def wait_for_end(self, saga_id: UUID, timeout_seconds: float) -> None:
        """Return when a saga may have ended."""
        await self._store.wait_for_end(saga_id, timeout_seconds)

    def _opened(self, command: InboxCommand) -> InboxCommand:
        try:
            arguments = self._encoding.decode(command.arguments, f"command {command.request_id}")
        except PayloadUnreadable:
            return command
        return replace(command, arguments=arguments)


class EncodedTransactionalStore(EncodedStore):
    """The same around a store whose database the user may write to as well."""

    def __init__(self, store: SagaStore, codec: Codecs) -> None:
        super().__init__(store, codec)
        assert isinstance(store, Transactional)
        self._transactional: Final[Transactional] = store

    async def begin(self) -> Transaction:
        """Begin a transaction."""
        return _EncodedTransaction(await self._transactional.begin(), self._append_encoded)


class _EncodedTransaction:
    def __init__(self, transaction: Transaction, encoded: Callable[[Append], Append]) -> None:
        self._transaction: Final = transaction
        self._encoded: Final = encoded

    @property
    def connection(self) -> Any:
        return self._transaction.connection

    async def commit(self, append: Append) -> None:
        await self._transaction.commit(self._encoded(append))

    async def take_back(self) -> None:
        await self._transaction.take_back()


def encoded(store: SagaStore, codec: Codecs) -> EncodedStore:
    """Return the store, with what it keeps of sagas encoded.

    Raises:
        ValueError: no codec.
    """
    made = EncodedTransactionalStore if isinstance(store, Transactional) else EncodedStore
    return made(store, codec)
