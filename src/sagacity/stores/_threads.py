"""Work in threads that a busy event loop cannot starve.

A thread that has waited for the disk needs Python's lock to go on. CPython gives it the
lock when it has waited for 5 ms, but begins to count anew whenever the lock was free for
a moment. An event loop that is never idle frees it once in each of its turns, and takes
it back before the thread has woken up. With turns of less than 5 ms the thread waits
for seconds (measured: docs/decisions/0003-sqlite-writer.md).

So while a thread is at work the event loop stands still for it now and then: rarely,
and the more rarely the longer the work takes, because then it is the disk that is slow.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")

FIRST_PAUSE_SECONDS: Final = 0.004
LONGEST_PAUSE_SECONDS: Final = 0.064
LENT_SECONDS: Final = 0.0005
"""Enough to take the lock and go on to the next wait for the disk."""


def run_in_thread(threads: ThreadPoolExecutor, work: Callable[[], T]) -> asyncio.Future[T]:
    """Begin `work` in a thread, and return the future of its result."""
    job = threads.submit(work)
    answer = asyncio.wrap_future(job)
    lending = _Lending(job)
    answer.add_done_callback(lending.end)
    return answer


class _Lending:
    """Lends Python's lock to one job until that is done."""

    __slots__ = ("_job", "_loop", "_pause_seconds", "_timer")

    def __init__(self, job: Future[Any]) -> None:
        self._job: Final = job
        self._loop: Final = asyncio.get_running_loop()
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._timer = self._loop.call_later(FIRST_PAUSE_SECONDS, self._lend)

    def end(self, _answer: asyncio.Future[Any]) -> None:
        self._timer.cancel()

    def _lend(self) -> None:
        wait((self._job,), LENT_SECONDS)
        self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)
        self._timer = self._loop.call_later(self._pause_seconds, self._lend)
