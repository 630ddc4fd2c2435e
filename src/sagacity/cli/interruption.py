"""Ctrl-C and SIGTERM: the first asks to stop, the second stops at once.

The handlers are Python's, not the event loop's: an action that blocks the loop must
not keep a person from stopping. What runs is asked to come to an end; who is asked
a second time leaves the process without cleaning up, as a crash would, which the
engine is made for.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sagacity.cli.exit_codes import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

T = TypeVar("T")

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR: Final = b"\x1b[?25h"


class Interruption:
    """Whether somebody asked to stop."""

    def __init__(self, on_second: str) -> None:
        """Print `on_second` when asked a second time."""
        self._on_second: Final = on_second
        self._times = 0
        self._waiting: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    @property
    def asked(self) -> bool:
        """Whether somebody asked to stop."""
        return self._times > 0

    async def wait(self) -> None:
        """Wait until somebody asks to stop."""
        event = asyncio.Event()
        self._waiting = (asyncio.get_running_loop(), event)
        if not self.asked:
            await event.wait()

    def take(self, *_: Any) -> None:
        """Be the handler of a signal."""
        self._times += 1
        if self._times > 1:
            cursor = _SHOW_CURSOR if sys.stderr.isatty() else b""
            os.write(2, cursor + f"\n{self._on_second}\n".encode(errors="replace"))
            leave_at_once(INTERRUPTED)
        if self._waiting is not None:
            loop, event = self._waiting
            # The loop may be asleep in its selector: a plain `set` would not wake it.
            loop.call_soon_threadsafe(event.set)


@contextmanager
def interruptible(on_second: str) -> Generator[Interruption]:
    """Let signals ask to stop; entered around `asyncio.run`, so that its end is covered too."""
    interruption = Interruption(on_second)
    before = {number: signal.signal(number, interruption.take) for number in _SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def unless_interrupted(interruption: Interruption, work: Coroutine[Any, Any, T]) -> T | None:
    """Return the result of `work`; None, after cancelling it, when somebody asks to stop."""
    return await unless(interruption.wait(), work)


async def unless(other: Coroutine[Any, Any, object], work: Coroutine[Any, Any, T]) -> T | None:
    """Return the result of `work`; None when `other` was done first. What is left is cancelled.

    Raises what either of them raises.
    """
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(_caught(work))
        waiting = tasks.create_task(_caught(other))
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        waiting.cancel()
    for task in (working, waiting):
        error = None if task.cancelled() else task.result()[1]
        if error is not None:
            raise error
    return None if working.cancelled() else working.result()[0]


async def _caught(work: Coroutine[Any, Any, T]) -> tuple[T | None, Exception | None]:
    # Handed on by hand: a task group would wrap the error into a group of one.
    try:
        return await work, None
    except Exception as error:  # noqa: BLE001 - raised again by who waits for it
        return None, error


def leave_at_once(code: int) -> None:
    """End the process without waiting for threads that cannot be stopped."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(code)
