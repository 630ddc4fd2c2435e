"""How much runs at once: sagas, attempts, and attempts of one action."""

import asyncio
from typing import Any

import pytest

from sagacity import ActionFailed, Sec, Succeeded, Unwound
from sagacity.core.builder import NodeFactory
from sagacity.engine.slots import Slots
from sagacity.stores.memory import MemoryStore
from tests.engine.world import PlainAction, World, dag_of, registry_of, spawn, turns

LINE = dag_of("a", "b")


class Crowd:
    """Counts how many calls of each kind are in progress, and holds them until told otherwise."""

    def __init__(self) -> None:
        self.now: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.open = asyncio.Event()

    async def __call__(self, ctx: Any) -> None:
        for kind in ("all", ctx.node_label):
            self.now[kind] = self.now.get(kind, 0) + 1
            self.most[kind] = max(self.most.get(kind, 0), self.now[kind])
        await self.open.wait()
        await asyncio.sleep(0)
        for kind in ("all", ctx.node_label):
            self.now[kind] -= 1


@pytest.mark.parametrize("limits", [{"max_sagas": 0}, {"max_actions": 0}, {"max_sagas": -1}])
def test_a_limit_below_one_is_refused(limits: dict[str, int]) -> None:
    """Nothing could ever run."""
    with pytest.raises(ValueError, match="it must be at least 1"):
        Sec(MemoryStore(), **limits)  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_no_more_attempts_run_at_once_than_allowed(world: World, limit: int) -> None:
    """Of all sagas together; each gets its turn."""
    crowd = Crowd()
    names = [f"n{number}" for number in range(12)]
    for name in names:
        world.on(f"do {name}", crowd)
    async with Sec(MemoryStore(), registry_of(world), max_actions=limit) as sec:
        runs = [spawn(sec.run(dag_of("a", names, "z"))) for _ in range(3)]
        await turns(100)
        assert crowd.now["all"] == limit
        crowd.open.set()
        assert [await run for run in runs] == ["z"] * 3
    assert crowd.most["all"] == limit


@pytest.mark.parametrize("limit", [1, 3])
async def test_no_more_attempts_of_an_action_run_at_once_than_it_allows(
    world: World, limit: int
) -> None:
    """A crowded action holds no places that others could use."""
    crowd = Crowd()
    action = PlainAction("narrow", crowd, world.undo, limit=limit)
    narrow = [NodeFactory.action(f"n{number}", "narrow", action) for number in range(8)]
    saga = dag_of("a", [*narrow, "free"], "z")
    async with Sec(MemoryStore(), registry_of(world, action), max_actions=limit + 1) as sec:
        runs = [spawn(sec.run(saga)) for _ in range(3)]
        await turns(100)
        assert crowd.now["narrow"] == limit
        assert world.calls.count("do free") == 3
        assert await sec.run(LINE) == "b"
        crowd.open.set()
        assert [await run for run in runs] == ["z"] * 3
    assert crowd.most["narrow"] == limit


async def test_undos_have_the_same_limits(world: World) -> None:
    """One at a time, do or undo."""
    crowd = Crowd()
    crowd.open.set()
    for name in ("p", "q", "r"):
        world.on(f"undo {name}", crowd)
    world.fail("do z", ActionFailed("no"))
    async with Sec(MemoryStore(), registry_of(world), max_actions=1) as sec:
        handle = await sec.create(dag_of("a", ["p", "q", "r"], "z"))
        await handle.start()
        assert isinstance(await handle.wait(), Unwound)
    assert crowd.most["all"] == 1


async def test_no_more_sagas_are_in_memory_than_allowed(world: World) -> None:
    """The rest is in the store, queued, and gets its turn in order."""
    gate = world.hold("do a")
    async with Sec(MemoryStore(), registry_of(world), max_sagas=2) as sec:
        handles = [await sec.create(LINE) for _ in range(6)]
        for handle in handles:
            await handle.start()
        await gate.entered.wait()
        await turns()
        states = [(await handle.view()).state for handle in handles]
        assert states == ["running", "running", *["queued"] * 4]
        assert sec._open is not None
        assert len(sec._open.driving.active) == 2
        assert len((await sec.list(state="queued")).items) == 4
        gate.open()
        for handle in handles:
            assert await handle.wait() == Succeeded("b")


async def test_runs_beyond_the_limit_wait_for_a_place(world: World) -> None:
    """Durable before they run."""
    gate = world.hold("do a")
    async with Sec(MemoryStore(), registry_of(world), max_sagas=1) as sec:
        runs = [spawn(sec.run(LINE)) for _ in range(4)]
        await gate.entered.wait()
        await turns()
        assert len((await sec.list()).items) == 4
        assert world.calls == ["do a"]
        gate.open()
        assert [await run for run in runs] == ["b"] * 4


