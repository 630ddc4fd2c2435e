"""How much runs at once: sagas, attempts, and attempts of one action."""

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from sagacity import ActionFailed, Context, DagError, Sec, Succeeded, Unwound, action, saga
from sagacity.core.actions import ActionFunc
from sagacity.core.builder import NodeFactory
from sagacity.engine.calling import MAX_THREADS
from sagacity.stores.memory import MemoryStore
from tests.engine.world import PlainAction, World, dag_of, registry_of, spawn, turns

LINE = dag_of("a", "b")


@dataclass
class Customer:
    id: int


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
    async with Sec(MemoryStore(), registry_of(world), max_actions=limit, undo_slots=0) as sec:
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
    async with Sec(
        MemoryStore(), registry_of(world, action), max_actions=limit + 1, undo_slots=0
    ) as sec:
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
        assert len(sec._opened().driving.active) == 2
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
    async with Sec(MemoryStore(), registry_of(world), max_actions=2, undo_slots=0) as sec:
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


# -- keys, undos, turns ----------------------------------------------------------------------


async def test_a_limit_of_an_action_with_a_key_counts_for_each_value_of_it() -> None:
    """One attempt for a customer at once, of whatever sagas; counters go with the last one."""
    running: Counter[int] = Counter()
    most: Counter[int] = Counter()
    both, opened = asyncio.Event(), asyncio.Event()

    @action(no_undo="harmless", limit=1, limit_key="customer.id")
    async def charge(ctx: Context, customer: Customer, amount: int) -> int:
        running[customer.id] += 1
        most[customer.id] = max(most[customer.id], running[customer.id])
        if len(running) == 2:
            both.set()
        await opened.wait()
        running[customer.id] -= 1
        return amount

    @saga
    def order(customer: Customer) -> int:
        charge.options(node="x").node(customer, 1)
        return charge.options(node="y").node(customer, 2)

    async with Sec(MemoryStore(), [order]) as sec:
        handles = [await sec.create(order, Customer(id_)) for id_ in (1, 1, 2)]
        for handle in handles:
            await handle.start()
        await both.wait()
        await turns()
        texts = [node.waits_for for each in handles for node in (await each.view()).nodes]
        wanted = 'attempts of action "charge" (limit=1 for each customer.id), of saga '
        assert sorted(text.replace(str(handles[0].id), "").replace(str(handles[2].id), "")
                      for text in texts) == ["", "", *[wanted] * 4]  # fmt: skip
        opened.set()
        assert [await handle.result() for handle in handles] == [2] * 3
        assert most == {1: 1, 2: 1}
        assert sec._opened().driving._env.slots.is_unused


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (
            "customer.idd",
            'limit_key="customer.idd": Customer has no field "idd"; did you mean "id"',
        ),
        ("custom.id", 'limit_key="custom.id": there is no parameter "custom"; it has customer'),
        ("customer.id.x", '"x" is not stored: a value of type int has no fields'),
    ],
)
def test_a_key_that_is_no_field_is_a_mistake_of_the_saga(key: str, text: str) -> None:
    """Told when it is declared, with what there is."""

    @action(read_only=True, limit=1, limit_key=key)
    async def look(ctx: Context, customer: Customer) -> int:
        return 1

    with pytest.raises(DagError) as raised:

        @saga
        def order(customer: Customer) -> int:
            return look.node(customer)

    assert text in str(raised.value)


@pytest.mark.parametrize("key", ["customer", "x.id", "id.x"])
def test_a_key_of_a_saga_that_is_no_field_is_a_mistake_too(key: str) -> None:
    """The params have types."""

    @action(read_only=True)
    async def look(ctx: Context) -> int:
        return 1

    with pytest.raises(DagError, match=f'limit_key="{key}"'):

        @saga(limit=1, limit_key=key)
        def order(params: Customer) -> int:
            return look.node()

    with pytest.raises(DagError, match="it has no params"):

        @saga(limit=1, limit_key=key)
        def without() -> int:
            return look.node()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"limit": 0}, "limit=0 must be a whole number from 1"),
        ({"limit": True}, "limit=True must be"),
        ({"limit_key": "a"}, "give it too"),
        ({"limit": 1, "limit_key": "a..b"}, "must be a path"),
    ],
)
def test_a_limit_that_is_none_is_refused_where_it_is_said(
    options: dict[str, Any], text: str
) -> None:
    """Of an action as of a saga."""
    for decorate in (action, saga):
        with pytest.raises(ValueError, match=text):
            decorate(**options)


