"""Being told by other processes: LISTEN on a session of its own, and what to do without.

While the session is there nothing is missed. When it is lost, and when it is there again,
all who wait are woken, because something may have been missed. Where the server has no
LISTEN, or a pooler is in between, those who wait look again now and then (`store`).
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sagacity.errors import StoreError
from sagacity.stores.postgres.connecting import open_session
from sagacity.stores.postgres.driver import ERRORS, sqlstate_of
from sagacity.stores.postgres.pool import delay_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagacity.stores._changes import Changes
    from sagacity.stores.postgres.address import Address
    from sagacity.stores.postgres.driver import Connection
    from sagacity.stores.postgres.ends import Ends

_logger: Final = logging.getLogger(__name__)

PING_SECONDS: Final = 5.0
"""Between two looks at whether the server is there: a cut cable says nothing."""
NOT_FOR_US: Final = frozenset({"0A000", "42601", "42883", "42501"})
"""The server does not know LISTEN, or refuses it."""
LONGEST_ATTEMPT: Final = 12


class Listener:
    """Wakes those who wait in this process when another one has something to tell."""

    def __init__(
        self,
        address: Address,
        queries: Mapping[str, str],
        channel: str,
        changes: Changes,
        ends: Ends,
    ) -> None:
        self._address: Final = address
        self._queries: Final = queries
        self._channel: Final = channel
        self._changes: Final = changes
        self._ends: Final = ends
        self.is_listening = False

    async def run(self) -> None:
        """Listen for as long as the store is open."""
        attempt = 0
        while self._address.listen and not self._address.pooled:
            try:
                connection = await open_session(self._address, self._queries)
                try:
                    await connection.add_listener(self._channel, self._hear)
                    attempt = 0
                    self._note(is_listening=True)
                    await self._stay(connection)
                finally:
                    connection.terminate()
            except StoreError as error:
                _logger.warning("cannot listen: %s", error)
            except ERRORS as error:
                if sqlstate_of(error) in NOT_FOR_US:
                    _logger.warning("%s: no LISTEN: %s", self._address.shown, sqlstate_of(error))
                    return
            finally:
                self._note(is_listening=False)
            attempt = min(attempt + 1, LONGEST_ATTEMPT)
            await asyncio.sleep(4 * delay_seconds(attempt))

    async def _stay(self, connection: Connection) -> None:
        lost = asyncio.Event()
        connection.add_termination_listener(partial(_end, lost))
        while not connection.is_closed():
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await lost.wait()
            except TimeoutError:
                await connection.fetch(self._queries["ping"], timeout=self._address.timeout_seconds)

    def _note(self, *, is_listening: bool) -> None:
        if is_listening is not self.is_listening:
            self.is_listening = is_listening
            self._changes.note_now()
            self._ends.tell_all()

    def _hear(self, _connection: object, _process: int, _channel: str, payload: str) -> None:
        if not payload:
            self._changes.note_now()
            return
        try:
            saga_ids = [UUID(hex=text) for text in payload.split(",")]
        except ValueError:
            # Somebody else's words on our channel.
            return
        self._ends.tell_some(saga_ids)


def _end(lost: asyncio.Event, _connection: object) -> None:
    lost.set()
