"""What tests look at that hold that nothing of a saga is left to the cyclic collector."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any


async def raises_anew(_ctx: Any) -> bool:
    """Fail with an error that nobody keeps: its traceback would keep what it went through."""
    raise ValueError("no")


@contextmanager
def uncollected() -> Generator[Callable[[], list[str]]]:
    """Let nothing be collected; tell at the end what of ours only the collector would free."""
    found: list[str] = []
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield lambda: found
        gc.collect()
        kinds = [f"{type(each).__module__}.{type(each).__name__}" for each in gc.garbage]
        found += [kind for kind in kinds if kind.startswith("sagacity.")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
