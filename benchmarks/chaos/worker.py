"""One worker of the fleet, until it is killed; told to stop, it drains.

It tells the harness of each saga that it has taken over, when that is durable.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks.chaos.participants import Participant
from benchmarks.chaos.sagas import SAGAS
from sagacity import Observer, Sec, open_store
from sagacity.errors import StoreError
from sagacity.ports.observer import Notice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

AGAIN_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Job:
    """Where a worker finds what it needs."""

    store: str
    participant: str
    told: Sequence[str | int]
    """The UDP address of who is told what has happened."""
    max_sagas: int


class Teller(Observer):
    """Tells the harness what it measures."""

    def __init__(self, where: Sequence[str | int]) -> None:
        self._socket: Final = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(0)
        self._where: Final = tuple(where)

    def adopted(self, notice: Notice) -> None:
        self._tell("adopted", notice)

    def released(self, notice: Notice) -> None:
        self._tell(notice.detail, notice)

    def trouble(self, saga_id: UUID | None, error: Exception) -> None:
        self._send(f"{type(error).__name__} {saga_id or '-'} 0")

    def _tell(self, what: str, notice: Notice) -> None:
        self._send(f"{what} {notice.saga_id} {notice.epoch}")

    def _send(self, text: str) -> None:
        with suppress(OSError):  # a measurement less
            self._socket.sendto(text.encode(), self._where)


async def work(job: Job) -> None:
    """Work until told to stop. Where the store cannot be opened, again, as a supervisor would."""
    told_to_stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told_to_stop.set)
    while not told_to_stop.is_set():
        sec = Sec(
            open_store(job.store),
            SAGAS,
            deps=Participant(job.participant),
            max_sagas=job.max_sagas,
            observers=[Teller(job.told)],
        )
        try:
            async with sec:
                await told_to_stop.wait()
        except StoreError:
            await asyncio.sleep(AGAIN_SECONDS)
