"""Reads, in threads with connections of their own: they wait for no write, nor it for them."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

from sagacity.errors import StoreError
from sagacity.stores._threads import run_in_thread
from sagacity.stores.sqlite.connecting import open_reader
from sagacity.stores.sqlite.failures import store_error
from sagacity.stores.sqlite.patience import patiently

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")

READERS: Final = 2
"""Two, so that a long list does not hold up the reading of one saga."""


class Readers:
    """A few threads that read."""

    def __init__(self, path: Path) -> None:
        """Open the connections; blocks.

        Raises:
            StoreError: they cannot be opened.
        """
        self._path: Final = path
        self._connections: Final[SimpleQueue[sqlite3.Connection]] = SimpleQueue()
        for _ in range(READERS):
            self._connections.put(open_reader(path))
        self._closing = False
        self._threads: Final = ThreadPoolExecutor(READERS, thread_name_prefix="sagacity-reader")

    async def read(
        self,
        query: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Return what `query` returns.

        Raises:
            StoreError: SQLite's error, in the words of the port.
        """
        if self._closing:
            raise StoreError(f"{self._path}: this store is not open: it was closed meanwhile")

        def run() -> T:
            return self._run(lambda connection: query(connection, *args, **kwargs))

        return await run_in_thread(self._threads, run)

    def close(self) -> None:
        """Close the connections when what is being read has been read; blocks."""
        self._closing = True
        self._threads.shutdown()
        for _ in range(READERS):
            self._connections.get().close()

    def _run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connections.get()
        try:
            return patiently(query, connection)
        except sqlite3.Error as error:
            raise store_error(error, self._path) from error
        finally:
            self._connections.put(connection)
