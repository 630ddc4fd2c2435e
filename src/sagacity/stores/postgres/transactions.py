"""Transactions in which users' actions write to the database, and we the record of it.

Each has a session for itself, of which there are a few. What a session was told for our own
statements (how to plan them) is taken back for the time of the transaction.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Final

from sagacity.errors import NotOwner, StoreError, TransactionFailed
from sagacity.stores.postgres.batch import Verdict, settle, write_of_append
from sagacity.stores.postgres.driver import ERRORS
from sagacity.stores.postgres.failures import Answer, answer_to
from sagacity.stores.postgres.pool import Try

if TYPE_CHECKING:
    from sagacity.ports.store import Append
    from sagacity.stores.postgres.driver import Connection
    from sagacity.stores.postgres.pool import Pool

MAX_OPEN: Final = 8
"""Transactions of one store object; more wait."""
LOOK_AGAIN_SECONDS: Final = 0.5
MOST_IDLE_SECONDS: Final = 5.0
"""For a transaction with a lock on a saga; less where a lease is short."""
COMMITTED: Final = "COMMIT"


class PostgresTransaction:
    """One transaction, from its begin to its end."""

    def __init__(
        self,
        session: AsyncExitStack,
        begun: Try,
        pool: Pool,
        channel: str,
        most_idle_seconds: float,
    ) -> None:
        """`session` gives the connection back; `pool` has others, to find out what became of it.

        `most_idle_seconds`: how long it may stand still between the record and its end.
        """
        self._most_idle: Final = f"{most_idle_seconds * 1_000:.0f}ms"
        self._session: Final = session
        self._begun: Final = begun
        self._pool: Final = pool
        self._channel: Final = channel

    @property
    def connection(self) -> Any:
        """Asyncpg's connection."""
        return self._begun.connection

    async def commit(self, append: Append) -> None:
        async with self._session:
            try:
                await self._append(append)
                status = await self._begun.connection.execute(
                    self._begun.queries["commit"], timeout=self._begun.timeout_seconds
                )
            except ERRORS as error:
                self._begun.connection.terminate()
                in_doubt = answer_to(error) is Answer.RECONNECT
                if not in_doubt or not await self._has_landed(append):
                    raise TransactionFailed(f"not committed: {error}") from error
            except BaseException:
                self._begun.connection.terminate()
                raise
            else:
                if status != COMMITTED:
                    raise TransactionFailed(f"not committed: the server answered {status}")

    async def take_back(self) -> None:
        async with self._session:
            if not self._begun.connection.is_closed():
                with suppress(*ERRORS):
                    await self._begun.tell("take_back")
                    return
            self._begun.connection.terminate()

    async def _append(self, append: Append) -> None:
        connection: Any = self._begun.connection
        if not connection.is_in_transaction():
            raise TransactionFailed("the action has ended the transaction that it was given")
        await self._begun.rows("hurry", self._most_idle)
        (verdict,) = await settle(self._begun, [write_of_append(append)], self._channel)
        if verdict is not Verdict.ACCEPTED:
            raise NotOwner(f"saga {append.saga_id} is another coordinator's, or has gone on")

    async def _has_landed(self, append: Append) -> bool:
        """Find out whether it was committed; the server may still be at it."""

        async def look(begun: Try) -> bool:
            async with begun.transaction():
                # Whoever commits or takes back holds the lock of this row until then.
                await begun.rows("lock_head", append.saga_id)
                found = await begun.value("record_at", append.saga_id, append.expected_sequence + 1)
                return bool(found == append.record)

        while True:
            try:
                return await self._pool.call(look, changes=False)
            except StoreError:
                await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def begin_in(
    sessions: Pool, pool: Pool, channel: str, timeout_seconds: float, lease_seconds: float
) -> PostgresTransaction:
    """Begin a transaction on a session of `sessions`.

    Raises:
        StoreError: there is none to be had.
    """
    session = AsyncExitStack()
    connection: Connection = await session.enter_async_context(sessions.session())
    begun = Try(connection, sessions.queries, timeout_seconds)
    try:
        await begun.tell("begin_for_user")
    except ERRORS as error:
        connection.terminate()
        await session.aclose()
        raise StoreError(f"cannot begin a transaction: {error}") from error
    except BaseException:
        connection.terminate()
        await session.aclose()
        raise
    most_idle_seconds = min(lease_seconds / 2, MOST_IDLE_SECONDS)
    return PostgresTransaction(session, begun, pool, channel, most_idle_seconds)
