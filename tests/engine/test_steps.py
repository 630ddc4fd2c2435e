"""One node at a time, and pauses that come by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sagacity import ActionFailed, Client, Handle, NoSuchNode, SagaStateError, Sec, Unwound
from sagacity.core.breakpoints import MAX_BREAKPOINTS, Breakpoint
from sagacity.core.builder import NodeFactory
from sagacity.core.decisions import Verb, judge_decision
from sagacity.core.events import EventKind
from sagacity.core.policies import Retry
from sagacity.core.state import SagaState
from sagacity.core.values import encode
from sagacity.core.views import SagaView
from sagacity.testing.clock import ManualClock
from tests.engine.conftest import Stores
from tests.engine.world import Facts, PlainAction, World, dag_of, registry_of, turns

LINE = dag_of("a", "b", "c")


async def held(sec: Sec, dag: Any = LINE) -> Handle[Any]:
    """Return a saga that was paused before it began."""
    handle = await sec.create(dag)
    await handle.pause("look at it first")
    await handle.start()
    return handle


async def until(handle: Handle[Any], holds: Callable[[SagaView], bool]) -> SagaView:
    """Look at a saga until something is to be seen there that its own task brings about."""
    while not holds(view := await handle.view()):  # noqa: ASYNC110 - a handful of turns
        await asyncio.sleep(0)
    return view


def is_paused(view: SagaView) -> bool:
    return view.state == "paused"


async def until_paused(handle: Handle[Any], facts: Facts, kind: EventKind, path: str) -> None:
    await facts.until_recorded(kind, path)
    await until(handle, is_paused)


async def test_a_saga_can_be_paused_before_it_begins(stores: Stores, world: World) -> None:
    """Started, it waits; unpaused, it runs."""
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await held(sec)
        assert (await handle.view()).state == "paused"
        assert world.calls == []
        await handle.unpause()
        await handle.result()


async def test_a_saga_is_stepped_through(stores: Stores, world: World) -> None:
    """Each step lets one node pass, forward and unwinding, and then it stands still again."""
    world.fail("do c", ActionFailed("no"))
    facts = Facts()
    async with Sec(stores(), registry_of(world), observers=[facts]) as sec:
        handle = await held(sec)
        for call, kind in (
            ("do a", EventKind.SUCCEEDED),
            ("do b", EventKind.SUCCEEDED),
            ("do c", EventKind.FAILED),
            ("undo b", EventKind.UNDO_FINISHED),
        ):
            assert await handle.step() is True
            await until_paused(handle, facts, kind, call[-1])
            assert world.calls[-1] == call
        await handle.step()
        assert isinstance(await handle.wait(), Unwound)
    assert world.calls == ["do a", "do b", "do c", "undo b", "undo a"]


async def test_a_step_can_choose_its_node(stores: Stores, world: World) -> None:
    """Of those that wait; any other is refused."""
    facts = Facts()
    async with Sec(stores(), registry_of(world), observers=[facts]) as sec:
        handle = await held(sec, dag_of(["a", "b"], "c"))
        await handle.step("b")
        await until_paused(handle, facts, EventKind.SUCCEEDED, "b")
        assert world.calls == ["do b"]
        with pytest.raises(SagaStateError, match='node "c" does not wait to begin'):
            await handle.step("c")
        await handle.unpause()
        await handle.result()


async def test_a_step_that_must_wait_for_a_slot_is_taken(stores: Stores, world: World) -> None:
    """It is not forgotten, though nothing else of the saga goes on meanwhile."""
    gate = world.hold("do x")
    async with Sec(stores(), registry_of(world), max_actions=1) as sec:
        other = await sec.create(dag_of("x", name="other"))
        await other.start()
        await gate.entered.wait()
        handle = await held(sec)
        await handle.step()
        await turns()
        gate.open()
        view = await until(handle, lambda view: view.node("a").status == "succeeded")
        assert view.state == "paused"
    assert world.calls == ["do x", "do a"]


async def test_a_step_of_a_retry_that_is_not_due_is_taken_when_it_is(
    stores: Stores, world: World
) -> None:
    """A step lets a node pass; when it is tried again is not for the step to say."""
    clock, once = ManualClock(), Retry(attempts=2, backoff=60.0, jitter=0.0)
    world.fail("do a", ActionFailed("not yet"))
    typed = PlainAction("retried", world.do, world.undo, retry=once)
    dag = dag_of(NodeFactory.action("a", "", typed), "b")
    facts = Facts()
    async with Sec(
        stores(), registry_of(world, typed), clock=clock, observers=[facts]
    ) as sec:  # fmt: skip
        handle = await sec.create(dag)
        await handle.start()
        await facts.until_recorded(EventKind.ATTEMPT_FAILED, "a")
        await handle.pause()
        world.give("do a", "a")
        await handle.step("a")
        await turns()
        clock.move(61.0)
        view = await until(handle, lambda view: view.node("a").status == "succeeded")
        assert view.state == "paused"
    assert world.calls == ["do a", "do a"]


async def test_a_step_pauses_a_saga_that_runs(stores: Stores, world: World) -> None:
    """What is in flight ends; while it is, there is nothing to step to."""
    gate, facts = world.hold("do a"), Facts()
    async with Sec(stores(), registry_of(world), observers=[facts]) as sec:
        handle = await sec.create(dag_of(["a", "b"], "c"))
        world.hold("do b").open()
        await handle.start()
        await gate.entered.wait()
        await facts.until_recorded(EventKind.SUCCEEDED, "b")
        with pytest.raises(SagaStateError, match="attempts are running"):
            await handle.step()
        gate.open()
        await handle.result()


@pytest.mark.parametrize(
    ("path", "at", "calls"),
    [
        ("b", "before", ["do a"]),
        ("b", "after", ["do a", "do b"]),
        ("c", "failure", ["do a", "do b", "do c"]),
        ("", "failure", ["do a", "do b", "do c"]),
        ("b", "before-undo", ["do a", "do b", "do c"]),
        ("b", "after-undo", ["do a", "do b", "do c", "undo b"]),
    ],
)
async def test_a_breakpoint_pauses_a_saga_once(
    stores: Stores, world: World, path: str, at: str, calls: list[str]
) -> None:
    """It says where it stands, and goes on from there to its end."""
    world.fail("do c", ActionFailed("no"))
    facts = Facts()
    async with Sec(stores(), registry_of(world), observers=[facts]) as sec:
        handle = await sec.create(LINE)
        assert await handle.set_breakpoint(path, at) is True
        assert await handle.set_breakpoint(path, at) is False
        await handle.start()
        await facts.until(lambda: bool(facts.recorded_))
        view = await until(handle, is_paused)
        assert world.calls == calls
        assert view.stopped_at is not None
        assert (view.stopped_at.node or "", view.stopped_at.at) == (path, at)
        assert view.breakpoints == ()
        await handle.unpause()
        assert isinstance(await handle.wait(), Unwound)


async def test_a_breakpoint_survives_its_coordinator(stores: Stores, world: World) -> None:
    """Set from a process that drives nothing; the next coordinator stops there."""
    store = stores()
    async with Sec(store, registry_of(world)) as sec:
        handle = await sec.create(LINE)
    async with Client(stores()) as client:
        await client.handle(handle.id).set_breakpoint("b")
        assert [each.node for each in (await client.get(handle.id)).breakpoints] == ["b"]
    async with Sec(stores(), registry_of(world)) as sec:
        await sec.handle(handle.id).start()
        await until(sec.handle(handle.id), is_paused)
        assert world.calls == ["do a"]


async def test_breakpoints_are_taken_back(stores: Stores, world: World) -> None:
    """At a place, of a node, or all."""
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(LINE)
        for path, at in (("a", "after"), ("b", "before"), ("b", "after"), ("c", "after")):
            await handle.set_breakpoint(path, at)
        assert await handle.clear_breakpoint("a", "after") is True
        assert await handle.clear_breakpoint("a") is False
        assert await handle.clear_breakpoint("b") is True
        assert [each.node for each in (await handle.view()).breakpoints] == ["c"]
        assert await handle.clear_breakpoint() is True
        await handle.start()
        await handle.result()


async def test_a_breakpoint_that_cannot_be_is_refused(stores: Stores, world: World) -> None:
    """With what is wrong."""
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(LINE)
        with pytest.raises(ValueError, match="sideways"):
            await handle.set_breakpoint("a", "sideways")
        with pytest.raises(NoSuchNode):
            await handle.set_breakpoint("z")
        with pytest.raises(SagaStateError, match='a breakpoint "before" needs a node'):
            await handle.set_breakpoint()
        with pytest.raises(SagaStateError, match="not started"):
            await handle.step()
        await handle.pause()
        await handle.start()
        await handle.step()
        await until(handle, lambda view: view.node("a").status == "succeeded")
        with pytest.raises(SagaStateError, match='node "a" is beyond that'):
            await handle.set_breakpoint("a", "after")


def test_breakpoints_are_bounded() -> None:
    """Each event is held against all of them."""
    state = SagaState(LINE)
    state.breakpoints = frozenset(
        Breakpoint("failure", node)  # type: ignore[arg-type]
        for node in range(MAX_BREAKPOINTS)
    )
    verdict = judge_decision(state, Verb.SET_BREAKPOINT, 0, encode("after"))
    assert verdict.why == "a saga has at most 1,000 breakpoints"
