"""The end of a coordinator: drained, with time for its attempts, or lost, with none.

While it drains it hands over: what is let go of is for others at once, not only when the
last attempt has ended. Who watches is told now and then what is waited for.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from sagacity.engine.cutting import cut_all, release_all
from sagacity.engine.waiters import closing
from sagacity.errors import NotOwner, StoreError
from sagacity.ports.store import MAX_PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from sagacity.engine.driving import Driving

    Tell: TypeAlias = Callable[[Sequence[tuple[UUID, str]]], None]

log: Final = logging.getLogger("sagacity")

TELL_SECONDS: Final = 5.0
"""Between two times that it is told what is waited for."""
HAND_OVER_SECONDS: Final = 0.5
"""Between two times that what was let go of is handed over."""
STOP_SECONDS: Final = 1.0
"""For tasks that are cancelled."""


@dataclass(frozen=True, slots=True)
class DrainReport:
    """What draining had to leave: `(saga, path of a node)` whose attempts were cut short."""

    cut_short: tuple[tuple[UUID, str], ...]


class Draining:
    """The end of one coordinator."""

    def __init__(self, driving: Driving) -> None:
        self._driving: Final = driving
        self._report: DrainReport | None = None

    async def drain(
        self,
        deadline_seconds: float,
        tell: Tell | None = None,
    ) -> DrainReport:
        """Start nothing more; let attempts in flight finish until the deadline, then cut them.

        `tell` is called with `(saga, path of a node)` of those that are waited for.
        """
        if self._report is not None:
            return self._report  # what was left behind is not waited for again
        driving = self._driving
        driving.left += driving.stop_taking()
        for execution in driving.driven():
            execution.drain()
        try:
            ended = await self._until_ended(deadline_seconds, tell)
        except BaseException:
            self._report = DrainReport(cut_all(driving.driven()))  # who has no patience gets it now
            await driving.tasks.stop(STOP_SECONDS)
            await driving.dismiss(closing())
            raise
        cut_short: tuple[tuple[UUID, str], ...] = ()
        if not ended:
            cut = driving.driven()
            cut_short = cut_all(cut)
            for saga_id, node in cut_short:
                log.warning('saga %s: node "%s" was cut short by the shutdown', saga_id, node)
            await self._stop_tasks()
            await release_all(cut)
            driving.left += [each.saga_id for each in cut]
        await self._hand_over()
        await driving.dismiss(closing())
        self._report = DrainReport(cut_short)
        return self._report

    async def _until_ended(
        self,
        deadline_seconds: float,
        tell: Tell | None,
    ) -> bool:
        """Whether all attempts ended in time."""
        driving, loop = self._driving, asyncio.get_running_loop()
        began = told = loop.time()
        while True:
            await self._hand_over()
            left_seconds = began + deadline_seconds - loop.time()
            if await driving.tasks.wait(max(0.0, min(HAND_OVER_SECONDS, left_seconds))):
                return True
            if left_seconds <= 0:
                return False
            if tell is not None and loop.time() >= told + TELL_SECONDS:
                told = loop.time()
                tell(
                    [(each.saga_id, node) for each in driving.driven() for node in each.in_flight()]
                )

    async def _hand_over(self) -> None:
        driving = self._driving
        while driving.shares and driving.left:
            page, driving.left = driving.left[:MAX_PAGE], driving.left[MAX_PAGE:]
            try:
                await driving.disown(page)
            except StoreError as error:  # the others take them when this one is gone
                driving.report(None, error)

    async def lose(self, why: str) -> None:
        """Stop all sagas at once, for their lease is lost: nothing is recorded or taken back."""
        driving = self._driving
        driving.stop_taking()
        driving.why_cut = partial(NotOwner, why)
        cut_all(driving.driven())
        await self._stop_tasks()
        await driving.dismiss(driving.why_cut())

    async def _stop_tasks(self) -> None:
        tasks = self._driving.tasks
        if not await tasks.stop(STOP_SECONDS):
            log.error("%d tasks did not stop when cancelled; left behind", len(tasks))
