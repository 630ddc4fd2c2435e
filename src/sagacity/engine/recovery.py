"""Finds what this coordinator should drive: at the start, and from then on.

A loop: adopt sagas that nobody drives, take commands from the inbox, wait for a
change. Each saga and each command is apart from the others; an error of the store
is reported and the loop goes on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sagacity.errors import NotOwner, StoreCorrupt, StoreError
from sagacity.ports.store import DRIVEN, MAX_PAGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    from sagacity.engine.driving import Driving
    from sagacity.ports.store import InboxCommand, SagaHead, SagaStore

POLL_SECONDS: Final = 1.0
SHORTEST_PAUSE_SECONDS: Final = 0.05


class Recovery:
    """The loop of one coordinator."""

    def __init__(
        self,
        store: SagaStore,
        driving: Driving,
        carry_out: Callable[[InboxCommand], Awaitable[None]],
        only: frozenset[UUID] | None = None,
    ) -> None:
        """`carry_out` does one command of the inbox; `only` says which sagas count (None: all)."""
        self._store: Final = store
        self._driving: Final = driving
        self._carry_out: Final = carry_out
        self._only: Final = only
        self._not_adopted: set[UUID] = set(only or ())

    async def run(self) -> None:
        """Go on until cancelled."""
        seen = 0
        while True:
            await self.sweep()
            # A pause of its own: under load the store changes all the time.
            await asyncio.sleep(SHORTEST_PAUSE_SECONDS)
            try:
                seen = await self._store.wait_for_change(seen, POLL_SECONDS)
            except StoreError as error:
                self._driving.report(None, error)
                await asyncio.sleep(POLL_SECONDS)

    async def sweep(self) -> None:
        """Adopt what is orphaned and do what the inbox asks, once."""
        try:
            await self._adopt()
            await self._empty_inbox()
        except StoreError as error:
            self._driving.report(None, error)

    async def _adopt(self) -> None:
        driving = self._driving
        while not driving.draining:
            heads = await self._adoptable()
            for head in heads:
                driving.enqueue(head.id)
            if len(heads) < MAX_PAGE:
                return

    async def _adoptable(self) -> Sequence[SagaHead]:
        owner, epoch = self._driving.owner, self._driving.epoch
        if self._only is None:
            return await self._store.adopt(owner, epoch, limit=MAX_PAGE)
        if not self._not_adopted:
            return ()
        heads = await self._store.adopt(owner, epoch, ids=sorted(self._not_adopted)[:MAX_PAGE])
        # Once each: asked by id, the store gives those again that are ours already.
        self._not_adopted.difference_update(head.id for head in heads)
        return [head for head in heads if head.state in DRIVEN]

    def _counts(self, saga_id: UUID) -> bool:
        return self._only is None or saga_id in self._only

    async def _empty_inbox(self) -> None:
        while not self._driving.draining:
            waiting = await self._store.take(limit=MAX_PAGE)
            # What is for others stays for the coordinator that comes for them.
            commands = [each for each in waiting if self._counts(each.saga_id)]
            for command in commands:
                try:
                    await self._carry_out(command)
                except Exception as error:
                    if isinstance(error, StoreError) and not isinstance(
                        error, StoreCorrupt | NotOwner
                    ):
                        raise  # the store's trouble, not the command's: it is taken again
                    self._driving.report(command.saga_id, error)
            if commands:
                await self._store.done([command.request_id for command in commands])
            if len(commands) < MAX_PAGE:  # the last page, or one that will not get shorter
                return
