"""The machine: clock, ids, chance. The only file that may ask for them."""

from __future__ import annotations

import gc
import os
import random
import socket
import time
from uuid import UUID

_VERSION_AND_VARIANT = 0x7 << 76 | 0b10 << 62
_TIME_AND_NOISE = ((1 << 128) - 1) & ~(0xF << 76 | 0b11 << 62)
_ELAPSED: int | None = getattr(time, "CLOCK_BOOTTIME", None)
"""Linux has it; elsewhere a laptop that slept finds out from the store that its lease has ended."""


def wall_ms() -> int:
    """Return milliseconds since the Unix epoch: for people, never for correctness."""
    return time.time_ns() // 1_000_000


def elapsed_seconds() -> float:
    """Return seconds of a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(_ELAPSED) if _ELAPSED is not None else time.monotonic()


def chance() -> float:
    """Return a number within 0 .. 1: for jitter, never for secrets."""
    return random.random()


def new_saga_id() -> UUID:
    """Return a UUID of version 7 (RFC 9562): ids made later sort later, which stores like."""
    value = wall_ms() << 80 | int.from_bytes(os.urandom(10), "big")
    return UUID(int=value & _TIME_AND_NOISE | _VERSION_AND_VARIANT)


def new_request_id() -> UUID:
    """Return an id for one command."""
    return new_saga_id()


def collect_garbage_less_often() -> None:
    """Set Python's cyclic collector for a process that does nothing but drive sagas.

    A saga in flight is a few dozen objects that live for milliseconds and form no
    cycles; at the default threshold a thousand sagas in flight are looked through
    again and again. For programs of ours: a library leaves the collector alone.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def new_owner() -> str:
    """Return an identity for a coordinator: unique for each start of a process."""
    return f"{socket.gethostname()}/{os.getpid()}/{os.urandom(6).hex()}"
