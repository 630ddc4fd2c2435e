"""Waiting for the write lock when another process holds it; for threads, not the event loop."""

from __future__ import annotations

import sqlite3
import threading
from time import monotonic
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from sagacity.stores.sqlite.failures import BUSY, code_of

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE_SECONDS: Final = 10.0
"""Writers hold the lock for the time of one commit; who holds it this long is stopped."""
SHORTEST_PAUSE_SECONDS: Final = 0.0005
LONGEST_PAUSE_SECONDS: Final = 0.02


def patiently(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what `call` returns, trying again while the file is locked.

    SQLite's own way to wait (a busy time-out) is off: it would make the event loop wait
    too, where commits are tried first.

    Raises:
        sqlite3.Error: what the call raises, and "locked" when patience is at its end.
    """
    give_up_at = monotonic() + PATIENCE_SECONDS
    pause_seconds = SHORTEST_PAUSE_SECONDS
    while True:
        try:
            return call(*args, **kwargs)
        except sqlite3.OperationalError as error:
            if code_of(error) not in BUSY or monotonic() > give_up_at:
                raise
        threading.Event().wait(pause_seconds)
        pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
