"""Waiting for what must not be left half done, such as opening files."""

from __future__ import annotations

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def whole(work: asyncio.Future[T]) -> T:
    """Return the result of `work`, and do not go before it is done.

    A cancellation is delayed, not swallowed: it is raised when the work is done. So this
    is for work that is bounded in time.
    """
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return work.result()
