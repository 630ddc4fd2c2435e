"""A new session, ready for use: its settings, and whether the server keeps what it commits.

Looked at with each connection, because the server behind an address can change.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from sagacity.errors import StoreError
from sagacity.stores.postgres.driver import connect, disconnect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagacity.stores.postgres.address import Address
    from sagacity.stores.postgres.driver import Connection

_logger: Final = logging.getLogger(__name__)

WHY: Final[Mapping[str, str]] = {
    "fsync": "a crash of the machine can destroy the whole database",
    "full_page_writes": "a crash of the machine can destroy pages of the database",
    "synchronous_commit": "a crash of the server loses what it acknowledged",
}

PLANS: Final = (
    # A plan is made once and kept, maybe while the tables are empty: then the server would
    # choose to read them from end to end, and still do so when they have grown.
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; "
    # So is the code that it can make for dear plans, which takes longer than ours run.
    "SET jit = off"
)


async def open_session(
    address: Address, queries: Mapping[str, str], timeout_seconds: float | None = None
) -> Connection:
    """Return a session that may be relied on.

    Raises:
        StoreError: a setting of the server would lose what it acknowledges.
    """
    timeout_seconds = timeout_seconds or address.timeout_seconds
    connection = await connect(address, timeout_seconds)
    try:
        async with asyncio.timeout(timeout_seconds):
            await _prepare(connection, address, queries)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def close_session(connection: Connection) -> None:
    """End a session in peace if that is possible, at once otherwise."""
    await disconnect(connection)


async def _prepare(connection: Connection, address: Address, queries: Mapping[str, str]) -> None:
    rows = await connection.fetch(queries["settings"])
    off = {name for name, setting in rows if setting == "off"}
    if "synchronous_commit" in off - address.unsafe and not address.pooled:
        await connection.execute("SET synchronous_commit = on")
        off.discard("synchronous_commit")
    for name in sorted(off):
        if name not in address.unsafe:
            raise StoreError(
                f"{address.shown}: the server has {name} = off: {WHY[name]}. Switch it on, or, "
                f"if what is in this store may be lost, add unsafe={name} to its URL"
            )
        _logger.warning("%s: unsafe: %s = off: %s", address.shown, name, WHY[name])
    if not address.pooled:
        await connection.execute(PLANS)
    if address.isolation != "read committed":
        await connection.execute(f"SET default_transaction_isolation = '{address.isolation}'")
