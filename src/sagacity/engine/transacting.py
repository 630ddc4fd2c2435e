"""Attempts whose effect and record are one transaction of the store's database.

The attempt leaves the transaction open when it has succeeded. The saga's own loop then
appends the record in it and commits, by itself: at most one append of a saga is in flight,
and what becomes durable with the user's work must not depend on what else the saga decided.
All that goes wrong before the commit has had no effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sagacity.core.events import Succeeded, UndoFinished
from sagacity.errors import TransactionFailed
from sagacity.ports.transactions import Transactional

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable

    from sagacity.authoring import Saga
    from sagacity.core.actions import ActionRegistry
    from sagacity.core.events import Event
    from sagacity.ports.store import SagaStore
    from sagacity.ports.transactions import Transaction


class Transacted(NamedTuple):
    """What came of an attempt, as far as its transaction can be committed."""

    event: Succeeded | UndoFinished
    transaction: Transaction


class Transactions:
    """Those of one saga that are open, by node."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: Final[dict[int, Transaction]] = {}

    def connection(self, node: int) -> Any:
        """Return the connection of the attempt of `node`; None: it is no transaction."""
        transaction = self._open.get(node)
        return None if transaction is None else transaction.connection

    async def attempt(
        self,
        begin: Callable[[], Awaitable[Transaction]],
        node: int,
        call: Coroutine[Any, Any, Event],
    ) -> Event | Transacted:
        """Run `call` while `connection` gives a connection to the database."""
        try:
            transaction = self._open[node] = await begin()
        except BaseException:
            call.close()
            raise
        keep = False
        try:
            event = await call
            if isinstance(event, Succeeded | UndoFinished):
                keep = True
                return Transacted(event, transaction)
            return event
        finally:
            del self._open[node]
            if not keep:
                await transaction.take_back()


def check_transactions(
    registry: ActionRegistry, sagas: Iterable[Saga[Any, Any]], store: SagaStore
) -> None:
    """Check that the store can run the actions; the sagas that have such a one are named.

    Raises:
        TransactionFailed: one is a transaction, and the store has none to give.
    """
    if isinstance(store, Transactional):
        return
    for name, action in registry.by_name.items():
        if action.transaction:
            having = [f'saga "{each.name}"' for each in sagas if action in each.actions]
            where = f"{', '.join(having)}: " if having else ""
            raise TransactionFailed(
                f'{where}action "{name}" says transaction=True, and this store is in no database '
                "that users write to: use postgresql://"
            )
