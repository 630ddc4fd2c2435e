"""One coordinator at a time: a lock of the operating system on a file beside the database.

The system lets go of it when the process ends, however it ends: no time-out, no clock,
no lock that outlives its holder. A process forked without `exec` shares the lock with
its parent, and keeps it when the parent dies.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from sagacity.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    # Windows has no shared lock for this: two who look at once take each other for a holder.
    _look = _lock

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _look(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


class CoordinatorLock:
    """Held or not; a second object for the same file is a second holder."""

    def __init__(self, database: Path) -> None:
        self._path: Final = database.with_name(f"{database.name}-coordinator")
        self._file: int | None = None

    def take(self) -> bool:
        """Take the lock if it is free, and return whether it was; it is never waited for.

        Raises:
            StoreError: the file beside the database cannot be opened.
        """
        if self._file is not None:
            return False
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be opened ({error.strerror})") from error
        try:
            _lock(file)
        except OSError:
            os.close(file)
            return False
        self._file = file
        return True

    @property
    def is_mine(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def is_held(self) -> bool:
        """Whether this or another object holds the lock.

        Shares the lock for a moment, in which `take` fails: who could not take it asks
        here, where those who only look are not counted, before it believes that.

        Raises:
            StoreError: the file beside the database cannot be opened.
        """
        if self._file is not None:
            return True
        try:
            file = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be opened ({error.strerror})") from error
        try:
            _look(file)
        except OSError:
            return True
        finally:
            os.close(file)
        return False

    def release(self) -> None:
        """Let go of it, if it is held. The file stays: to remove it is to lock nothing."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
