"""The last act of a coordinator that closes: what it has cut short, and that it has done so."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sagacity.engine.executor import Execution

log: Final = logging.getLogger("sagacity")

RELEASE_SECONDS: Final = 5.0
"""How long it may take to say of all sagas that they were cut short."""


def cut_all(executions: Sequence[Execution]) -> tuple[tuple[UUID, str], ...]:
    """Tell executions that they are cancelled now; return what is in flight."""
    for execution in executions:
        execution.cut()
    return tuple((each.saga_id, node) for each in executions for node in each.in_flight())


async def release_all(executions: Sequence[Execution]) -> None:
    """Say of what was cut short that it was we who did it, and not a death.

    As well as may be: where it cannot be said, the next coordinator takes it for one.
    """
    try:
        async with asyncio.timeout(RELEASE_SECONDS):
            told = await asyncio.gather(
                *(each.release() for each in executions), return_exceptions=True
            )
    except TimeoutError:
        log.warning("there was no time to say of all sagas that they were cut short")
        return
    for error in told:
        if isinstance(error, Exception):
            log.warning("could not say that a saga was cut short: %s", error)
