"""Connections for what is asked of the store one call at a time, and how often it is asked.

A few connections, opened when needed. One that failed in whatever way is closed, not used
again. What the server did not do is repeated, a bounded number of times; whether it did,
when it does not say, is for the caller to find out, who is told (`Try.in_doubt`).
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sagacity.errors import StoreError
from sagacity.stores.postgres.connecting import close_session, open_session
from sagacity.stores.postgres.driver import ERRORS
from sagacity.stores.postgres.failures import Answer, answer_to, store_error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from sagacity.stores.postgres.address import Address
    from sagacity.stores.postgres.driver import Connection, Row

T = TypeVar("T")

AGAIN_TRIES: Final = 20
"""When another transaction is in the way."""
RECONNECT_TRIES: Final = 3
FIRST_DELAY_SECONDS: Final = 0.002
LONGEST_DELAY_SECONDS: Final = 0.25
LONG_FACTOR: Final = 6
"""What may take long has so many times the time-out."""


def delay_seconds(attempt: int) -> float:
    """Return how long to wait after the attempt of this number, from 0: longer each time."""
    longest: float = min(FIRST_DELAY_SECONDS * 2**attempt, LONGEST_DELAY_SECONDS)
    # By chance, so that two who are in each other's way do not meet again.
    return longest * (0.5 + random.random() / 2)  # noqa: S311 - no secret


@dataclass(slots=True)
class Try:
    """One try of a call: a session to use, and whether an earlier try may have had its effect."""

    connection: Connection
    queries: Mapping[str, str]
    timeout_seconds: float
    in_doubt: bool = False

    async def rows(self, name: str, *values: Any) -> list[Row]:
        """Return the rows of a query."""
        return await self.connection.fetch(
            self.queries[name], *values, timeout=self.timeout_seconds
        )

    async def value(self, name: str, *values: Any) -> Any:
        """Return the first column of the first row of a query, or None."""
        rows = await self.rows(name, *values)
        return rows[0][0] if rows else None

    async def status(self, name: str, *values: Any) -> str:
        """Return what the server says of a statement: how many rows it has changed."""
        return await self.connection.execute(
            self.queries[name], *values, timeout=self.timeout_seconds
        )

    async def tell(self, name: str) -> None:
        """Run a statement without values, or several."""
        await self.connection.execute(self.queries[name], timeout=self.timeout_seconds)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[None]:
        """Run what is inside as one transaction; whatever breaks it takes it back."""
        await self.tell("begin")
        try:
            yield
            await self.tell("commit")
        except BaseException:
            # Without asking: the server takes back what has no end.
            self.connection.terminate()
            raise


class Pool:
    """Up to so many sessions; who finds none waits."""

    def __init__(
        self, address: Address, queries: Mapping[str, str], size: int, quick_seconds: float
    ) -> None:
        """`quick_seconds` is how long a call that should take no time waits for an answer."""
        self._address: Final = address
        self.queries: Final = queries
        self._quick_seconds: Final = quick_seconds
        self._connect_seconds: Final = min(quick_seconds, address.timeout_seconds)
        self._idle: Final[list[Connection]] = []
        self._places: Final = asyncio.Semaphore(size)
        self._closed = False

    async def close(self) -> None:
        """Close what is idle now, and the rest as soon as it is."""
        self._closed = True
        while self._idle:
            await close_session(self._idle.pop())

    async def call(
        self, work: Callable[[Try], Awaitable[T]], *, quick: bool = False, changes: bool = True
    ) -> T:
        """Return what `work` returns, in as many tries as it takes and are allowed.

        Raises:
            StoreError: it could not be done, or nobody knows (the text says which).
        """
        in_doubt = False
        again = reconnected = 0
        while True:
            try:
                async with self._session() as connection:
                    seconds = self._quick_seconds * (1 if quick else LONG_FACTOR)
                    begun = Try(connection, self.queries, seconds, in_doubt)
                    return await work(begun)
            except _NoSessionError as error:
                cause = error.cause
                reconnected += 1
                if answer_to(cause) is not Answer.RECONNECT or reconnected >= RECONNECT_TRIES:
                    raise store_error(cause, self._address.shown, unknown=in_doubt) from cause
            except ERRORS as error:
                answer = answer_to(error)
                again += 1
                if answer is Answer.RECONNECT:
                    reconnected += 1
                    in_doubt = changes
                if (
                    answer not in (Answer.AGAIN, Answer.RECONNECT)
                    or again >= AGAIN_TRIES
                    or reconnected >= RECONNECT_TRIES
                ):
                    raise store_error(error, self._address.shown, unknown=in_doubt) from error
            await asyncio.sleep(delay_seconds(again + reconnected))

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[Connection]:
        """Have a session for oneself; if it is closed on leaving, it is not used again.

        Raises:
            StoreError: there is none to be had.
        """
        try:
            async with self._session() as connection:
                yield connection
        except _NoSessionError as error:
            raise store_error(error.cause, self._address.shown) from error.cause

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[Connection]:
        async with self._places:
            connection = await self._take()
            try:
                yield connection
            except ERRORS as error:
                if answer_to(error) is Answer.RECONNECT or connection.is_closed():
                    connection.terminate()
                    self._drop_idle()
                else:
                    await self._put(connection)
                raise
            except BaseException:
                # Cancelled in the middle: what the server still does is nobody's business.
                connection.terminate()
                raise
            await self._put(connection)

    async def _take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        if self._closed:
            raise StoreError(f"{self._address.shown}: this store is not open")
        try:
            return await open_session(self._address, self.queries, self._connect_seconds)
        except ERRORS as error:
            raise _NoSessionError(error) from error

    def _drop_idle(self) -> None:
        # What broke one has probably broken all, and each would cost a try.
        while self._idle:
            self._idle.pop().terminate()

    async def _put(self, connection: Connection) -> None:
        if self._closed:
            await close_session(connection)
        else:
            self._idle.append(connection)


class _NoSessionError(Exception):
    """There was no session, so nothing was sent."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause: Final = cause