@pytest.mark.parametrize("how", ["inject_error", "inject_undo_error", "inject_repeat"])
async def test_what_is_injected_into_a_queued_saga_happens(world: World, how: str) -> None:
    """Before its start, or while it waits for its place."""
    for before in (True, False):
        world.calls.clear()
        gate = world.hold("do a")
        async with Sec(MemoryStore(), registry_of(world), max_sagas=1) as sec:
            first = await sec.create(dag_of("a"))
            await first.start()
            await gate.entered.wait()
            handle = await sec.create(dag_of("c", "d"))
            inject = getattr(handle, how)
            if before:
                await inject("c")
            if how == "inject_undo_error":
                await handle.inject_error("d")
            await handle.start()
            if not before:
                await inject("c")
            gate.open()
            await handle.wait()
            state = (await handle.view()).state
        wanted = {"inject_error": "unwound", "inject_undo_error": "stuck"}
        assert state == wanted.get(how, "succeeded")
        assert world.calls.count("do c") == {"inject_error": 0, "inject_repeat": 2}.get(how, 1)


async def test_what_waits_for_a_slot_when_its_saga_turns_is_not_begun(world: World) -> None:
    """Nor does it keep the slot."""
    gate = world.hold("do p")

    async def fail(ctx: Any) -> None:
        await gate(ctx)
        raise ActionFailed("no")

    world.on("do p", fail)
    names = ["p", *[f"q{number}" for number in range(20)]]
    async with Sec(MemoryStore(), registry_of(world), max_actions=1) as sec:
        handle = await sec.create(dag_of("a", names, "z"))
        await handle.start()
        await gate.entered.wait()
        gate.open()
        assert isinstance(await handle.wait(), Unwound)
        assert await sec.run(LINE) == "b"
    assert [call for call in world.calls if call.startswith("do q")] == []


async def test_thousands_that_wait_in_vain_are_passed_over(world: World) -> None:
    """A saga that ended while its nodes waited for slots: the next in line gets the slot."""
    names = ["p", *[f"q{number}" for number in range(1_500)]]
    held, failing = world.hold("do held"), world.hold("do p")

    async def fail(ctx: Any) -> None:
        await failing(ctx)
        raise ActionFailed("no")

    world.on("do p", fail)
    async with Sec(MemoryStore(), registry_of(world), max_actions=2) as sec:
        wide = await sec.create(dag_of(names, "z"))
        other = spawn(sec.run(dag_of("held", "x")))
        await held.entered.wait()
        await wide.start()
        await failing.entered.wait()
        third = spawn(sec.run(LINE))
        failing.open()
        assert isinstance(await wide.wait(), Unwound)
        held.open()
        assert (await other, await third) == ("x", "b")


# -- the slots themselves --------------------------------------------------------------------


def actions(*limits: int | None) -> list[Any]:
    return [
        PlainAction(f"action {number}", print, limit=limit) for number, limit in enumerate(limits)
    ]


def test_a_slot_that_is_given_back_goes_to_who_waited_longest() -> None:
    """First come, first served."""
    (action,) = actions(None)
    slots, granted = Slots(1), list[str]()
    assert slots.try_acquire(action)
    for name in "abc":
        assert not slots.try_acquire(action)
        slots.wait(action, lambda name=name: granted.append(name))  # type: ignore[misc]
    for wanted in ("a", "ab", "abc"):
        slots.release(action)
        assert "".join(granted) == wanted
    slots.release(action)
    assert slots.try_acquire(action)


def test_an_action_at_its_limit_leaves_room_for_others() -> None:
    """It waits for itself, and holds no slot of the coordinator while it does."""
    narrow, free = actions(1, None)
    slots, granted = Slots(2), list[str]()
    assert slots.try_acquire(narrow)
    assert not slots.try_acquire(narrow)
    slots.wait(narrow, lambda: granted.append("narrow"))
    assert slots.try_acquire(free)
    assert not slots.try_acquire(free)
    slots.wait(free, lambda: granted.append("free"))
    slots.release(narrow)
    assert granted == ["free"]
    slots.release(free)
    assert granted == ["free", "narrow"]
    slots.release(free)
    slots.release(narrow)
    assert slots.try_acquire(narrow)
    assert slots.try_acquire(free)
    assert not slots.try_acquire(free)


def test_a_grant_that_gives_its_slot_back_at_once_does_not_recurse() -> None:
    """However many do so in a row."""
    (action,) = actions(1)
    slots, passed = Slots(1), list[int]()
    assert slots.try_acquire(action)

    def pass_on() -> None:
        passed.append(1)
        slots.release(action)

    for _ in range(10_000):
        slots.wait(action, pass_on)
    slots.release(action)
    assert len(passed) == 10_000
    assert slots.try_acquire(action)
    assert not slots.try_acquire(action)
