"""A transaction of the database that a store is in: what the user does there, and our record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from sagacity.ports.store import Append


class Transaction(Protocol):
    """One that is open; it ends with `commit` or `take_back`."""

    @property
    def connection(self) -> Any:
        """The driver's own connection, with the transaction begun."""
        ...

    async def commit(self, append: Append) -> None:
        """Append the record and make everything durable, as one.

        However long it takes: where the answer to the commit is lost, it finds out what
        became of it. Whatever it raises, the transaction has ended.

        Raises:
            NotOwner: epoch or sequence are not the saga's; nothing was written.
            TransactionFailed: nothing was written.
        """
        ...

    async def take_back(self) -> None:
        """Take back what was done, if it has not ended. Raises nothing."""
        ...


@runtime_checkable
class Transactional(Protocol):
    """A store whose database the user may write to as well."""

    async def begin(self) -> Transaction:
        """Begin a transaction; waits while as many as may are open.

        Raises:
            StoreError: the database cannot be reached.
        """
        ...
