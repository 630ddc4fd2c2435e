"""The process of an instance: start it, see whether it lives, end it. A lock is its life sign.

The file `process` in the instance's directory is locked (flock) by the living process and
by nobody else for longer than a moment. So:

* There is no moment between "started" and "recorded": who starts the process takes the
  lock and hands the open file on. Killed at any point of that, either nobody has the lock
  and there is no process, or the process has it.
* There are never two, because the second could not be given the lock.
* A process id that was reused harms nobody: it is believed only while the lock is held,
  because then whoever wrote it is alive.

Works wherever flock does (Linux, macOS), on local file systems.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from examples.provision.hands import Hands
from examples.provision.probe import wait_until

SERVICE = Path(__file__).with_name("service.py")
START_SECONDS = 30.0
END_SECONDS = 10.0


class Process:
    """The process that serves from `directory`, if there is one."""

    def __init__(self, directory: Path, hands: Hands) -> None:
        self._directory = directory
        self._lock = directory / "process"
        self._console = directory / "console.log"
        self._hands = hands

    def lives(self) -> bool:
        """Whether it runs."""
        try:
            with self._locked(os.O_RDONLY, fcntl.LOCK_SH) as lock:
                return lock is None
        except FileNotFoundError:
            return False

    def start(self) -> bool:
        """Start it, detached from us; False if it runs already."""
        with self._locked(os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX) as lock:
            if lock is None:
                return False
            os.ftruncate(lock, 0)  # what stands there is the id of an earlier process
            self._hands.before_change("start the process")
            with self._console.open("ab") as console:
                subprocess.run(  # noqa: S603 - our own script
                    # Isolated and without site-packages: it starts fast and needs neither.
                    [sys.executable, "-I", "-S", SERVICE, self._directory, str(lock)],
                    pass_fds=(lock,),
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=console,
                    cwd="/",
                    start_new_session=True,
                    check=True,
                    timeout=START_SECONDS,
                )
        self._hands.before_change("wait for the process")
        return True

    def end(self) -> None:
        """See to it that there is no process, and no trace of it.

        Raises:
            TimeoutError: it cannot be killed.
        """
        if self._directory.exists():
            wait_until(self._is_ended, END_SECONDS, f"the end of the process of {self._lock}")
            self._hands.remove(self._console)

    def last_words(self) -> str:
        """Return the last line that it wrote on its console."""
        try:
            lines = self._console.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            lines = []
        return lines[-1] if lines else "it said nothing"

    def _is_ended(self) -> bool:
        try:
            with self._locked(os.O_RDWR, fcntl.LOCK_EX) as lock:
                if lock is not None:
                    # Removed while it is ours: a lock on a file without a name is seen by nobody.
                    self._hands.remove(self._lock)
                    return True
        except FileNotFoundError:
            return True
        self._kill()
        return False

    def _kill(self) -> None:
        process_id = self._process_id()
        if process_id is None:
            return  # it has only begun; the next look will find it
        self._hands.before_change("kill the process")
        handle = _handle_of(process_id)
        try:
            # That it is the right one shows now: the lock is held, so who wrote the id lives,
            # and lived already when the handle was made.
            if self.lives() and self._process_id() == process_id:
                if sys.platform == "linux" and handle is not None:
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                else:
                    os.kill(process_id, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it was faster
        finally:
            if handle is not None:
                os.close(handle)

    def _process_id(self) -> int | None:
        try:
            text = self._lock.read_text()
        except FileNotFoundError:
            return None
        return int(text) if text.endswith("\n") else None

    @contextmanager
    def _locked(self, flags: int, kind: int) -> Generator[int | None]:
        """Give the open, locked file; None if another has it.

        Raises:
            FileNotFoundError: it is not there.
        """
        descriptor = os.open(self._lock, flags, 0o600)
        try:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                # Between opening and locking it may have been removed: then it is no lock.
                mine = os.path.samestat(os.fstat(descriptor), self._lock.stat())
            except (BlockingIOError, FileNotFoundError):
                mine = False
            yield descriptor if mine else None
        finally:
            os.close(descriptor)


def _handle_of(process_id: int) -> int | None:
    """Return a handle of this one process, which its id is not; None where there are none."""
    if sys.platform == "linux":
        with suppress(OSError):  # it has ended, or the kernel is too old
            return os.pidfd_open(process_id)
    return None
