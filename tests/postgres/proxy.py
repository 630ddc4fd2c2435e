"""A TCP proxy in front of a server, which can lose what a network can lose.

It runs in the test's own event loop and changes what it does when it is told to:

* `reset`: all connections end at once, without a good-bye.
* `black_hole`: nothing is carried any more, and nobody is told. New connections neither.
* `half_open`: the server's ends are closed, the clients' stay open and silent.
* `cut_after(needle)`: the next message to the server in which `needle` occurs is carried,
  and everything that is on the way back is lost: the connection is reset when the server
  has answered. With b"COMMIT", or a piece of what is written: a commit of unknown outcome.
* `delay(needle)`: the next message to the server in which `needle` occurs is on its way until
  `deliver`; for the client the connection is reset at once. A commit that comes late.
* `heal`: as a cable again.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

CHUNK_BYTES: Final = 65_536
_AT_ONCE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: reset instead of a good-bye."""


class Proxy:
    """Carries connections to the server of a URL, for as long as it is entered."""

    def __init__(self, url: str) -> None:
        """Name the server; nothing is done yet."""
        self._there: Final = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._pairs: Final[set[_Pair]] = set()
        self._carries: Final = asyncio.Event()
        self._carries.set()
        self.needle = b""
        self._delayed = b""
        self._delivers: Final = asyncio.Event()
        self.cuts = 0
        """How many connections were cut by `cut_after`."""

    async def __aenter__(self) -> Self:
        """Begin to take connections."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all connections."""
        assert self._server is not None
        self._server.close()
        self.heal()
        self.deliver()
        self.reset()

    @property
    def url(self) -> str:
        """The URL by way of this proxy."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        user, at, _ = self._there.netloc.rpartition("@")
        return self._there._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._pairs)

    def reset(self) -> None:
        """End all connections at once."""
        for pair in [*self._pairs]:
            pair.reset()

    def black_hole(self) -> None:
        """Carry nothing more, and tell nobody."""
        self._carries.clear()

    def half_open(self) -> None:
        """Close the server's ends of what is there; the clients hear nothing of it."""
        for pair in self._pairs:
            pair.silent = True
            _abort(pair.server)

    def cut_after(self, needle: bytes) -> None:
        """Lose the answer to the next message that holds `needle`, and the connection."""
        self.needle = needle

    def delay(self, needle: bytes) -> None:
        """Let the next message that holds `needle` arrive no sooner than `deliver`."""
        self._delayed = needle
        self._delivers.clear()

    def deliver(self) -> None:
        """Let what was delayed arrive."""
        self._delivers.set()

    def heal(self) -> None:
        """Carry everything again; what was lost stays lost."""
        self.needle = b""
        self._carries.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._carries.wait()
        try:
            there = await asyncio.open_connection(self._there.hostname, self._there.port)
        except OSError:
            _abort(writer)
            return
        pair = _Pair(writer, there[1])
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._forth(pair, reader))
                directions.create_task(self._back(pair, there[0]))
        except* OSError:
            pass
        finally:
            self._pairs.discard(pair)
            pair.reset()

    async def _forth(self, pair: _Pair, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            await self._carries.wait()
            if self.needle and self.needle in chunk:
                self.needle = b""
                self.cuts += 1
                pair.cut = True
            if self._delayed and self._delayed in chunk:
                self._delayed = b""
                self.cuts += 1
                pair.cut = True
                _abort(pair.client)
                await self._delivers.wait()
            pair.server.write(chunk)
            await pair.server.drain()
            if pair.cut:
                return  # it ends with the server's answer
        _abort(pair.server)

    async def _back(self, pair: _Pair, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            await self._carries.wait()
            if pair.cut:
                break
            pair.client.write(chunk)
            await pair.client.drain()
        if not pair.silent:
            pair.reset()


class _Pair:
    """The two ends of a connection."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client: Final = client
        self.server: Final = server
        self.cut = False
        self.silent = False

    def reset(self) -> None:
        """End both, at once."""
        _abort(self.client)
        _abort(self.server)


def _abort(writer: asyncio.StreamWriter) -> None:
    there: socket.socket | None = writer.get_extra_info("socket")
    if there is not None and there.fileno() >= 0:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()
