"""The tasks of a coordinator: each has this parent, which stops and waits for them.

Not an `asyncio.TaskGroup`, whose exit waits for ever: an action that swallows its
cancellation must not keep a coordinator from closing. What did not stop within
the time given is named instead.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


class TaskSet:
    """Tasks that run until they end or are stopped."""

    def __init__(self) -> None:
        """Begin empty, on the running loop."""
        self.loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(
        self, work: Coroutine[Any, Any, None], *, name: str | None = None
    ) -> asyncio.Task[None]:
        """Run `work` as a task. It must report its own errors."""
        task = self.loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def __len__(self) -> int:
        """Count the tasks that run."""
        return len(self._tasks)

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait until all have ended; False when the time was not enough."""
        tasks = self._tasks - {asyncio.current_task()}
        if not tasks:
            return True
        _, pending = await asyncio.wait(tasks, timeout=timeout_seconds)
        return not pending

    async def stop(self, timeout_seconds: float) -> bool:
        """Cancel all and wait until they have ended; False when some did not stop in time."""
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        return await self.wait(timeout_seconds)
