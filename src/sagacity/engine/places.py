"""Which sagas may be in memory: those that have a place, those in line for one, those that sleep.

A place is a slot (see `slots`): so many in all, some beyond that for sagas that unwind, and
so many for a name or a key that is limited. Names take turns. What stands in line or sleeps
costs an id here and nothing else; the saga itself is in the store, and is read when its
time has come. A line is bounded: who starts sagas in this process waits until there is
room, and what others started is left in the store until then.

A saga sleeps when nothing of it is to be done before a retry is due. It has no place
meanwhile, but it keeps its share of a limit on its name: it has begun, and is not at rest.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from sagacity.core.limits import key_of
from sagacity.engine.slots import Pass, Slots, kept_of
from sagacity.errors import CoordinatorClosed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from sagacity.core.limits import KeyedLimit
    from sagacity.core.values import Json
    from sagacity.engine.clock import Alarm, Clock
    from sagacity.engine.slots import Gate

    LineKey = tuple[str, bool]

MAX_ASLEEP: Final = 100_000
"""How many may sleep; more keep their places."""
SHORTEST_SLEEP_MS: Final = 1_000


class Entrant(NamedTuple):
    """A saga that wants a place. `params` may be None where no key of its name is limited."""

    saga_id: UUID
    name: str
    params: Json | None
    undoes: bool = False


class Place(Pass):
    """The place of a saga, or what it stands in line with."""

    __slots__ = ("alarm", "entrant")

    def __init__(self, entrant: Entrant, grant: Callable[[Pass], None], gate: Gate | None) -> None:
        super().__init__(entrant.name, grant, gate, undoes=entrant.undoes)
        self.entrant: Final = entrant
        self.alarm: Alarm | None = None
        """Ends its sleep."""


class Places:
    """The places of one coordinator."""

    def __init__(
        self,
        *,
        max_sagas: int,
        max_queued: int,
        limits: Mapping[str, KeyedLimit],
        clock: Clock,
        run: Callable[[UUID], None],
        max_asleep: int = MAX_ASLEEP,
    ) -> None:
        """`run` is called with a saga that has waited and has a place now."""
        extra = max(1, kept_of(max_sagas))
        self._slots: Final = Slots(max_sagas + extra, extra)
        self._max_sagas: Final = max_sagas
        self._max_queued: Final = max_queued
        self._max_asleep: Final = max_asleep
        self._limits: Final = limits
        self._clock: Final = clock
        self._run: Final = run
        self._short: Final = max(2, max_sagas // 4)
        self._call_when_short: Callable[[], None] | None = None
        self._is_closed = False
        self._held: dict[UUID, Place] = {}
        """Of the sagas that have more than a plain place."""
        self._queued: dict[UUID, Place] = {}
        self._asleep: dict[UUID, Place] = {}
        self._lengths: Counter[LineKey] = Counter()
        """Of the lines, with those that were promised room in one."""
        self._callers: dict[LineKey, OrderedDict[asyncio.Future[None], None]] = {}
        self._left_out: set[LineKey] = set()
        """The lines that had no room for a saga, which is in the store only."""

    @property
    def room(self) -> int:
        """How many more to claim: what could run at once, and a short line behind that."""
        free = max(0, self._slots.free - self._slots.kept)
        return max(0, min(free + self._short, self._max_queued) - len(self._queued))

    def call_when_short(self, call: Callable[[], None]) -> None:
        """Call once when the line is nearly used up."""
        self._call_when_short = call

    @property
    def is_unused(self) -> bool:
        """Whether no saga has a place, stands in line or sleeps, and nobody waits to start one."""
        known = self._held or self._queued or self._asleep or self._callers or +self._lengths
        return self._slots.is_unused and not known

    def knows(self, saga_id: UUID) -> bool:
        """Whether the saga is in line or asleep."""
        return saga_id in self._queued or saga_id in self._asleep

    # -- places ----------------------------------------------------------------

    def has_room(self, entrant: Entrant) -> bool:
        """Whether a saga that comes now would get a place at once."""
        if not entrant.undoes and not self._limits:  # the commonest
            return self._slots.has_room
        return self._slots.may_enter(self._gate(entrant), undoes=entrant.undoes)

    def enter(self, entrant: Entrant) -> None:
        """Take the place that there is room for."""
        gate = self._gate(entrant) if self._limits else None
        if gate is None and not entrant.undoes:  # the commonest: it needs no pass
            taken = self._slots.take()
        else:
            place = self._held[entrant.saga_id] = Place(entrant, self._grant, gate)
            taken = self._slots.enter(place)
        assert taken

    def leave(self, saga_id: UUID) -> None:
        """Give the place of a saga back."""
        place = self._held.pop(saga_id, None) if self._held else None
        if place is None:
            self._slots.give_back()
        else:
            self._slots.leave(place)

    def _gate(self, entrant: Entrant) -> Gate | None:
        limit = self._limits.get(entrant.name) if self._limits else None
        if limit is None:
            return None
        key = b""
        if limit.path is not None and entrant.params is not None:
            key = key_of(entrant.params, limit.path)
        return self._slots.gate(
            entrant.name, key, limit.at_once, undoes=entrant.undoes, about=limit.text
        )

    # -- the line ----------------------------------------------------------------

    def needs_params(self, name: str) -> bool:
        """Whether a saga of this name is limited by its params."""
        limit = self._limits.get(name) if self._limits else None
        return limit is not None and limit.path is not None

    def enqueue(self, entrant: Entrant, *, promised: bool = False) -> None:
        """Let a saga wait for a place; unless it was promised, it may have to be left out."""
        line = self._line(entrant)
        if self._is_closed:
            return
        if not promised:
            if self._lengths[line] >= self._max_queued:
                self._left_out.add(line)
                return
            self._lengths[line] += 1
        place = Place(entrant, self._grant, self._gate(entrant))
        self._queued[entrant.saga_id] = place
        if self._slots.enter(place):
            self._grant(place)

    def withdraw(self, saga_id: UUID) -> Entrant | None:
        """Take a saga out of the line, or wake it; None if it is in neither."""
        place = self._queued.pop(saga_id, None)
        if place is not None:
            self._shorten(self._line(place.entrant))
        else:
            place = self._asleep.pop(saga_id, None)
            if place is None:
                return None
            if place.alarm is not None:
                place.alarm.cancel()
        self._slots.leave(place)
        return place.entrant

    def take_left_out(self) -> bool:
        """Whether some were left out and have room by now; asked, and forgotten, by who looks."""
        roomy = {line for line in self._left_out if self._lengths[line] <= self._max_queued // 2}
        self._left_out -= roomy
        return bool(roomy)

    def _grant(self, place: Pass) -> None:
        assert isinstance(place, Place)
        if self._is_closed:
            return
        saga_id = place.entrant.saga_id
        del self._queued[saga_id]
        self._held[saga_id] = place
        self._shorten(self._line(place.entrant))
        self._run(saga_id)

    def _line(self, entrant: Entrant) -> LineKey:
        limited = self._limits and entrant.name in self._limits
        return (entrant.name if limited else "", entrant.undoes)

    # -- back-pressure ---------------------------------------------------------

    async def promise(self, entrant: Entrant) -> bool:
        """Wait until one more may be queued and promise it; False if it has room to run now.

        Raises:
            CoordinatorClosed: the coordinator began to close meanwhile.
        """
        line = self._line(entrant)
        wait = self.is_crowded(entrant)
        while wait:
            await self._until_called(line)
            if self.has_room(entrant):
                self._call(line)
                return False
            wait = self._lengths[line] >= self._max_queued
        if self.has_room(entrant):
            return False
        self.promise_now(entrant)
        return True

    def is_crowded(self, entrant: Entrant) -> bool:
        """Whether one more has to wait before it may be queued."""
        line = self._line(entrant)
        return line in self._callers or self._lengths[line] >= self._max_queued

    def promise_now(self, entrant: Entrant) -> None:
        """Promise that one more may be queued, whether there is room or not."""
        self._lengths[self._line(entrant)] += 1

    def forgo(self, entrant: Entrant) -> None:
        """Give up a promise."""
        self._shorten(self._line(entrant))

    async def _until_called(self, line: LineKey) -> None:
        if self._is_closed:
            raise _closed()
        caller: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        callers = self._callers.setdefault(line, OrderedDict())
        callers[caller] = None
        try:
            await caller
        except asyncio.CancelledError:
            if caller.done() and not caller.cancelled():
                self._call(line)  # it will not come
            raise
        finally:
            callers.pop(caller, None)
            if not callers and self._callers.get(line) is callers:
                del self._callers[line]

    def _call(self, line: LineKey) -> None:
        callers = self._callers.get(line)
        if callers and self._lengths[line] < self._max_queued:
            caller, _ = callers.popitem(last=False)
            if not caller.done():
                caller.set_result(None)

    def _shorten(self, line: LineKey) -> None:
        self._lengths[line] -= 1
        if not self._lengths[line]:
            del self._lengths[line]
        if self._callers:
            self._call(line)
        if self._call_when_short is not None and len(self._queued) <= self._short // 2:
            call, self._call_when_short = self._call_when_short, None
            call()

    # -- sleep -------------------------------------------------------------------

    def may_sleep(self, until_ms: int) -> bool:
        """Whether a saga with nothing to do before then gives its place to others."""
        long = until_ms - self._clock.now_ms() >= SHORTEST_SLEEP_MS
        return long and len(self._asleep) < self._max_asleep

    def sleep(self, entrant: Entrant, until_ms: int) -> None:
        """Give the place of a saga to others, and let it stand in line when the time has come."""
        place = self._held.pop(entrant.saga_id, None) if self._held else None
        if place is None:
            place = Place(entrant, self._grant, None)
            self._slots.give_back()
            place.rests = True
        else:
            self._slots.rest(place)
        self._asleep[entrant.saga_id] = place
        place.alarm = self._clock.call_at(until_ms, lambda: self._wake(place))

    def _wake(self, place: Place) -> None:
        saga_id = place.entrant.saga_id
        if self._asleep.pop(saga_id, None) is None:
            return
        place.alarm = None
        self._queued[saga_id] = place
        self._lengths[self._line(place.entrant)] += 1
        if self._slots.enter(place):
            self._grant(place)

    # -- for people, and the end ---------------------------------------------------

    def waits_for(self, saga_id: UUID) -> str:
        """Return what a saga waits for here before it can go on; empty if it does not."""
        if saga_id in self._asleep:
            return "its next retry; until then it has given its place to others"
        place = self._queued.get(saga_id)
        if place is None:
            return ""
        gate = place.gate
        if gate is None or place.line is not gate.line:
            return f"a place: as many sagas run as may (max_sagas={self._max_sagas})"
        each = f" for each {gate.about}" if gate.about else ""
        return f'another "{place.entrant.name}" to end: limit={gate.limit}{each}'

    def close(self) -> list[UUID]:
        """Let nobody in any more; return who stood in line or slept."""
        self._is_closed = True
        left = [*self._asleep, *self._queued]
        for place in self._asleep.values():
            if place.alarm is not None:
                place.alarm.cancel()
        self._asleep.clear()
        self._queued.clear()
        for callers in self._callers.values():
            for caller in callers:
                if not caller.done():
                    caller.set_exception(_closed())
        return left


def _closed() -> CoordinatorClosed:
    return CoordinatorClosed("the coordinator is closing; nothing was started")
