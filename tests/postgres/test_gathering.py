import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from sagacity.errors import NoSuchSaga, StoreCorrupt, StoreError
from sagacity.stores.postgres.gathering import MAX_SAGAS, Reader
from sagacity.stores.postgres.pool import Pool

IDS = [UUID(int=number) for number in range(1, 42)]


class Server(Pool):
    """Answers when it is let, with the id for the saga; keeps which ids came together."""

    def __init__(self, *, damaged: UUID | None = None, unknown: UUID | None = None) -> None:
        self.damaged, self.unknown = damaged, unknown
        self.trips: list[Sequence[UUID]] = []
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def call(
        self, work: Callable[..., Awaitable[Any]], *, quick: bool = False, changes: bool = True
    ) -> Any:
        assert isinstance(work, partial)
        ids: Sequence[UUID] = work.keywords["ids"]
        self.trips.append(ids)
        self.asked.set()
        await self.may_answer.wait()
        if self.damaged in ids:
            raise StoreCorrupt("a page")
        found: Mapping[UUID, object] = {each: each for each in ids if each != self.unknown}
        return found


async def read_all(server: Server, ids: Sequence[UUID]) -> list[object]:
    """Read the first while the others ask, then let the server answer."""
    reader = Reader(server)
    running = asyncio.get_running_loop().create_task(reader.run())
    asked = [asyncio.get_running_loop().create_task(reader.read(each)) for each in ids[:1]]
    await server.asked.wait()
    asked += [asyncio.get_running_loop().create_task(reader.read(each)) for each in ids[1:]]
    await asyncio.sleep(0)
    server.may_answer.set()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    running.cancel()
    await asyncio.wait([running])
    return list(outcomes)


async def test_what_is_asked_for_meanwhile_shares_a_trip_up_to_a_limit() -> None:
    """A thousand claimed sagas must not be a thousand round trips."""
    server = Server()
    assert await read_all(server, IDS) == IDS
    assert [len(trip) for trip in server.trips] == [1, MAX_SAGAS, len(IDS) - 1 - MAX_SAGAS]


async def test_an_unknown_saga_harms_no_other_of_its_trip() -> None:
    """Each read has an answer of its own."""
    outcomes = await read_all(Server(unknown=IDS[2]), IDS[:4])
    assert isinstance(outcomes.pop(2), NoSuchSaga)
    assert outcomes == [IDS[0], IDS[1], IDS[3]]


async def test_a_damaged_page_harms_only_who_reads_it() -> None:
    """The server refuses the whole statement; then each is read alone."""
    outcomes = await read_all(Server(damaged=IDS[1]), IDS[:4])
    assert isinstance(outcomes.pop(1), StoreCorrupt)
    assert outcomes == [IDS[0], IDS[2], IDS[3]]


async def test_closing_leaves_nobody_waiting() -> None:
    """What was asked for and not answered is refused, and so is what comes later."""
    server = Server()
    reader = Reader(server)
    running = asyncio.get_running_loop().create_task(reader.run())
    asked = asyncio.get_running_loop().create_task(reader.read(IDS[0]))
    await server.asked.wait()
    running.cancel()
    await asyncio.wait([running])
    for late in (asked, reader.read(IDS[1])):
        with pytest.raises(StoreError, match="not open"):
            await late
