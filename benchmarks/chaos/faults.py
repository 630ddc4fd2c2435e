"""What is done to the fleet: a deck of faults, shuffled by the seed and dealt one by one."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.chaos.disk import SmallDisk
    from benchmarks.chaos.fleet import Fleet, Process, Slot
    from tests.postgres.proxy import Proxy
    from tests.postgres.server import Server

TERMINATE: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < %s
"""
LOADS: Final = """
SELECT owner, count(*) FROM sagacity.head WHERE state = 'running' AND owner LIKE '%/%/%' GROUP BY 1
"""
NEEDLES: Final = (b"COMMIT", b'"started"', b'"succeeded"', b'"finished"', b'"adopted"')
"""What is in the message whose answer is lost: a COMMIT, or a piece of a record."""


class Fault(StrEnum):
    """What can be done."""

    KILL = "worker killed"
    STOP = "worker stopped for longer than its lease, then gone on"
    SERVER = "postmaster killed, and started again"
    TERMINATE = "sessions ended by pg_terminate_backend"
    RESET = "connections of a worker reset"
    BLACK_HOLE = "network of a worker swallows everything"
    HALF_OPEN = "server has forgotten the connections of a worker"
    CUT = "answer to a commit lost"
    DISK = "disk of the server full, then empty again"


class Event(NamedTuple):
    """A fault, and from when to when it lasted, by the clock of the loop."""

    fault: Fault
    began: float
    ended: float
    pid: int
    """Of the worker that was in the slot."""

    @property
    def disturbs(self) -> bool:
        """Whether the server could not be reached by somebody."""
        return self.fault not in (Fault.KILL, Fault.STOP)


ONE_AT_A_TIME: Final = frozenset({Fault.SERVER, Fault.DISK})
"""Others may go on meanwhile, and none begins."""


@dataclass(slots=True)
class Faults:
    """Deals a deck; what takes its time goes on beside the next ones."""

    chance: random.Random
    fleet: Fleet
    server: Server
    lease_seconds: float
    disk: SmallDisk | str
    """Or why there is none."""
    done: Counter[Fault] = field(default_factory=Counter[Fault])
    history: list[Event] = field(default_factory=list["Event"])

    async def deal(self, deck: Mapping[Fault, int], mean_gap_seconds: float) -> None:
        """Do all of a deck, in random order, and return when the last has ended."""
        cards = [fault for fault, count in deck.items() for _ in range(count)]
        self.chance.shuffle(cards)
        async with asyncio.TaskGroup() as tasks:
            for card in cards:
                await asyncio.sleep(self.chance.expovariate(1 / mean_gap_seconds))
                if card in ONE_AT_A_TIME:
                    await self._do(card)
                else:
                    tasks.create_task(self._do(card))

    async def _do(self, fault: Fault) -> None:
        slot = await self._slot(fault)
        clock = asyncio.get_running_loop().time
        began, pid = clock(), slot.process.pid if slot.process else 0
        match fault:
            case Fault.KILL:
                await self.fleet.kill(slot)
            case Fault.STOP:
                await self._stop(slot)
            case Fault.SERVER:
                await asyncio.to_thread(self.server.kill)
                await asyncio.sleep(self.chance.random())
                await asyncio.to_thread(self.server.start)
            case Fault.TERMINATE:
                await asyncio.to_thread(self._terminate, self.chance.choice((0.2, 1.0)))
            case Fault.RESET:
                slot.proxy.reset()
            case Fault.BLACK_HOLE:
                slot.proxy.black_hole()
                await asyncio.sleep(self._longer_than_a_lease())
                slot.proxy.heal()
            case Fault.HALF_OPEN:
                slot.proxy.half_open()
            case Fault.CUT:
                await self._cut(slot.proxy)
            case Fault.DISK:
                await self._fill_disk()
        self.history.append(Event(fault, began, clock(), pid))
        self.done[fault] += 1

    async def _slot(self, fault: Fault) -> Slot:
        """Return whose turn it is; those who have nothing in hand are not worth stopping."""
        busy = fault is Fault.STOP or (fault is Fault.KILL and self.chance.random() < 0.5)
        loads = await asyncio.to_thread(self._loads) if busy else Counter[int]()
        while not (slots := self.fleet.running()):  # noqa: ASYNC110 - it ends with a signal
            await asyncio.sleep(self.lease_seconds / 4)
        self.chance.shuffle(slots)
        return max(slots, key=lambda slot: loads[slot.process.pid if slot.process else 0])

    def _loads(self) -> Counter[int]:
        """Return how many sagas run in each process."""
        try:
            with psycopg.connect(self.server.url()) as connection:
                rows = connection.execute(LOADS).fetchall()
        except psycopg.OperationalError:
            return Counter()
        return Counter({int(owner.split("/")[1]): count for owner, count in rows})

    def _longer_than_a_lease(self) -> float:
        return self.lease_seconds * (1.5 + 1.5 * self.chance.random())

    async def _stop(self, slot: Slot) -> None:
        process: Process = self.fleet.stop(slot)
        await asyncio.sleep(self._longer_than_a_lease())
        self.fleet.go_on(process)

    async def _cut(self, proxy: Proxy) -> None:
        """Let a way be cut at a commit, as soon as there is one of that kind."""
        before = proxy.cuts
        proxy.cut_after(self.chance.choice(NEEDLES))
        while proxy.cuts == before:
            await asyncio.sleep(0.05)
            if not proxy.needle and proxy.cuts == before:  # healed meanwhile
                proxy.cut_after(self.chance.choice(NEEDLES))

    async def _fill_disk(self) -> None:
        assert not isinstance(self.disk, str)
        await asyncio.to_thread(self.disk.fill)
        await asyncio.sleep(self._longer_than_a_lease())
        await asyncio.to_thread(self.disk.make_room)
        # Without room for its own log the server gives up, and somebody has to start it again.
        await asyncio.to_thread(self._start_again)

    def _start_again(self) -> None:
        self.server.kill()
        self.server.start()

    def _terminate(self, share: float) -> None:
        try:
            with psycopg.connect(self.server.url(), autocommit=True) as connection:
                connection.execute(TERMINATE, (share,))
        except psycopg.OperationalError:
            pass  # the server is down just now, which is as good
