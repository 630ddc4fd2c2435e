"""Finds what this coordinator should drive: at the start, and from then on.

A loop: bring sagas into line with the holds, adopt sagas that nobody drives, take
commands from the inbox, wait for a change. Each saga and each command is apart from the
others; an error of the store is reported and the loop goes on.

Where there are other coordinators, sagas that have begun and lost their owner are adopted
in small batches, so that all who are alive get their share; and of those that have not begun
(or wait for code) only as many as can soon begin here, so that whoever has room takes the rest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sagacity.core.agenda import Direction
from sagacity.engine import system
from sagacity.engine.places import Entrant
from sagacity.engine.refusals import Refusals
from sagacity.errors import CoordinatorClosed, NotOwner, PayloadUnreadable, StoreCorrupt, StoreError
from sagacity.ports.store import DRIVEN, MAX_PAGE, SagaQuery, SagaStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    from sagacity.core.values import Json
    from sagacity.engine.claiming import Claiming
    from sagacity.engine.driving import Driving
    from sagacity.engine.obeying import Obeying
    from sagacity.ports.store import InboxCommand, SagaHead, SagaStore

POLL_SECONDS: Final = 1.0
SHORTEST_PAUSE_SECONDS: Final = 0.05
SHARE: Final = 200
"""How many sagas that have begun are adopted at a time where others may adopt them too."""

_WAITING: Final = frozenset({SagaStatus.QUEUED, SagaStatus.WAITING_FOR_CODE})
_BEGUN: Final = DRIVEN - _WAITING


class Recovery:
    """The loop of one coordinator."""

    def __init__(
        self,
        store: SagaStore,
        driving: Driving,
        obeying: Obeying,
        carry_out: Callable[[InboxCommand], Awaitable[None]],
        only: frozenset[UUID] | None = None,
        *,
        claiming: Claiming | None = None,
    ) -> None:
        """`claiming`: None where nobody else could have the code that is missing here.

        `carry_out` does one command of the inbox; `only` says which sagas count (None: all).
        """
        self._store: Final = store
        self._driving: Final = driving
        self._obeying: Final = obeying
        self._claiming: Final = claiming
        self._carry_out: Final = carry_out
        self._only: Final = only
        self._not_adopted: set[UUID] = set(only or ())
        self._unsure = False
        """Whether an adoption failed, and may have had its effect."""
        self._taken: set[UUID] = set()
        """The requests that were taken from the inbox and are not marked as done."""
        self._lines: dict[UUID, deque[InboxCommand]] = {}
        """Those that wait for their turn, by saga."""
        self._refusals: Final = Refusals(store)
        self._more_waiting = False
        """Whether the store holds more, of commands or of sagas, than was looked at."""
        self._patience: asyncio.Timeout | None = None
        """Ends the wait for a change."""

    async def run(self) -> None:
        """Go on until cancelled."""
        seen = 0
        while True:
            await self.sweep()
            # A pause of its own: under load the store changes all the time.
            await asyncio.sleep(SHORTEST_PAUSE_SECONDS)
            try:
                seen = await self._until_news(seen)
            except Exception as error:  # noqa: BLE001 - a border: recovery never ends in silence
                self._driving.report(None, error)
                await asyncio.sleep(POLL_SECONDS)

    async def _until_news(self, seen: int) -> int:
        longest = 0.0 if self._more_waiting else POLL_SECONDS
        if not self._driving.shares:
            return await self._store.wait_for_change(seen, longest)
        # Not all at the same time: whoever comes first takes what there is.
        longest *= 0.5 + system.chance()
        try:
            async with asyncio.timeout(None) as self._patience:
                return await self._store.wait_for_change(seen, longest)
        except TimeoutError:
            return seen
        finally:
            self._patience = None

    def _hurry(self) -> None:
        """There is room for more sagas: do not wait for the store to tell of any."""
        self._more_waiting = True
        if self._patience is not None:
            self._patience.reschedule(0)

    async def sweep(self) -> None:
        """Obey the holds, adopt what is orphaned, do what the inbox asks, tell what is hung."""
        self._more_waiting = False
        steps = (self._obeying.sweep, self._adopt, self._read_inbox, self._driving.look_for_hung)
        for step in steps:
            try:
                await step()
            except Exception as error:  # noqa: BLE001 - a border: one step never stops the other
                self._driving.report(None, error)

    # -- sagas without a coordinator -------------------------------------------------

    async def _adopt(self) -> None:
        driving = self._driving
        if self._unsure or driving.parking.unsure or driving.places.take_left_out():
            self._unsure, driving.parking.unsure = True, False
            await self._find_adopted()
        if self._claiming is not None:
            await self._adopt_share()
            self._unsure = True
            await self._claiming.look()
            self._unsure = False
            return
        while await self._adopt_page(DRIVEN, MAX_PAGE) == MAX_PAGE:
            pass

    async def _adopt_share(self) -> None:
        if await self._adopt_page(_BEGUN, SHARE) == SHARE:
            self._more_waiting = True
        room = min(self._driving.places.room, MAX_PAGE)
        if room and await self._adopt_page(_WAITING, room) == room:
            self._driving.places.call_when_short(self._hurry)

    async def _adopt_page(self, states: frozenset[SagaStatus], limit: int) -> int:
        if self._driving.draining:
            return 0
        self._unsure = True
        heads = await self._adoptable(states, limit)
        kept = heads
        if self._claiming is not None:
            kept = await self._claiming.keep(heads)
            self._more_waiting |= len(kept) < len(heads)  # there is room, and perhaps what fits
        for head in kept:
            await self._line_up(head)
        self._unsure = False
        return len(heads)

    async def _adoptable(self, states: frozenset[SagaStatus], limit: int) -> Sequence[SagaHead]:
        owner, epoch = self._driving.owner, self._driving.epoch
        if self._only is None:
            unfit = list(self._driving.parking.unfit)
            return await self._store.adopt(owner, epoch, states=states, unfit=unfit, limit=limit)
        if not self._not_adopted:
            return ()
        heads = await self._store.adopt(owner, epoch, ids=sorted(self._not_adopted)[:MAX_PAGE])
        # Once each: asked by id, the store gives those again that are ours already.
        self._not_adopted.difference_update(head.id for head in heads)
        return [head for head in heads if head.state in DRIVEN]

    async def _find_adopted(self) -> None:
        """Run what is ours and nobody knows of: an adoption failed, perhaps after its effect."""
        driving = self._driving
        for state in sorted(DRIVEN):
            after: UUID | None = None
            while True:
                query = SagaQuery(state=state, after=after, limit=MAX_PAGE)
                heads = await self._store.list(query)
                for head in heads:
                    if head.owner == driving.owner and self._counts(head.id):
                        await self._line_up(head)
                if len(heads) < MAX_PAGE:
                    break
                after = heads[-1].id

    async def _line_up(self, head: SagaHead) -> None:
        driving = self._driving
        if driving.knows(head.id):
            return
        params: Json | None = None
        if driving.places.needs_params(head.name):
            with suppress(StoreCorrupt, PayloadUnreadable):  # told by whoever reads it to run it
                params = (await self._store.read(head.id)).params
        undoes = head.direction is Direction.UNWINDING
        driving.enqueue(Entrant(head.id, head.name, params, undoes))

    def _counts(self, saga_id: UUID) -> bool:
        return self._only is None or saga_id in self._only

    # -- the inbox ---------------------------------------------------------------------

    async def _read_inbox(self) -> None:
        """Let each saga's commands be carried out, in order; no saga waits for another."""
        page = await self._store.take(owner=self._driving.owner, limit=MAX_PAGE)
        self._more_waiting |= len(page) == MAX_PAGE
        for command in page:
            # What is for others stays for the coordinator that comes for them.
            if command.request_id in self._taken or not self._counts(command.saga_id):
                continue
            self._taken.add(command.request_id)
            line = self._lines.get(command.saga_id)
            if line is None:
                self._lines[command.saga_id] = deque((command,))
                _ = self._driving.tasks.spawn(self._work_off(command.saga_id))
            else:
                line.append(command)

    async def _work_off(self, saga_id: UUID) -> None:
        line = self._lines[saga_id]
        while line and not self._driving.draining:
            command = line[0]
            try:
                await self._carry_out(command)
            except CoordinatorClosed:
                return  # for the next one
            except NotOwner:  # for the coordinator that has the saga
                self._taken.discard(command.request_id)
                line.popleft()
                continue
            except Exception as error:  # noqa: BLE001 - a border: it is reported, and left behind
                self._driving.report(saga_id, error)
                if isinstance(error, StoreError) and not isinstance(error, StoreCorrupt):
                    await asyncio.sleep(POLL_SECONDS)  # the store's trouble, not the command's
                    continue
                await self._refusals.keep(command.request_id, error)
            await self._mark_done(command)
            line.popleft()
        if not line:
            del self._lines[saga_id]

    async def _mark_done(self, command: InboxCommand) -> None:
        while True:
            try:
                await self._store.done([command.request_id])
            except StoreError as error:
                self._driving.report(command.saga_id, error)
                await asyncio.sleep(POLL_SECONDS)
            else:
                self._taken.discard(command.request_id)
                return
