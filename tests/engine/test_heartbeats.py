"""Attempts that say that they are alive, and how far they are; and those that fall silent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sagacity import ActionFailed, Context, Retry, Sec, ValueNotStorable, action, saga
from sagacity.core.events import MAX_DETAIL_BYTES, EventKind
from sagacity.core.outcome import Stuck, Succeeded, Unwound
from sagacity.core.views import SagaView
from sagacity.testing import ManualClock, context
from tests.engine.conftest import Stores
from tests.engine.world import Facts, PlainAction, World, dag_of, node, registry_of, turns

LINE = dag_of("a", node("b", "tried"), "c")
POLICY = Retry(attempts=9, backoff=0, jitter=0)


@asynccontextmanager
async def lab(
    stores: Stores, world: World, clock: ManualClock, facts: Facts, **contract: Any
) -> AsyncGenerator[Sec]:
    """Open a coordinator that has an action called "tried", with this contract."""
    tried = PlainAction("tried", contract.pop("do", world.do), world.undo, **contract)
    async with Sec(stores(), registry_of(world, tried), observers=[facts], clock=clock) as sec:
        yield sec


def told(view: SagaView, path: str = "b") -> list[Any]:
    return [
        each.data for each in view.events if each.kind is EventKind.HEARTBEAT and each.node == path
    ]


async def test_the_next_attempt_is_handed_the_last_detail(
    stores: Stores, world: World, facts: Facts
) -> None:
    """Of several, the last; the first attempt is handed nothing."""
    handed: list[Any] = []

    async def body(ctx: Any) -> None:
        for done in range(3):
            ctx.heartbeat({"done": ctx.attempt * 10 + done})
        handed.append(ctx.last_heartbeat)
        if ctx.attempt < 3:
            raise ActionFailed("again")

    world.on("do b", body)
    async with lab(stores, world, ManualClock(), facts, retry=POLICY) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        assert await handle.wait() == Succeeded("c")
        view = await handle.view()
    assert handed == [None, {"done": 12}, {"done": 22}]
    assert told(view)[:2] == [{"done": 12}, {"done": 22}]


async def test_a_heartbeat_is_in_the_log_while_the_attempt_goes_on(
    stores: Stores, world: World, facts: Facts
) -> None:
    """The first at once, then the last of every ten seconds; one without a detail too."""
    clock, say = ManualClock(), asyncio.Queue[Any]()

    async def body(ctx: Any) -> None:
        while (what := await say.get()) != "end":
            ctx.heartbeat(what)

    async def beats(count: int) -> None:
        await facts.until(
            lambda: sum(kind is EventKind.HEARTBEAT for _, kind, _ in facts.recorded_) >= count
        )

    world.on("do b", body)
    async with lab(stores, world, clock, facts) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        say.put_nowait(1)
        await beats(1)
        for what in (2, 3, 4):
            say.put_nowait(what)
        await clock.until_awaited()
        clock.move(9)
        await turns()
        view = await handle.view()
        assert (told(view), view.node("b").heartbeat) == ([1], 1)
        assert view.node("b").heartbeat_ms == clock.now_ms() - 9_000
        clock.move(1)
        await beats(2)
        clock.move(60)
        say.put_nowait(None)
        await beats(3)
        view = await handle.view()
        assert (told(view), view.node("b").heartbeat) == ([1, 4, None], 4)
        assert view.node("b").heartbeat_ms == clock.now_ms()
        say.put_nowait(5)
        await clock.until_awaited()
        say.put_nowait("end")
        assert await handle.wait() == Succeeded("c")
        assert clock.next_ms is None
        assert told(await handle.view()) == [1, 4, None]


async def test_the_next_owner_hands_on_what_is_in_the_log(
    stores: Stores, world: World, facts: Facts
) -> None:
    """A crash loses what was told within the last ten seconds, and no more."""
    clock, entered = ManualClock(), asyncio.Event()

    async def body(ctx: Any) -> None:
        ctx.heartbeat("early")
        await facts.until_recorded(EventKind.HEARTBEAT, "b")
        ctx.heartbeat("late")
        entered.set()
        await asyncio.Event().wait()

    world.on("do b", body)
    async with lab(stores, world, clock, facts) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        await entered.wait()
        await turns()
        await sec.drain(0)
    handed: list[Any] = []

    async def again(ctx: Any) -> None:
        handed.append((ctx.attempt, ctx.last_heartbeat))

    world.on("do b", again)
    async with lab(stores, world, clock, Facts()) as sec:
        assert await sec.handle(handle.id).wait() == Succeeded("c")
    assert handed == [(2, "early")]


@pytest.mark.parametrize("others", [False, True], ids=["alone", "beside others"])
async def test_a_lost_heartbeat_ends_the_attempt_as_unknown(
    stores: Stores, world: World, facts: Facts, others: bool
) -> None:
    """Counted from its begin, and then from the last one; retried, and undone in the end."""
    clock = ManualClock()
    entered = asyncio.Queue[Any]()

    async def body(ctx: Any) -> None:
        entered.put_nowait(ctx)
        await asyncio.Event().wait()

    world.on("do b", body)
    hold = world.hold("do x")
    dag = dag_of("a", [node("b", "tried"), "x"] if others else [node("b", "tried")], "c")
    policy = Retry(attempts=2, backoff=0)
    async with lab(stores, world, clock, facts, retry=policy, heartbeat=5) as sec:
        handle = await sec.create(dag)
        await handle.start()
        first = await entered.get()
        for _ in range(4):
            clock.move(4)
            first.heartbeat("alive")
            await turns()
        assert (await handle.view()).node("b").running
        clock.move(5)
        assert (await entered.get()).last_heartbeat == "alive"
        clock.move(5)
        hold.open()
        outcome = await handle.wait()
        view = await handle.view()
    assert isinstance(outcome, Unwound)
    assert [(each.kind, each.effect) for each in outcome.errors] == [("heartbeat_lost", "possible")]
    assert outcome.errors[0].message == "no heartbeat for 5 s"
    failed = next(each for each in view.events if each.kind is EventKind.ATTEMPT_FAILED)
    assert (failed.data["kind"], failed.data["effect"]) == ("heartbeat_lost", "possible")
    assert "undo b" in world.calls


async def test_a_time_out_ends_what_is_not_silent(
    stores: Stores, world: World, facts: Facts
) -> None:
    """Both can be said; the one that comes first is told."""
    clock, gate = ManualClock(), world.hold("do b")
    async with lab(stores, world, clock, facts, heartbeat=5, timeout=8) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        await gate.entered.wait()
        await turns()
        clock.move(4)
        world.contexts["do b"].heartbeat()
        await turns()
        clock.move(4)
        outcome = await handle.wait()
        assert clock.next_ms is None
    assert isinstance(outcome, Unwound)
    assert outcome.errors[0].kind == "timed_out"


async def test_a_silent_undo_is_retried(stores: Stores, world: World, facts: Facts) -> None:
    """And handed first the last detail of its do, then its own."""
    clock, handed, silent = ManualClock(), list[Any](), asyncio.Event()

    async def do(ctx: Any) -> None:
        ctx.heartbeat("half")
        raise RuntimeError("broken in the middle")

    async def undo(ctx: Any) -> None:
        handed.append(ctx.last_heartbeat)
        if ctx.attempt == 1:
            ctx.heartbeat("a quarter back")
            silent.set()
            await asyncio.Event().wait()

    world.on("do b", do)
    world.on("undo b", undo)
    async with lab(stores, world, clock, facts, undo_retry=POLICY, undo_heartbeat=5) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        await silent.wait()
        clock.move(5)
        assert isinstance(await handle.wait(), Unwound)
        view = await handle.view()
    assert handed == ["half", "a quarter back"]
    (failed,) = (each for each in view.events if each.kind is EventKind.UNDO_ATTEMPT_FAILED)
    assert failed.data["kind"] == "heartbeat_lost"


async def test_a_plain_function_tells_from_its_thread(
    stores: Stores, world: World, facts: Facts
) -> None:
    """Silent, it lingers, and the next attempt waits for its end."""
    clock, go, handed = ManualClock(), threading.Event(), list[Any]()
    silent, loop = asyncio.Event(), asyncio.get_running_loop()

    def do(ctx: Any) -> None:
        handed.append(ctx.last_heartbeat)
        for count in range(1_000):
            ctx.heartbeat(count)
        if ctx.attempt == 1:
            loop.call_soon_threadsafe(silent.set)
            assert go.wait(20)

    contract: dict[str, Any] = {"do": do, "do_blocks": True, "retry": POLICY, "heartbeat": 5}
    async with lab(stores, world, clock, facts, **contract) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        await silent.wait()
        clock.move(5)
        await facts.until_recorded(EventKind.ATTEMPT_FAILED, "b")
        await turns()
        assert len(handed) == 1
        go.set()
        assert await handle.wait() == Succeeded("c")
        view = await handle.view()
    assert handed == [None, 999]
    assert len(told(view)) <= 4


async def test_what_has_ended_is_not_heard(stores: Stores, world: World, facts: Facts) -> None:
    """Neither after a failure, while another attempt runs, nor after the saga has ended."""
    old: list[Any] = []
    second = asyncio.Event()
    go = asyncio.Event()

    async def body(ctx: Any) -> None:
        old.append(ctx)
        ctx.heartbeat("first" if ctx.attempt == 1 else "second")
        if ctx.attempt == 1:
            raise ActionFailed("again")
        second.set()
        await go.wait()

    world.on("do b", body)
    async with lab(stores, world, ManualClock(), facts, retry=POLICY) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        await second.wait()
        old[0].heartbeat("from the grave")
        await turns()
        go.set()
        assert await handle.wait() == Succeeded("c")
        old[1].heartbeat("late")
        await turns()
        view = await handle.view()
    assert set(told(view)) <= {"first", "second"}
    old[1].heartbeat("after the coordinator")


async def test_people_are_answered_while_heartbeats_are_written(
    stores: Stores, world: World, facts: Facts
) -> None:
    """Both go aside while the attempt runs, in appends one after the other."""
    clock, gate = ManualClock(), world.hold("do b")
    async with lab(stores, world, clock, facts) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        await gate.entered.wait()
        for count in range(5):
            world.contexts["do b"].heartbeat(count)
            await asyncio.gather(handle.pause(), turns())
            clock.move(10)
            world.contexts["do b"].heartbeat(count)
            await asyncio.gather(handle.unpause(), turns())
            clock.move(10)
        gate.open()
        assert await handle.wait() == Succeeded("c")
        assert told(await handle.view()) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


async def test_a_detail_has_a_limit(stores: Stores, world: World, facts: Facts) -> None:
    """The largest is taken; one byte more, or what is no JSON, is refused at once."""
    fits = "x" * (MAX_DETAIL_BYTES - 2)

    async def body(ctx: Any) -> None:
        with pytest.raises(ValueNotStorable, match="16,385 bytes is over the limit of 16,384"):
            ctx.heartbeat(fits + "x")
        with pytest.raises(ValueNotStorable):
            ctx.heartbeat(object())
        ctx.heartbeat(fits)
        await facts.until_recorded(EventKind.HEARTBEAT, "b")

    world.on("do b", body)
    async with lab(stores, world, ManualClock(), facts) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        assert await handle.wait() == Succeeded("c")
        assert told(await handle.view()) == [fits]


async def test_an_atomic_action_that_falls_silent_is_stuck(
    stores: Stores, world: World, facts: Facts
) -> None:
    """It promised a definite end, and has none."""
    clock, gate = ManualClock(), world.hold("do s")

    @action(atomic=True, heartbeat=5, name="s")
    async def silent(ctx: Context) -> None:
        await gate(ctx)

    @silent.undo
    async def back(ctx: Context, output: None) -> None: ...

    @saga
    def one() -> None:
        silent.node()

    async with Sec(stores(), [one], clock=clock) as sec:
        handle = await sec.create(one)
        await handle.start()
        await gate.entered.wait()
        await turns()
        clock.move(5)
        outcome = await handle.wait()
    assert isinstance(outcome, Stuck)
    assert outcome.reason == "outcome_unknown"


@pytest.mark.parametrize("name", ["heartbeat", "undo_heartbeat"])
@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_seconds_are_above_zero(name: str, seconds: float) -> None:
    """What makes no sense is refused where it is said."""
    options: Any = {name: seconds}
    with pytest.raises(ValueError, match=name):
        action(**options)


def test_a_unit_test_hears_what_an_action_tells() -> None:
    """And hands it what another attempt may have told."""
    ctx = context(last_heartbeat={"done": 3})
    assert ctx.last_heartbeat == {"done": 3}
    ctx.heartbeat()
    ctx.heartbeat(4)
    assert ctx.heartbeats == [None, 4]
    assert context().last_heartbeat is None
