"""Calls the user's code: in the event loop, in a thread or in a process, for as long as it may.

What has taken too long is told to stop and is not waited for: a coroutine can swallow
its cancellation, and a thread cannot be stopped at all. It lingers, and whoever asked
is handed the future of its end.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sagacity.engine.apart import raise_failure
from sagacity.engine.processes import Processes
from sagacity.engine.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future

    from sagacity.engine.apart import Apart
    from sagacity.engine.clock import Clock
    from sagacity.engine.heartbeats import Pulse


MAX_THREADS: Final = 32
MAX_UNDO_THREADS: Final = 8


class Caller:
    """Makes the calls of one coordinator."""

    def __init__(self, threads: Executor, clock: Clock) -> None:
        """Functions that block run in `threads`."""
        self._threads: Final = threads
        self._clock: Final = clock
        self._processes: Final = Processes()

    async def in_thread(self, call: Callable[[], Any]) -> Any:
        """Make a call that blocks, and wait for it.

        Raises whatever it raises.
        """
        return await _result(asyncio.wrap_future(self._submit(call)))

    async def within(
        self,
        seconds: float | None,
        call: Callable[[], Any],
        *,
        blocks: bool,
        silence: float | None = None,
        pulse: Pulse | None = None,
    ) -> Any:
        """Make a call, and wait for at most so many seconds, or so long without a heartbeat.

        Raises:
            CutOffError: it took longer.
            Whatever the call raises.
        """
        watch = Watch(self._clock, seconds, silence, pulse)
        job: Future[Any] | None = None
        if blocks:
            job = self._submit(call)
            running: asyncio.Future[Any] = asyncio.wrap_future(job)
        else:
            running = asyncio.get_running_loop().create_task(_caught(call))
        watch.start()
        return await _watched(watch, running, job)

    async def in_process(
        self, seconds: float | None, apart: Apart, *, silence: float | None, pulse: Pulse | None
    ) -> Any:
        """Make a call in a child process; the time that a child needs to begin does not count.

        Raises:
            CutOffError: it took longer, and is killed; or its process ended.
            Whatever the call raises.
        """
        watch = Watch(self._clock, seconds, silence, pulse)
        call = partial(self._processes.call, apart, watch.start)
        running = asyncio.get_running_loop().create_task(_caught(call))
        answer = await _watched(watch, running, None)
        raise_failure(answer)
        return answer

    async def close(self) -> None:
        """Let go of the threads, and end all processes."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._processes.close()

    def _submit(self, call: Callable[[], Any]) -> Future[Any]:
        variables = contextvars.copy_context()

        def work() -> tuple[Any, BaseException | None]:
            # Caught in the thread: a future cannot carry StopIteration, and the pool must live.
            try:
                return variables.run(call), None
            except BaseException as error:  # noqa: BLE001 - a border: user code may raise anything
                return None, error

        return self._threads.submit(work)


def callers_for(max_actions: int, clock: Clock) -> tuple[Caller, Caller]:
    """Return what calls dos, and what calls undos: with threads of their own."""
    return (
        Caller(_threads("action", min(MAX_THREADS, max_actions)), clock),
        Caller(_threads("undo", min(MAX_UNDO_THREADS, max_actions)), clock),
    )


def _threads(what: str, count: int) -> Executor:
    return ThreadPoolExecutor(count, thread_name_prefix=f"sagacity-{what}")


async def _watched(watch: Watch, running: asyncio.Future[Any], job: Future[Any] | None) -> Any:
    """Wait for a call; `job` is what runs of it in a thread."""
    try:
        await asyncio.wait((running, watch.expired), return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        if job is None:
            running.cancel()
            await asyncio.wait((running,))
        raise
    finally:
        watch.stop()
    if running.done():
        return await _result(running)
    running.add_done_callback(_forget)
    if job is None or job.cancel():  # the latter: it has not begun
        running.cancel()
    error = watch.expired.result()
    error.lingering = None if running.done() else running
    raise error


async def _caught(call: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """Make a call in a task of its own: a `SystemExit` that left the task would end the loop."""
    try:
        return await call(), None
    except BaseException as error:  # noqa: BLE001 - a border: user code may raise anything
        return None, error


async def _result(running: asyncio.Future[Any]) -> Any:
    result, error = await running
    if error is not None:
        raise error
    return await result if inspect.isawaitable(result) else result


def _forget(running: asyncio.Future[Any]) -> None:
    """Take note of how a call ended that nobody waits for."""
    if not running.cancelled():
        _ = running.exception()
