"""Work that a store does while it is open, and that its `close` waits for.

A store is opened by one call and closed by another, so no `TaskGroup` can span both: the
store itself is the parent here. What fails by a mistake of ours is raised by `close`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Coroutine


class Background:
    """Tasks that end with the store."""

    def __init__(self) -> None:
        self._tasks: Final[set[asyncio.Task[None]]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin something that goes on until `end`."""
        self._tasks.add(asyncio.get_running_loop().create_task(work))

    async def end(self) -> None:
        """Cancel all, and wait until they have ended."""
        tasks = [*self._tasks]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()
