"""Attempts that fail and are tried again: when, how often, and what is known of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sagacity import ActionFailed, Context, Retry, SagaUnwound, Sec, UndoFailed, action, saga
from sagacity.core.builder import NodeFactory
from sagacity.core.events import EventKind
from sagacity.core.nodes import Undoing
from sagacity.core.outcome import Stuck, Succeeded, Unwound
from sagacity.core.views import SagaView
from sagacity.testing import ManualClock
from tests.engine.conftest import Stores
from tests.engine.world import Facts, PlainAction, World, dag_of, node, registry_of, turns

THRICE = Retry(attempts=3, backoff=10, factor=2, jitter=0, max_delay=15)


class Lab:
    """A coordinator whose clock the test moves, and what it has written."""

    def __init__(self, sec: Sec, clock: ManualClock, facts: Facts) -> None:
        self.sec = sec
        self.clock = clock
        self.facts = facts

    async def failures(self, kind: EventKind, count: int = 1) -> None:
        await self.facts.until(
            lambda: sum(each[1] is kind for each in self.facts.recorded_) >= count
        )


@asynccontextmanager
async def lab(
    stores: Stores, world: World, clock: ManualClock | None = None, **contract: Any
) -> AsyncGenerator[Lab]:
    """Open a coordinator that has an action called "tried", with this contract."""
    clock, facts = clock or ManualClock(), Facts()
    tried = PlainAction("tried", contract.pop("do", world.do), world.undo, **contract)
    async with Sec(stores(), registry_of(world, tried), observers=[facts], clock=clock) as sec:
        yield Lab(sec, clock, facts)


LINE = dag_of("a", node("b", "tried"), "c")


def kinds(view: SagaView, path: str) -> list[str]:
    return [event.kind.value for event in view.events if event.node == path]


def failing(times: int, error: BaseException) -> Callable[[Any], Awaitable[Any]]:
    async def body(ctx: Any) -> Any:
        if ctx.attempt <= times:
            raise error.with_traceback(None)

    return body


async def test_an_action_is_retried_until_it_succeeds(stores: Stores, world: World) -> None:
    """After the delays of its policy, each attempt in the log with its error."""
    world.on("do b", failing(2, ActionFailed("busy", {"n": 1})))
    async with lab(stores, world, retry=THRICE) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        begin = at.clock.now_ms()
        due: list[int] = []
        for count in (1, 2):
            await at.failures(EventKind.ATTEMPT_FAILED, count)
            await at.clock.until_awaited()
            view = await handle.view()
            due.append((view.node("b").retry_at_ms or 0) - begin)
            assert view.state == "running"
            error = view.node("b").error
            assert error is not None
            assert (error.message, error.data) == ("busy", {"n": 1})
            at.clock.move(15)
        assert await handle.wait() == Succeeded("c")
        view = await handle.view()
    assert due == [10_000, 30_000]
    assert kinds(view, "b") == ["started", "attempt_failed"] * 2 + ["started", "succeeded"]
    assert (view.node("b").attempt, view.node("b").error, view.node("b").retry_at_ms) == (
        3, None, None
    )  # fmt: skip


async def test_a_spent_policy_fails_the_node(stores: Stores, world: World) -> None:
    """For good, with the error of the last attempt."""
    world.fail("do b", ActionFailed("no"))
    async with lab(stores, world, retry=Retry(attempts=2, backoff=0)) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        assert isinstance(await handle.wait(), Unwound)
        view = await handle.view()
    assert kinds(view, "b") == ["started", "attempt_failed", "started", "failed"]
    assert world.calls == ["do a", "do b", "do b", "undo a"]


@pytest.mark.parametrize(
    ("policy", "error"),
    [
        (THRICE, ActionFailed("no", final=True)),
        (Retry(on=OSError), ActionFailed("of another kind")),
        (Retry(on=(OSError, KeyError)), ActionFailed("of another kind")),
        (Retry(on=lambda error: "maybe" in str(error)), ActionFailed("no")),
        (Retry(on=lambda _: 1 / 0 > 1), ActionFailed("the policy is broken")),
        (Retry(gone=lambda _ctx: True), ActionFailed("its target is gone")),
    ],
    ids=["final", "class", "classes", "function", "broken", "gone"],
)
async def test_what_is_not_to_be_retried_is_not(
    stores: Stores, world: World, policy: Retry, error: ActionFailed
) -> None:
    """The first attempt is the last."""
    world.fail("do b", error)
    async with lab(stores, world, retry=policy) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        assert isinstance(await handle.wait(), Unwound)
    assert world.calls == ["do a", "do b", "undo a"]


async def test_the_effect_is_the_worst_of_all_attempts(stores: Stores, world: World) -> None:
    """An unknown outcome first and a definite failure second: it is undone."""

    async def body(ctx: Any) -> None:
        raise ActionFailed("no") if ctx.attempt > 1 else OSError("line cut")

    world.on("do b", body)
    async with lab(stores, world, retry=Retry(attempts=2, backoff=0)) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        outcome = await handle.wait()
    assert isinstance(outcome, Unwound)
    assert outcome.errors[0].effect == "possible"
    assert world.calls == ["do a", "do b", "do b", "undo b", "undo a"]


async def test_a_deadline_ends_retrying(stores: Stores, world: World) -> None:
    """No attempt begins later than so long after the first."""
    world.fail("do b", ActionFailed("no"))
    policy = Retry(forever=True, backoff=10, factor=1, jitter=0, deadline=25)
    async with lab(stores, world, retry=policy) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        for count in (1, 2):
            await at.failures(EventKind.ATTEMPT_FAILED, count)
            await at.clock.until_awaited()
            at.clock.move(10)
        assert isinstance(await handle.wait(), Unwound)
    assert world.calls.count("do b") == 3


async def test_a_retry_that_is_due_survives_a_crash(stores: Stores, world: World) -> None:
    """With its time, and what it has spent of its budget."""
    world.fail("do b", ActionFailed("no"))
    clock = ManualClock()
    async with lab(stores, world, clock, retry=THRICE) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        await at.failures(EventKind.ATTEMPT_FAILED)
        await at.clock.until_awaited()
    assert world.calls == ["do a", "do b"]
    async with lab(stores, world, clock, retry=THRICE) as at:
        handle = at.sec.handle(handle.id)
        await at.clock.until_awaited()
        assert world.calls == ["do a", "do b"]
        clock.move(10)
        await at.failures(EventKind.ATTEMPT_FAILED)
        await at.clock.until_awaited()
        clock.move(15)
        assert isinstance(await handle.wait(), Unwound)
    assert world.calls.count("do b") == 3


async def test_an_interrupted_attempt_costs_nothing_of_the_budget(
    stores: Stores, world: World
) -> None:
    """What died with its coordinator is run again at once."""
    gate = world.hold("do b")
    once = Retry(attempts=1)
    async with lab(stores, world, retry=once) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        await gate.entered.wait()
        await at.sec.drain(0)
    world.give("do b", 1)
    async with lab(stores, world, retry=once) as at:
        assert await at.sec.handle(handle.id).wait() == Succeeded("c")
    assert world.calls.count("do b") == 2


async def test_an_undo_is_retried(stores: Stores, world: World) -> None:
    """By its own policy, from its own budget."""
    world.fail("do c", ActionFailed("no"))
    world.on("undo b", failing(2, RuntimeError("not now")))
    async with lab(stores, world, undo_retry=THRICE) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        for count in (1, 2):
            await at.failures(EventKind.UNDO_ATTEMPT_FAILED, count)
            await at.clock.until_awaited()
            view = await handle.view()
            assert view.state == "running"
            assert view.node("b").undo_error is not None
            at.clock.move(15)
        assert isinstance(await handle.wait(), Unwound)
        view = await handle.view()
    assert kinds(view, "b")[2:] == ["undo_started", "undo_attempt_failed"] * 2 + [
        "undo_started", "undo_finished"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "error", "calls"),
    [
        (Retry(attempts=2, backoff=0), RuntimeError("no"), 2),
        (Retry(forever=True), UndoFailed("never"), 1),
    ],
    ids=["spent", "permanent"],
)
async def test_an_undo_that_will_not_succeed_is_stuck(
    stores: Stores, world: World, policy: Retry, error: Exception, calls: int
) -> None:
    """A person must decide."""
    world.fail("do c", ActionFailed("no"))
    world.fail("undo b", error)
    async with lab(stores, world, undo_retry=policy) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        outcome = await handle.wait()
    assert isinstance(outcome, Stuck)
    assert outcome.reason == "undo_failed"
    assert world.calls.count("undo b") == calls


async def test_an_undo_whose_target_is_gone_is_finished(stores: Stores, world: World) -> None:
    """There is nothing left to take back."""
    world.fail("do c", ActionFailed("no"))
    world.fail("undo b", RuntimeError("404"))

    async def gone(ctx: Any) -> bool:
        assert ctx.node_name == "b"
        return True

    async with lab(stores, world, undo_retry=Retry(forever=True, gone=gone)) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        assert isinstance(await handle.wait(), Unwound)
        view = await handle.view()
    assert [each.data for each in view.events if each.kind is EventKind.UNDO_FINISHED] == [
        "gone", "undone"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "undone"), [(OSError("line cut"), ["undo b"]), (ActionFailed("no"), [])]
)
async def test_no_do_is_retried_once_the_saga_unwinds(
    stores: Stores, world: World, error: Exception, undone: list[str]
) -> None:
    """What waits for a retry is given up: failed, with the effect that it may have had."""
    world.fail("do b", error)
    opened = asyncio.Event()

    async def fail_later(_ctx: Any) -> None:
        await opened.wait()
        raise ActionFailed("x failed")

    world.on("do x", fail_later)
    async with lab(stores, world, retry=THRICE) as at:
        handle = await at.sec.create(dag_of("a", [node("b", "tried"), "x"], "end"))
        await handle.start()
        await at.failures(EventKind.ATTEMPT_FAILED)
        opened.set()
        outcome = await handle.wait()
        assert at.clock.next_ms is None
    assert isinstance(outcome, Unwound)
    assert [each.node for each in outcome.errors] == ["x", "b"]
    assert sorted(world.calls) == ["do a", "do b", "do x", "undo a", *undone]


async def test_an_attempt_that_takes_too_long_has_an_unknown_outcome(
    stores: Stores, world: World
) -> None:
    """It is cancelled, retried, and undone in the end."""
    world.hold("do b")
    async with lab(stores, world, retry=Retry(attempts=2, backoff=0), timeout=5) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        for _ in range(2):
            await at.clock.until_awaited()
            at.clock.move(5)
        outcome = await handle.wait()
    assert isinstance(outcome, Unwound)
    assert [(each.kind, each.effect) for each in outcome.errors] == [("timed_out", "possible")]
    assert outcome.errors[0].message == "it took longer than 5 s"
    assert not outcome.errors[0].traceback  # of ours, which tells nobody anything
    assert world.calls == ["do a", "do b", "do b", "undo b", "undo a"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_an_action_with_a_time_out_may_raise_anything(
    stores: Stores, world: World, error: BaseException
) -> None:
    """It runs in a task of its own, which must not end the event loop."""
    world.fail("do b", error)
    async with lab(stores, world, timeout=5) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        assert isinstance(await handle.wait(), Unwound)
        assert await at.sec.run(dag_of("y", name="other")) == "y"


async def test_a_call_that_is_in_time_takes_its_alarm_with_it(stores: Stores, world: World) -> None:
    """Nothing is left to ring."""
    async with lab(stores, world, timeout=5, undo_timeout=5) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        assert await handle.wait() == Succeeded("c")
        assert at.clock.next_ms is None


async def test_a_timed_out_undo_is_retried(stores: Stores, world: World) -> None:
    """Its budget is its own."""
    world.fail("do c", ActionFailed("no"))
    gate = world.hold("undo b")
    policy = Retry(attempts=2, backoff=0)
    async with lab(stores, world, undo_retry=policy, undo_timeout=5) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        await gate.entered.wait()
        await at.clock.until_awaited()
        world.on("undo b", failing(0, RuntimeError()))
        at.clock.move(5)
        assert isinstance(await handle.wait(), Unwound)
    assert world.calls.count("undo b") == 2


async def test_nothing_else_of_a_node_runs_while_its_thread_does(
    stores: Stores, world: World
) -> None:
    """A function that blocks cannot be stopped: its undo waits for its end, and so does its slot."""
    go = threading.Event()

    def blocked(_ctx: Any) -> None:
        assert go.wait(20)

    async with lab(stores, world, timeout=5, do=blocked, do_blocks=True, limit=1) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        await at.clock.until_awaited()
        at.clock.move(5)
        await at.failures(EventKind.FAILED)
        other = await at.sec.create(dag_of(node("z", "tried"), name="other"))
        await other.start()
        await turns()
        assert world.calls == ["do a"]
        assert (await other.view()).node("z").attempt == 0
        go.set()
        assert isinstance(await handle.wait(), Unwound)
        assert await other.wait() == Succeeded(None)
    assert world.calls == ["do a", "undo b", "undo a"]


async def test_a_coroutine_that_swallows_its_cancellation_harms_its_own_saga_only(
    stores: Stores, world: World
) -> None:
    """Its undo waits until it has ended; other sagas go on."""
    let = asyncio.Event()

    async def stubborn(_ctx: Any) -> None:
        while not let.is_set():
            try:
                await let.wait()
            except asyncio.CancelledError:
                continue

    world.on("do b", stubborn)
    async with lab(stores, world, timeout=5) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        await at.clock.until_awaited()
        at.clock.move(5)
        await at.failures(EventKind.FAILED)
        assert await at.sec.run(dag_of("y", name="other")) == "y"
        assert "undo b" not in world.calls
        let.set()
        assert isinstance(await handle.wait(), Unwound)
    assert "undo b" in world.calls


async def test_an_atomic_action_whose_time_outs_are_spent_is_stuck(
    stores: Stores, world: World
) -> None:
    """It promised a definite end, and has none."""
    gate = world.hold("do b")
    contract: dict[str, Any] = {"atomic": True, "undoing": Undoing.KNOWN, "timeout": 5}
    spec = NodeFactory.action("b", "", PlainAction("tried", world.do, world.undo, **contract))
    async with lab(stores, world, **contract) as at:
        handle = await at.sec.create(dag_of("a", spec))
        await handle.start()
        await gate.entered.wait()
        at.clock.move(5)
        outcome = await handle.wait()
    assert isinstance(outcome, Stuck)
    assert outcome.reason == "outcome_unknown"
    assert world.calls == ["do a", "do b"]


async def test_a_policy_of_the_node_stands_before_that_of_the_action(stores: Stores) -> None:
    """And is stored with the saga."""
    calls: list[int] = []

    @action(read_only=True, retry=Retry(attempts=9, backoff=0), timeout=99)
    async def flaky(ctx: Context) -> int:
        calls.append(ctx.attempt)
        raise ActionFailed("no")

    @saga
    def one() -> int:
        return flaky.options(retry=Retry(attempts=2, backoff=0), timeout=5).node()

    async with Sec(stores(), [one], clock=ManualClock()) as sec:
        with pytest.raises(SagaUnwound):
            await sec.run(one)
        (summary,) = (await sec.list()).items
        stored = (await sec.get(summary.id)).dag.nodes[0]
    assert calls == [1, 2]
    assert (stored.retry, stored.timeout) == (Retry(attempts=2, backoff=0), 5)


async def test_no_attempt_begins_after_the_deadline_however_long_gone_took(
    stores: Stores, world: World
) -> None:
    """It is looked at once more when the answer is there."""
    clock = ManualClock()

    async def gone(_ctx: Any) -> bool:
        clock.move(2)
        return False

    world.fail("do b", ActionFailed("no"))
    policy = Retry(forever=True, backoff=0.1, deadline=1, gone=gone)
    async with lab(stores, world, clock, retry=policy) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        assert isinstance(await handle.wait(), Unwound)
    assert world.calls.count("do b") == 1


async def test_the_time_that_gone_takes_is_no_waiting(stores: Stores, world: World) -> None:
    """The wait for the next undo begins when the answer is there."""
    clock = ManualClock()

    async def gone(_ctx: Any) -> bool:
        clock.move(2)
        return False

    world.fail("do c", ActionFailed("no"))
    world.on("undo b", failing(1, ActionFailed("no")))
    policy = Retry(attempts=2, backoff=5, jitter=0, gone=gone)
    async with lab(stores, world, clock, undo_retry=policy) as at:
        handle = await at.sec.create(LINE)
        begin = clock.now_ms()
        await handle.start()
        await at.failures(EventKind.UNDO_ATTEMPT_FAILED)
        view = await handle.view()
        await clock.until_awaited()
        clock.move(5)
        assert isinstance(await handle.wait(), Unwound)
    assert view.node("b").retry_at_ms == begin + 7_000


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(3), RuntimeError("no")])
async def test_a_policy_whose_functions_raise_anything_harms_nothing(
    stores: Stores, world: World, error: BaseException
) -> None:
    """The target is taken to be there, and what `on=` was asked about is not retried."""

    async def gone(_ctx: Any) -> bool:
        raise error

    def on(_error: BaseException) -> bool:
        raise error

    for policy in (Retry(attempts=2, backoff=0, gone=gone), Retry(attempts=2, backoff=0, on=on)):
        world.fail("do b", ActionFailed("no"))
        async with asyncio.timeout(20), lab(stores, world, retry=policy) as at:
            handle = await at.sec.create(dag_of("a", [node("b", "tried"), "x"], "c"))
            await handle.start()
            assert isinstance(await handle.wait(), Unwound)


async def test_a_saga_is_not_at_rest_while_something_of_it_runs(
    stores: Stores, world: World
) -> None:
    """Pausing it and letting it go on brings no undo beside the thread."""
    go = threading.Event()

    def blocked(_ctx: Any) -> None:
        assert go.wait(20)

    async with lab(stores, world, timeout=5, do=blocked, do_blocks=True) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        await at.clock.until_awaited()
        at.clock.move(5)
        await at.failures(EventKind.FAILED)
        await handle.pause()
        await handle.unpause()
        await turns()
        assert world.calls == ["do a"]
        go.set()
        assert isinstance(await handle.wait(), Unwound)


async def test_a_deadline_begins_anew_when_a_person_tries_again(
    stores: Stores, world: World
) -> None:
    """The fresh budget is as long as the first."""
    world.fail("do c", ActionFailed("no"))
    world.fail("undo b", RuntimeError("no"))
    policy = Retry(forever=True, backoff=10, factor=1, jitter=0, deadline=15)
    async with lab(stores, world, undo_retry=policy) as at:
        handle = await at.sec.create(LINE)
        await handle.start()
        for _ in range(2):
            await at.clock.until_awaited()
            at.clock.move(10)
            assert isinstance(await handle.wait(), Stuck)
            await handle.retry()
        view = await handle.view()
    assert kinds(view, "b").count("undo_failed") == 2
