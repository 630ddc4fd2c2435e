"""The event loop of what runs sagas: uvloop where it is installed, else the one of Python."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` and return what it returns; as `asyncio.run`."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(main)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - an extra: docs/decisions/0013-event-loop.md
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
