"""The world outside: a service with tombstones, which knows nothing of any log.

An effect is named by its key. An undo that comes first makes a late do a no-op, as
docs/failure-model.md asks of a participant at that level. It counts what it is asked, and
how often by who had a fencing token below one that it has seen for the same saga.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

DONE: Final = b"done\n"


class Participant:
    """The way there, as `ctx.deps` of the actions."""

    def __init__(self, path: str) -> None:
        """Call the service that listens at `path`."""
        self._path: Final = path

    async def call(self, direction: str, effect: str, token: int) -> None:
        """Do or undo an effect.

        Raises:
            OSError: it is unknown whether that was done.
        """
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            writer.write(f"{direction} {effect} {token}\n".encode())
            answer = await reader.readline()
        finally:
            writer.close()
        if answer != DONE:
            raise ConnectionError("no reply")

    def call_blocking(self, direction: str, effect: str, token: int) -> None:
        """Do the same, for actions in threads."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._path)
            connection.sendall(f"{direction} {effect} {token}\n".encode())
            if connection.recv(len(DONE)) != DONE:
                raise ConnectionError("no reply")


class Ledger:
    """The service, and what it remembers."""

    def __init__(self) -> None:
        self._there: Final[defaultdict[str, set[str]]] = defaultdict(set)
        """Effects by saga."""
        self._undone: Final[defaultdict[str, set[str]]] = defaultdict(set)
        self._tokens: Final[dict[str, int]] = {}
        self.calls = 0
        self.again = 0
        """Calls whose effect was there already, or gone."""
        self.late = 0
        """Dos that came after the undo."""
        self.stale = 0
        """Calls with a token below one that was seen."""

    def of(self, saga_id: UUID) -> set[str]:
        """Return the nodes of a saga whose effects are there."""
        return self._there[str(saga_id)]

    @contextlib.asynccontextmanager
    async def serving(self, path: str) -> AsyncGenerator[None]:
        """Listen at `path`."""
        server = await asyncio.start_unix_server(self._serve, path)
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            words = (await reader.readline()).decode().split()
            if len(words) == 3:  # else the caller was killed in the middle of it
                direction, effect, token = words
                self._take(direction, effect, int(token))
                writer.write(DONE)
                await writer.drain()
        writer.close()

    def _take(self, direction: str, effect: str, token: int) -> None:
        saga_id, _, node = effect.partition("/")
        there, undone = self._there[saga_id], self._undone[saga_id]
        self.calls += 1
        highest = self._tokens.get(saga_id, 0)
        self.stale += token < highest
        self._tokens[saga_id] = max(token, highest)
        if direction == "undo":
            self.again += node in undone
            undone.add(node)
            there.discard(node)
        elif node in undone:
            self.late += 1
        else:
            self.again += node in there
            there.add(node)
