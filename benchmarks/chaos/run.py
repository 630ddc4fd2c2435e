"""One run: a server, a fleet, a client, a deck of faults, and the verdict."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg

from benchmarks.chaos.client import Starter
from benchmarks.chaos.disk import SETTINGS, SmallDisk, small_disk
from benchmarks.chaos.faults import Fault, Faults
from benchmarks.chaos.fleet import Fleet
from benchmarks.chaos.participants import Ledger
from benchmarks.chaos.sagas import BOOKINGS
from benchmarks.chaos.verdict import Verdict, bookings_in
from sagacity import Client, open_store
from tests.postgres.server import Server

if TYPE_CHECKING:
    from collections.abc import Mapping

CALM_SECONDS: Final = 60.0
"""For all to end, after the last fault."""
WORKERS: Final = 4
SLOW_SECONDS: Final = 4.0
IN_FLIGHT: Final = 60


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything; `rounds` decks one after the other."""

    seed: int
    deck: Mapping[Fault, int]
    sagas: int
    lease_seconds: float = 2.0
    gap_seconds: float = 0.8
    max_sagas: int = 24
    """In each worker; so that all have something in hand."""


class Told(asyncio.DatagramProtocol):
    """Hears what workers tell, and when."""

    def __init__(self) -> None:
        self.adopted: Final[dict[tuple[UUID, int], float]] = {}
        self.counts: Final[Counter[str]] = Counter()

    def datagram_received(self, data: bytes, addr: object) -> None:
        del addr
        what, saga_id, epoch = data.decode().split()
        self.counts[what] += 1
        if what == "adopted":
            self.adopted[UUID(saga_id), int(epoch)] = time.monotonic()


@dataclass(slots=True)
class Report:
    """What was done, and what was found."""

    seed: int
    faults: dict[str, int] = field(default_factory=dict[str, int])
    cuts: int = 0
    acknowledged: int = 0
    asked_again: int = 0
    retried_as_poison: int = 0
    states: dict[str, int] = field(default_factory=dict[str, int])
    owners: dict[int, int] = field(default_factory=dict[int, int])
    events: int = 0
    taken_from_zombies: list[int] = field(default_factory=list[int])
    """How many sagas others had taken over when a stopped worker went on, for each."""
    calls: int = 0
    calls_again: int = 0
    late_dos: int = 0
    stale_calls: int = 0
    told: dict[str, int] = field(default_factory=dict[str, int])
    takeovers: list[float] = field(default_factory=list[float])
    """Seconds from the end of an owner to the next one's `adopted`, with the server reachable."""
    rough_takeovers: list[float] = field(default_factory=list[float])
    """The same while the server was killed, or the network disturbed, for somebody."""
    slow: list[str] = field(default_factory=list[str])
    """Takeovers that took long, and what happened meanwhile."""
    seconds: float = 0.0
    skipped: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])

    def plus(self, other: Report) -> Report:
        """Return the sum of two runs."""
        sums = Report(self.seed)
        for each in fields(Report):
            mine: Any = getattr(self, each.name)
            theirs: Any = getattr(other, each.name)
            if each.type.startswith("dict"):
                setattr(sums, each.name, dict(Counter[Any](mine) + Counter[Any](theirs)))
            elif each.name != "seed":
                setattr(sums, each.name, mine + theirs)
        return sums

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


async def run(size: Size) -> Report:
    """Do all of it, and say what came of it."""
    began = time.monotonic()
    with small_disk() if Fault.DISK in size.deck else nullcontext("not asked for") as disk:
        server = Server() if isinstance(disk, str) else Server(SETTINGS, folder=disk.folder)
        try:
            server.start()
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute(BOOKINGS)
            with TemporaryDirectory(prefix="sagacity-chaos-") as folder:
                report = await _run(size, server, disk, Path(folder))
        finally:
            server.remove()
    report.seconds = time.monotonic() - began
    return report


