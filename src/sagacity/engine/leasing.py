"""The lease of one coordinator: renewed in time, or given up before it ends.

The store judges a lease by its own clock. What is here is when its holder stops to trust
it: earlier, by a clock of the machine that nobody sets, counted from before the renewal was
asked for. Between that and the end of the lease its sagas stop; then others take them.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Final

from sagacity.engine import system
from sagacity.errors import NotOwner, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sagacity.ports.store import SagaStore

TRUSTED_SHARE: Final = 0.75
"""The part of a lease for which its holder trusts it."""
RENEWED_SHARE: Final = 0.25
"""The part of a lease after which it is renewed."""
RETRY_SECONDS: Final = 0.2


class Leasing:
    """What one coordinator may still believe."""

    def __init__(
        self,
        store: SagaStore,
        report: Callable[[Exception], None],
        now_seconds: Callable[[], float] = system.elapsed_seconds,
    ) -> None:
        """`report` is told of each renewal that fails."""
        self._store: Final = store
        self._report: Final = report
        self._now_seconds: Final = now_seconds
        self._lease_seconds: float | None = None
        self._trusted_until = inf

    async def begin(self) -> None:
        """Learn how long the lease is, right after it was acquired.

        Raises:
            NotOwner: it is lost already.
        """
        await self._renew()

    @property
    def ends(self) -> bool:
        """Whether it ends if it is not renewed: then there may be other coordinators."""
        return self._lease_seconds is not None

    def is_trusted(self) -> bool:
        """Whether nobody else can be the owner of what this coordinator owns."""
        return self._now_seconds() < self._trusted_until

    async def until_lost(self) -> str:
        """Renew it in time, again and again; return why that was not possible any more."""
        while self._lease_seconds is not None:
            await asyncio.sleep(self._lease_seconds * RENEWED_SHARE)
            why = await self._renew_in_time()
            if why:
                return why
        return "it ended"

    async def _renew_in_time(self) -> str:
        trouble = "it was not looked after in time"
        while True:
            left_seconds = self._trusted_until - self._now_seconds()
            if left_seconds <= 0:
                return trouble
            try:
                async with asyncio.timeout(left_seconds):
                    await self._renew()
                return ""
            except NotOwner as error:
                return str(error)
            except TimeoutError:
                trouble = "the store did not answer in time"
            except StoreError as error:
                trouble = str(error)
                self._report(error)
                await asyncio.sleep(min(RETRY_SECONDS, left_seconds))

    async def _renew(self) -> None:
        asked = self._now_seconds()
        self._lease_seconds = await self._store.renew()
        if self._lease_seconds is not None:
            self._trusted_until = asked + self._lease_seconds * TRUSTED_SHARE
