"""What a decision would do: told from what is stored, and then done just so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sagacity import (
    ActionFailed,
    Client,
    Context,
    NoSuchNode,
    Plan,
    Sec,
    Secret,
    UndoFailed,
    action,
    saga,
)
from sagacity.core.dag import Siblings
from sagacity.core.outcome import Stuck, Unwound
from sagacity.testing import ManualClock
from tests.engine.conftest import Stores
from tests.engine.world import World, dag_of, node, registry_of


def calls_of(plan: Plan) -> list[str]:
    return [f"{'undo' if call.undo else 'do'} {call.node}" for call in plan.calls]


async def test_a_plan_of_an_abort_is_what_the_abort_then_does(stores: Stores, world: World) -> None:
    """What runs is waited for; what did not begin does not; a coordinator reads the store."""
    gate = world.hold("do b")
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(dag_of("a", "b", "c"))
        await handle.start()
        await gate.entered.wait()
        plan = await handle.plan("abort")
        assert (plan.answer, plan.state) == ("allowed", "unwound")
        assert [(call.step, call.undo, call.node) for call in plan.calls] == [
            (0, False, "b"), (1, True, "b"), (2, True, "a")
        ]  # fmt: skip
        assert plan.calls[2].output == "a"
        assert (await handle.view()).direction == "forward"
        before = list(world.calls)
        await handle.abort()
        gate.open()
        assert isinstance(await handle.wait(), Unwound)
    assert world.calls[len(before) :] == calls_of(plan)[1:]


async def test_a_plan_of_a_retry_tells_what_follows(stores: Stores, world: World) -> None:
    """A stuck saga; also from a process that drives nothing, when nobody does."""
    world.fail("do c", ActionFailed("no"))
    world.fail("undo b", UndoFailed("never"))
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(dag_of("a", "b", "c"))
        await handle.start()
        assert isinstance(await handle.wait(), Stuck)
    async with Client(stores()) as client:
        handle = client.handle(handle.id)
        retry, skip = await handle.plan("retry"), await handle.plan("skip", "b")
        abandon, abort = await handle.plan("abandon"), await handle.plan("abort")
        with pytest.raises(NoSuchNode):
            await handle.plan("skip", "nowhere")
        with pytest.raises(ValueError, match="nothing that can be decided: pause, unpause"):
            await handle.plan("explode")
    assert [(call.node, call.attempt) for call in retry.calls] == [("b", 2), ("a", 1)]
    assert calls_of(skip) == ["undo a"]
    assert (abandon.calls, abandon.state) == ((), "abandoned")
    assert [(each.node, each.status, each.stuck, each.output) for each in abandon.left] == [
        ("a", "succeeded", "", "a"), ("b", "undo_failed", "undo_failed", "b")
    ]  # fmt: skip
    assert (abort.answer, abort.why, abort.calls) == ("no-op", "it unwinds already", ())


async def test_a_plan_says_what_data_is_known_and_what_is_awaited(stores: Stores) -> None:
    """Outputs of what has not run are not made up."""

    @action(no_undo="harmless")
    async def first(ctx: Context, n: int) -> int:
        return n

    @action(no_undo="harmless")
    async def second(ctx: Context, n: int, before: int) -> int:
        return before

    @saga
    def two(n: int) -> int:
        return second.node(n, first.node(n))

    async with Sec(stores(), [two]) as sec:
        handle = await sec.create(two, 7)
        refused = await handle.plan("abort")
        async with Client(stores()) as client:
            await client.create(two, 7, id=handle.id, start=False)
        assert (refused.answer, refused.state) == ("refused", "ready")
        assert "it was not started" in refused.why
    async with Client(stores()) as client:
        handle = await client.create(two, 7, start=True)
        await handle.pause()
        plan = await handle.plan("unpause")
    assert [(call.inputs, call.awaited) for call in plan.calls] == [
        ({"n": 7}, ()), ({"n": 7}, ("before",))
    ]  # fmt: skip
    assert plan.state == "succeeded"


async def test_a_plan_of_an_output_to_set_checks_it(stores: Stores) -> None:
    """As the decision would: the coordinator knows its type."""

    @action(read_only=True, atomic=True)
    async def number(ctx: Context) -> int:
        return "seven"  # type: ignore[return-value]

    @saga
    def one() -> int:
        return number.node()

    async with Sec(stores(), [one], clock=ManualClock()) as sec:
        handle = await sec.create(one)
        await handle.start()
        outcome = await handle.wait()
        assert isinstance(outcome, Stuck | Unwound)
        plan = await handle.plan("set-output", "number", output="seven")
        assert plan.answer == "refused"


async def test_a_plan_cuts_short_what_an_abort_would_cancel(stores: Stores, world: World) -> None:
    """Then its outcome is unknown, and its undo runs without an output."""
    gate = world.hold("do b")
    dag: Any = dag_of("a", node("b", "typed"), siblings=Siblings.CANCEL)
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(dag)
        await handle.start()
        await asyncio.wait_for(gate.entered.wait(), 5)
        plan = await handle.plan("abort")
        await handle.abort()
        await handle.wait()
    assert calls_of(plan) == ["do b", "undo b", "undo a"]
    assert [call.output for call in plan.calls] == [None, None, "a"]


async def test_a_plan_shows_no_secret(stores: Stores) -> None:
    """Neither of inputs nor of outputs."""

    @action(no_undo="harmless")
    async def login(ctx: Context, password: Secret[str]) -> Secret[str]:
        return password

    @saga
    def enter(password: Secret[str]) -> Secret[str]:
        return login.node(password)

    async with Client(stores()) as client:
        handle = await client.create(enter, Secret("hunter2"), start=True)
        await handle.pause()
        plan = await handle.plan("unpause")
    assert [call.inputs for call in plan.calls] == [{"password": "***"}]