@pytest.mark.parametrize("kept", [-1, 4, 5])
def test_slots_for_undos_leave_some_for_dos(kept: int) -> None:
    """Nothing could ever go forward."""
    with pytest.raises(ValueError, match="it must be from 0 to below max_actions=4"):
        Sec(MemoryStore(), max_actions=4, undo_slots=kept)


@pytest.mark.parametrize("limit", [None, 1])
async def test_undos_go_on_while_dos_hang(world: World, limit: int | None) -> None:
    """They take neither all slots nor those of an action with a limit."""
    hanging = world.hold("do h")
    failing = world.hold("do z")
    narrow = PlainAction("narrow", world.do, world.undo, limit=limit)

    async def fail(ctx: Any) -> None:
        await failing(ctx)
        raise ActionFailed("no")

    world.on("do z", fail)
    async with Sec(MemoryStore(), registry_of(world, narrow), max_actions=4) as sec:
        unwinding = await sec.create(dag_of(NodeFactory.action("b", "", narrow), "z"))
        await unwinding.start()
        await failing.entered.wait()
        for _ in range(6):
            handle = await sec.create(dag_of(NodeFactory.action("h", "", narrow)))
            await handle.start()
        await hanging.entered.wait()
        failing.open()
        assert isinstance(await unwinding.wait(), Unwound)
        assert "undo b" in world.calls
        await sec.drain(0)


async def test_plain_undos_go_on_while_plain_dos_hang(world: World) -> None:
    """All threads that dos may have are taken; undos have threads of their own."""
    opened = threading.Event()

    def hang(_ctx: Any) -> str:
        opened.wait(20)
        return "at last"

    def do(_ctx: Any) -> str:
        return "done"

    def undo(ctx: Any) -> None:
        world.calls.append(f"undo {ctx.node_name}")

    hanging = ActionFunc("hanging", hang)
    plain = ActionFunc("plain", do, undo)
    registry = registry_of(world, hanging, plain)
    async with Sec(MemoryStore(), registry) as sec:
        unwinding = await sec.create(dag_of(NodeFactory.action("b", "", plain), "z"))
        gate = world.hold("do z")
        await unwinding.start()
        await gate.entered.wait()
        hangs = [
            await sec.create(dag_of(NodeFactory.action("h", "", hanging)))
            for _ in range(MAX_THREADS)
        ]
        for handle in hangs:
            await handle.start()
        await unwinding.abort()
        gate.open()
        assert isinstance(await unwinding.wait(), Unwound)
        assert "undo b" in world.calls
        opened.set()
        for handle in hangs:
            await handle.wait()


async def test_sagas_take_turns_with_the_slots(world: World) -> None:
    """One with hundreds of nodes that could run does not hold up one with a few."""
    gate = world.hold("do first")
    wide = dag_of([f"w{number}" for number in range(300)], "z")
    async with Sec(MemoryStore(), registry_of(world), max_actions=1) as sec:
        first = spawn(sec.run(dag_of("first")))
        await gate.entered.wait()
        crowd = spawn(sec.run(wide))
        await turns()
        small = spawn(sec.run(dag_of("a", "b", "c")))
        await turns()
        view = await sec.get((await sec.list(state="queued")).items[-1].id)
        assert "a slot: as many attempts run as may (max_actions=1)" in view.nodes[0].waits_for
        gate.open()
        assert await small == "c"
        assert sum(call.startswith("do w") for call in world.calls) < 10
        assert (await first, await crowd) == ("first", "z")
