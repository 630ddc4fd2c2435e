"""The processes of the fleet, and what has become of each."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, Self

from benchmarks.chaos.worker import Job
from tests.postgres.proxy import Proxy

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(slots=True)
class Process:
    """One worker process."""

    pid: int
    ended: asyncio.Event
    is_stopped: bool = False
    is_killed: bool = False

    def send(self, what: signal.Signals) -> None:
        """Send a signal, if it is still there."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, what)


@dataclass(slots=True)
class Slot:
    """A place for a worker, with its own way to the server."""

    proxy: Proxy
    process: Process | None = None


@dataclass(slots=True)
class Fleet:
    """So many slots, each with a worker in it for most of the time."""

    server_url: str
    options: str
    participant: str
    told: tuple[str, int]
    size: int
    max_sagas: int
    slots: list[Slot] = field(default_factory=list[Slot])
    wrong: list[str] = field(default_factory=list[str])
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _nursery: asyncio.subprocess.Process | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __aenter__(self) -> Self:
        """Start all workers."""
        self._nursery = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.chaos.nursery",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        for _ in range(self.size):
            proxy = await self._stack.enter_async_context(Proxy(self.server_url))
            self.slots.append(Slot(proxy))
        for slot in self.slots:
            await self.spawn(slot)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the nursery, and with it whatever is left."""
        assert self._nursery is not None
        assert self._nursery.stdin is not None
        self._nursery.stdin.close()
        await self._nursery.wait()
        await self._stack.aclose()

    async def spawn(self, slot: Slot) -> None:
        """Start a worker in a slot."""
        assert self._nursery is not None
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        job = Job(slot.proxy.url + self.options, self.participant, self.told, self.max_sagas)
        async with self._turn:
            self._nursery.stdin.write(json.dumps(astuple(job)).encode() + b"\n")
            pid = int(await self._nursery.stdout.readline())
        process = slot.process = Process(pid, asyncio.Event())
        loop, handle = asyncio.get_running_loop(), os.pidfd_open(pid)

        def hear() -> None:
            loop.remove_reader(handle)
            os.close(handle)
            process.ended.set()
            if not process.is_killed:
                self.wrong.append(f"worker {pid} ended by itself")

        loop.add_reader(handle, hear)

    def running(self) -> list[Slot]:
        """Return the slots whose workers are neither killed nor stopped."""
        return [
            slot
            for slot in self.slots
            if slot.process and not (slot.process.is_killed or slot.process.is_stopped)
        ]

    async def kill(self, slot: Slot) -> None:
        """Kill a worker, and start another in its place."""
        process = slot.process
        assert process is not None
        process.is_killed = True
        process.send(signal.SIGKILL)
        await process.ended.wait()
        await self.spawn(slot)

    def stop(self, slot: Slot) -> Process:
        """Let a worker stand still in the middle of whatever it does."""
        process = slot.process
        assert process is not None
        process.is_stopped = True
        process.send(signal.SIGSTOP)
        return process

    def go_on(self, process: Process) -> None:
        """Let it go on as if nothing had been."""
        process.send(signal.SIGCONT)
        process.is_stopped = False

    async def drain(self, seconds: float) -> None:
        """Tell all workers to stop, and wait for them."""
        processes = [slot.process for slot in self.slots if slot.process is not None]
        for process in processes:
            process.is_killed = True
            process.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                for process in processes:
                    await process.ended.wait()
        except TimeoutError:
            left = [process.pid for process in processes if not process.ended.is_set()]
            self.wrong.append(f"workers {left} did not drain")
