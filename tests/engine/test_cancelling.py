"""Cancelling any public call, at any place: nothing is left, or a saga as far as it was acknowledged."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from sagacity import Client, Sec, Succeeded
from sagacity.stores.memory import MemoryStore
from sagacity.testing.faults import FaultyStore
from tests.engine.conftest import Stores, check_all
from tests.engine.world import World, dag_of, registry_of, spawn, turns

LINE = dag_of("a", "b")
ID = UUID(int=7)

Call = Callable[[Sec], Coroutine[Any, Any, None]]


async def create(sec: Sec) -> None:
    await sec.create(LINE, {"n": 1}, id=ID)


async def run(sec: Sec) -> None:
    await sec.run(LINE, {"n": 1}, id=ID)


async def start(sec: Sec) -> None:
    await sec.handle(ID).start()


async def wait(sec: Sec) -> None:
    await sec.handle(ID).wait()


async def result(sec: Sec) -> None:
    await sec.handle(ID).result()


async def view(sec: Sec) -> None:
    await sec.handle(ID).view()


async def list_all(sec: Sec) -> None:
    await sec.list()


async def inject(sec: Sec) -> None:
    await sec.handle(ID).inject_repeat("a")


class SlowStore(FaultyStore):
    """Every call takes a turn of the loop before its effect and one after it."""

    async def _call(self, method: str, work: Any, saga_id: Any = None) -> Any:
        await asyncio.sleep(0)
        answer = await super()._call(method, work, saga_id)
        await asyncio.sleep(0)
        return answer


@pytest.mark.parametrize("call", [create, run, start, wait, result, view, list_all, inject])
@pytest.mark.parametrize("after", range(14))
@pytest.mark.parametrize("slow", [False, True])
async def test_a_call_that_is_cancelled_leaves_nothing_or_a_whole_saga(
    world: World, call: Call, after: int, slow: bool
) -> None:
    """At each turn of the loop; whatever is there then is whole, and can be gone on with."""
    memory = MemoryStore()
    exists = call not in (create, run)
    async with Sec(SlowStore(memory) if slow else memory, registry_of(world)) as sec:
        if exists:
            await sec.create(LINE, {"n": 1}, id=ID)
        if call in (wait, result):
            await sec.handle(ID).start()
        calling = spawn(call(sec))
        for _ in range(after):
            await asyncio.sleep(0)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        await sec.list()
        await turns()
        found = (await sec.list()).items
        if exists:
            assert len(found) == 1
        for summary in found:
            assert summary.id == ID
            if summary.state == "ready":
                await sec.handle(ID).start()
            assert await sec.handle(ID).wait() == Succeeded("b")
        # Calling again with the same id is what a caller who was interrupted does.
        assert await sec.run(LINE, {"n": 1}, id=ID) == "b"
        assert not sec._opened().driving.waiters
        assert not sec._opened().starting.busy
    assert world.calls in (["do a", "do b"], ["do a", "do a", "do b"])
    await check_all(memory)


@pytest.mark.parametrize("method", ["create", "append", "read"])
@pytest.mark.parametrize("call", [create, run, start])
async def test_a_call_that_is_cancelled_while_the_store_hangs_leaves_a_whole_saga(
    world: World, method: str, call: Call
) -> None:
    """The write goes on by itself, or never was."""
    memory = MemoryStore()
    store = FaultyStore(memory)
    async with Sec(store, registry_of(world)) as sec:
        if call is start:
            await sec.create(LINE, {"n": 1}, id=ID)
        hold = store.hold(method)
        calling = spawn(call(sec))
        await turns()
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        hold.release()
        store.heal()
        await turns()
        assert await sec.run(LINE, {"n": 1}, id=ID) == "b"
    assert world.calls == ["do a", "do b"]
    await check_all(memory)


async def test_waiting_is_given_up_without_harm_to_others(stores: Stores, world: World) -> None:
    """One of those who wait goes away, the others hear how it ended."""
    gate = world.hold("do a")
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        await gate.entered.wait()
        waiting = [spawn(handle.wait()) for _ in range(3)]
        await turns()
        waiting[1].cancel()
        await turns()
        gate.open()
        assert await waiting[0] == await waiting[2] == Succeeded("b")


async def test_a_client_that_is_cancelled_leaves_nothing_or_a_whole_saga(world: World) -> None:
    """Creating and starting from another process likewise."""
    for after in range(10):
        memory = MemoryStore()
        async with Client(SlowStore(memory)) as client:
            calls = (partial(client.create, LINE, id=ID), partial(client.start, ID))
            for call in (*calls, partial(client.wait, ID)):
                calling = spawn(call())
                for _ in range(after):
                    await asyncio.sleep(0)
                calling.cancel()
                await asyncio.gather(calling, return_exceptions=True)
        world.calls.clear()
        async with Sec(memory, registry_of(world)) as sec:
            assert await sec.run(LINE, id=ID) == "b"
        assert world.calls == ["do a", "do b"]


async def test_an_opening_that_is_cancelled_leaves_the_store_to_others(world: World) -> None:
    """Whatever it had of it, it gives back."""
    for method in ("open", "acquire"):
        memory = MemoryStore()
        store = FaultyStore(memory)
        hold = store.hold(method)
        opening = spawn(Sec(store, registry_of(world)).__aenter__())
        await hold.entered.wait()
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        async with Sec(memory, registry_of(world)) as sec:
            assert await sec.run(LINE) == "b"
