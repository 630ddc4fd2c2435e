"""Who waits, in this process, for how a saga ends.

A waiter is a future; cancelling it harms nobody. That a saga waits for a place, sleeps
or is read again makes no difference to them: they wait for its id.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sagacity.errors import CoordinatorClosed

if TYPE_CHECKING:
    from uuid import UUID

    from sagacity.engine.handle import Ending


class Waiters:
    """The waiters of one coordinator, by saga."""

    def __init__(self) -> None:
        """Begin without any, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[UUID, list[asyncio.Future[Ending]]] = {}
        self._end: Exception | None = None

    def __len__(self) -> int:
        """Count the sagas that are waited for."""
        return len(self._waiting)

    def add(self, saga_id: UUID) -> asyncio.Future[Ending]:
        """Return a future of how the saga ends; who comes after all were told is told the same."""
        future: asyncio.Future[Ending] = self._loop.create_future()
        if self._end is not None:
            fail(future, self._end)
            return future
        self._waiting.setdefault(saga_id, []).append(future)
        return future

    def forget(self, saga_id: UUID, future: asyncio.Future[Ending]) -> None:
        """Nobody waits on `future` any more."""
        waiting = self._waiting.get(saga_id)
        if waiting and future in waiting:
            waiting.remove(future)
            if not waiting:
                del self._waiting[saga_id]

    def has(self, saga_id: UUID) -> bool:
        """Whether somebody waits for the saga."""
        return saga_id in self._waiting

    def tell(self, saga_id: UUID, ending: Ending) -> None:
        """Tell all who wait for the saga how it ended."""
        for future in self._waiting.pop(saga_id, ()):
            if not future.done():
                future.set_result(ending)

    def fail(self, saga_id: UUID, error: Exception) -> None:
        """Tell all who wait for the saga why they will not hear how it ended."""
        for future in self._waiting.pop(saga_id, ()):
            fail(future, error)

    def fail_all(self, error: Exception) -> None:
        """Tell everybody, those who come later too."""
        self._end = error
        for saga_id in list(self._waiting):
            self.fail(saga_id, error)


def fail(future: asyncio.Future[Any] | None, error: Exception) -> None:
    """Let `future` raise `error`, if somebody still waits for it."""
    if future is not None and not future.done():
        future.set_exception(error)
        future.exception()  # the caller may be gone: then nobody is to be warned


def closing() -> CoordinatorClosed:
    """Return what those are told who asked something of a coordinator that closes."""
    return CoordinatorClosed("the coordinator is closing; the saga goes on when the next one opens")
