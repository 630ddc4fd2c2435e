"""Child processes for actions with `isolation="process"`: what can be ended at any time.

A child is a new interpreter (never a fork: threads and an event loop do not survive
one), makes one call at a time, and is used again. Whoever gives up a call kills its
child, with all that it has started, and waits for its end; so nothing lingers longer
than the system needs. What children do when the coordinator dies is in `child`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import orjson

from sagacity.engine.frames import HEAD, length_of, packed, unpacked
from sagacity.engine.tasks import TaskSet
from sagacity.engine.watch import ProcessDiedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sagacity.engine.apart import Apart

MAX_PROCESSES: Final = min(max(4, os.cpu_count() or 1), 16)
"""How many run at once in one coordinator; more calls wait for one of them."""
START_SECONDS: Final = 60.0
END_SECONDS: Final = 5.0
_REST_SECONDS: Final = 0.5
"""How long what a child has said is read after its end, if somebody else holds the line open."""

# The path first: what the parent imports, the child must find.
_PROGRAM: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from sagacity.engine.child import main; main(int(sys.argv[1]))"
)


class Processes:
    """The children of one coordinator."""

    def __init__(self) -> None:
        """Begin without any, on the running loop."""
        self._slots: Final = asyncio.Semaphore(MAX_PROCESSES)
        self._idle: list[Child] = []
        self._all: set[Child] = set()
        self._ends: Final = TaskSet()
        self._is_closed = False

    async def call(self, apart: Apart, begin: Callable[[], None]) -> dict[str, Any]:
        """Make a call in a child; return its answer. `begin` is called when the body is.

        Waits for a child that is free, and starts one if need be.

        Raises:
            ProcessDiedError: the child ended, and gave no answer.
            asyncio.CancelledError: cancelled; the child is killed and has ended.
        """
        async with self._slots:
            child = await self._child()
            try:
                answer = await child.ask(apart, begin)
            except BaseException:
                child.kill()
                await child.until_ended()
                raise
            if self._is_closed:
                child.kill()
            else:
                self._idle.append(child)
            return answer

    async def _child(self) -> Child:
        while self._idle:
            child = self._idle.pop()
            if child.is_alive:
                return child
        child = await Child.start(self._ends, self._all.discard)
        self._all.add(child)
        if self._is_closed:
            child.kill()
        try:
            await child.until_ready()
        except BaseException:
            child.kill()
            raise
        return child

    async def close(self) -> None:
        """End all children, and wait until they have ended."""
        self._is_closed = True
        self._idle.clear()
        for child in list(self._all):
            child.kill()
        await self._ends.wait(END_SECONDS)
        for child in list(self._all):
            child.hang_up()


class Child:
    """One child process, and the line to it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        ends: TaskSet,
        forget: Callable[[Child], None],
    ) -> None:
        """Talk to `process`; `forget` is called when there is nothing left of it."""
        self._process: Final = process
        self._reader: Final = reader
        self._writer: Final = writer
        self._forget: Final = forget
        self._rest: asyncio.TimerHandle | None = None
        self.ended: Final = ends.spawn(self._see_to_its_end())
        """Done when it has ended, and the system has let go of it."""

    @classmethod
    async def start(cls, ends: TaskSet, forget: Callable[[Child], None]) -> Child:
        """Start a child."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", _PROGRAM,
                    str(theirs.fileno()), orjson.dumps(sys.path).decode(),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    # What it starts can be ended with it; no Ctrl-C gets there. (A process group
                    # would do, but uvloop cannot make one.)
                    start_new_session=True,
                )  # fmt: skip
        except BaseException:
            ours.close()
            raise
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(process, reader, writer, ends, forget)

    async def until_ready(self) -> None:
        """Wait until it listens.

        Raises:
            ProcessDiedError: it ended before.
            TimeoutError: it does not listen in time.
        """
        async with asyncio.timeout(START_SECONDS):
            await self._hear()

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked, as far as is known."""
        return self._process.returncode is None and not self._reader.at_eof()

    async def ask(self, apart: Apart, begin: Callable[[], None]) -> dict[str, Any]:
        """Have a call made; answer what the body asks meanwhile, and return what came of it.

        Raises:
            ProcessDiedError: it ended without an answer.
        """
        self._say(apart.request())
        begin()
        while True:
            message = await self._hear()
            if message.get("kind") == "answer":
                return message
            reply = apart.reply_to(message)
            if reply is not None:
                self._say(reply)

    def _say(self, message: dict[str, Any]) -> None:
        self._writer.write(packed(message))

    async def _hear(self) -> dict[str, Any]:
        try:
            await self._writer.drain()
            head = await self._reader.readexactly(HEAD.size)
            return unpacked(await self._reader.readexactly(length_of(head)))
        except (OSError, EOFError, ValueError):
            self.kill()  # if it goes on: nobody would understand it any more
            await self.until_ended()
            raise ProcessDiedError(self._how_it_ended()) from None

    def _how_it_ended(self) -> str:
        code = self._process.returncode
        if code is None or code >= 0:
            return f"its process ended with exit status {code} before the function returned"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "unknown"
        return f"its process was killed by signal {-code} ({name})"

    def kill(self) -> None:
        """End it at once, with all that it has started."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def until_ended(self) -> None:
        """Wait for its end."""
        await asyncio.wait((self.ended,))

    async def _see_to_its_end(self) -> None:
        await self._process.wait()
        # A process that it has left behind may hold the line open: nothing more is to come.
        self._rest = asyncio.get_running_loop().call_later(_REST_SECONDS, self.hang_up)

    def hang_up(self) -> None:
        """Close the line."""
        if self._rest is not None:
            self._rest.cancel()
        self._writer.close()
        if not self._reader.at_eof():
            self._reader.feed_eof()
        self._forget(self)