async def _run(size: Size, server: Server, disk: SmallDisk | str, folder: Path) -> Report:
    chance, deck = random.Random(size.seed), dict(size.deck)
    report, ledger, told = Report(size.seed), Ledger(), Told()
    if isinstance(disk, str) and deck.pop(Fault.DISK, 0):
        report.skipped.append(disk)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: told, local_addr=("127.0.0.1", 0))
    participant = str(folder / "participant")
    options = f"?lease={size.lease_seconds}&timeout={size.lease_seconds / 2}"
    fleet = Fleet(
        server.url(), options, participant, transport.get_extra_info("sockname"), WORKERS,
        size.max_sagas,
    )  # fmt: skip
    faults = Faults(chance, fleet, server, size.lease_seconds, disk)
    async with ledger.serving(participant), Client(open_store(server.url() + options)) as client:
        starter = Starter(client, chance, IN_FLIGHT)
        async with fleet:
            starting = loop.create_task(starter.run())
            await faults.deal(deck, size.gap_seconds)
            while len(starter.acknowledged) < size.sagas and not starting.done():  # noqa: ASYNC110
                await asyncio.sleep(size.gap_seconds)
            starter.stop()
            await asyncio.wait((starting,), timeout=CALM_SECONDS)
            report.wrong += [f"{each} has not ended" for each in starter.waits_for]
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await fleet.drain(CALM_SECONDS)
            report.cuts = sum(slot.proxy.cuts for slot in fleet.slots)
    transport.close()
    store = open_store(server.url() + options)
    await store.open()
    verdict = Verdict(ledger, bookings_in(server.url()))
    await verdict.look(store, starter.acknowledged)
    await store.close()
    _sum_up(report, starter, fleet, faults, verdict, told)
    return report


def _sum_up(  # noqa: PLR0917 - all that took part
    report: Report, starter: Starter, fleet: Fleet, faults: Faults, verdict: Verdict, told: Told
) -> None:
    report.faults = {str(fault): count for fault, count in faults.done.items()}
    report.acknowledged = len(starter.acknowledged)
    report.asked_again = starter.asked_again
    report.retried_as_poison = starter.retried
    report.states, report.owners = dict(verdict.states), dict(sorted(verdict.owners.items()))
    report.events, report.told = verdict.events, dict(told.counts)
    ledger = verdict.ledger
    report.calls, report.calls_again = ledger.calls, ledger.again
    report.late_dos, report.stale_calls = ledger.late, ledger.stale
    report.wrong += starter.wrong + fleet.wrong + verdict.wrong
    report.taken_from_zombies = [0] * len([e for e in faults.history if e.fault is Fault.STOP])
    for saga_id, epoch, before in verdict.takeovers:
        adopted = told.adopted.get((saga_id, epoch))
        if adopted is not None:
            _measure(report, faults, f"{saga_id} of {before}", int(before.split("/")[1]), adopted)


def _measure(report: Report, faults: Faults, what: str, pid: int, adopted: float) -> None:
    """Note how long it took from what befell the owner `pid` to the adoption."""
    stops = [each for each in faults.history if each.fault is Fault.STOP]
    for at, stop in enumerate(stops):
        report.taken_from_zombies[at] += stop.pid == pid and stop.began < adopted < stop.ended
    strikes = [
        each.began
        for each in faults.history
        if each.pid == pid and each.fault in (Fault.KILL, Fault.STOP) and each.began < adopted
    ]
    if not strikes:
        return  # it had lost its lease for another reason
    struck = strikes[-1]
    seconds = adopted - struck
    during = [each for each in faults.history if each.began < adopted and struck < each.ended]
    disturbed = any(each.disturbs for each in during)
    (report.rough_takeovers if disturbed else report.takeovers).append(seconds)
    if seconds > SLOW_SECONDS:
        told_of = [f"{each.began - struck:.1f} {each.fault} {each.pid}" for each in during]
        report.slow.append(f"{what}: {seconds:.1f} s, during {told_of}")
