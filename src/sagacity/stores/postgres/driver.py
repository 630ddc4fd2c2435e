"""The driver, asyncpg, and nothing else of it than what is named here.

It has no types of its own, so what we use of it is written down as a protocol.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import asyncpg  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sagacity.stores.postgres.address import Address

Row: TypeAlias = "Sequence[Any]"

ERRORS: Final[tuple[type[Exception], ...]] = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,  # TimeoutError is one
    EOFError,
)
"""All that a call can raise, other than by a mistake of ours."""
CLOSE_SECONDS: Final = 2.0
USER_SECONDS: Final = 60.0
"""How long a statement may take that does not say: one of a user's, in a transaction."""

_connect: Final[Any] = getattr(asyncpg, "connect")  # noqa: B009 - it has no types


class Connection(Protocol):
    """A session, used for one thing at a time. The signatures are the driver's."""

    async def fetch(
        self,
        query: str,
        *args: Any,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> list[Row]:
        """Run one statement and return its rows."""
        ...

    async def execute(
        self,
        query: str,
        *args: Any,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> str:
        """Run statements."""
        ...

    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None:
        """Call back with each notification: connection, process id, channel, payload."""
        ...

    def add_termination_listener(self, callback: Callable[..., None]) -> None:
        """Call back when the session has ended, for whatever reason."""
        ...

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Say good-bye to the server."""
        ...

    def terminate(self) -> None:
        """Leave without a word."""
        ...

    def is_closed(self) -> bool:
        """Whether it is of no use any more."""
        ...


async def connect(address: Address, timeout_seconds: float) -> Connection:
    """Return a new session at the server that takes writes."""
    connection: Connection = await _connect(
        address.dsn,
        timeout=timeout_seconds,
        command_timeout=USER_SECONDS,
        # A pooler may give the next statement to another session, which knows none of ours.
        statement_cache_size=0 if address.pooled else 100,
        max_cached_statement_lifetime=0,
    )
    return connection


async def disconnect(connection: Connection) -> None:
    """End a session; if the server does not answer, without a word."""
    try:
        await connection.close(timeout=CLOSE_SECONDS)
    except ERRORS:
        connection.terminate()
    except asyncio.CancelledError:
        connection.terminate()
        raise


def sqlstate_of(error: Exception) -> str:
    """Return the server's code of an error, or an empty text."""
    code = getattr(error, "sqlstate", None)
    return code if isinstance(code, str) else ""


def is_bad_value(error: Exception) -> bool:
    """Whether the driver refused a value before it sent anything."""
    return isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)


def is_wrong_host(error: Exception) -> bool:
    """Whether servers answered, but none of them takes writes."""
    return isinstance(error, asyncpg.exceptions.TargetServerAttributeNotMatched)


def is_bad_address(error: Exception) -> bool:
    """Whether the driver does not understand where to connect to."""
    return isinstance(error, asyncpg.exceptions.ClientConfigurationError)
