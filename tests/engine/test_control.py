"""What people decide: on sagas that run, wait, are paused, are stuck, and have ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from sagacity import (
    ActionFailed,
    Client,
    Context,
    Handle,
    NoSuchNode,
    NoSuchSaga,
    SagaStateError,
    Sec,
    StoreError,
    UndoFailed,
    ValueNotStorable,
    action,
    saga,
)
from sagacity.core.builder import DagBuilder, NodeFactory
from sagacity.core.dag import OnStuck, Siblings
from sagacity.core.events import EventKind
from sagacity.core.nodes import Undoing
from sagacity.core.outcome import Abandoned, Stuck, Succeeded, Unwound
from sagacity.core.policies import Retry
from sagacity.core.views import SagaView
from sagacity.engine.inbox import start_command
from sagacity.engine.refusals import KIND, MAX_KEPT, Refusals, why_refused
from sagacity.testing import ManualClock
from sagacity.testing.checkers import judge
from sagacity.testing.faults import FaultyStore, Moment
from tests.engine.conftest import Stores
from tests.engine.world import Facts, PlainAction, World, dag_of, node, registry_of, spawn, turns

LINE = dag_of("a", "b", "c")
FOREVER = Retry(forever=True, backoff=60, jitter=0)


@asynccontextmanager
async def coordinator(stores: Stores, world: World, **options: Any) -> AsyncGenerator[Sec]:
    tried = PlainAction("tried", world.do, world.undo, retry=FOREVER, undo_retry=FOREVER)
    async with Sec(stores(), registry_of(world, tried), clock=ManualClock(), **options) as sec:
        yield sec


def decisions(view: SagaView) -> list[tuple[str, str, str]]:
    return [
        (event.data["verb"], event.data["by"], event.data["reason"])
        for event in view.events
        if event.kind is EventKind.DECIDED
    ]


async def in_the_middle(sec: Sec, world: World, dag: Any = LINE) -> tuple[Handle[Any], Any]:
    """Return a saga that is in the middle of `b`, and the gate that it waits at."""
    gate = world.hold("do b")
    handle = await sec.create(dag)
    await handle.start()
    await gate.entered.wait()
    return handle, gate


async def stuck(sec: Sec, world: World, dag: Any = LINE) -> Handle[Any]:
    """Return a saga that is stuck: `c` failed, and `b` cannot be undone."""
    world.fail("do c", ActionFailed("no"))
    world.fail("undo b", UndoFailed("never"))
    handle = await sec.create(dag)
    await handle.start()
    assert isinstance(await handle.wait(), Stuck)
    return handle


# -- pause and abort -----------------------------------------------------------------------


async def test_a_paused_saga_begins_nothing_and_goes_on_when_unpaused(
    stores: Stores, world: World
) -> None:
    """What is in flight finishes; the pause is in the log with who and why."""
    async with coordinator(stores, world) as sec:
        handle, gate = await in_the_middle(sec, world)
        assert await handle.pause("deploy", by="ann") is True
        assert (await handle.view()).state == "paused"
        gate.open()
        waiting = spawn(handle.wait())
        while (await handle.view()).node("b").status != "succeeded":
            await turns()
        assert world.calls == ["do a", "do b"]
        assert await handle.pause() is False
        assert await handle.unpause("done", by="ann") is True
        assert await waiting == Succeeded("c")
        view = await handle.view()
    assert decisions(view) == [("pause", "ann", "deploy"), ("unpause", "ann", "done")]
    assert judge(view.dag, [each.event for each in view.log]) == []


async def test_a_pause_survives_a_restart(stores: Stores, world: World) -> None:
    """The next coordinator leaves it alone until it is unpaused."""
    async with coordinator(stores, world) as sec:
        handle, gate = await in_the_middle(sec, world)
        await handle.pause()
        gate.open()
    async with coordinator(stores, world) as sec:
        await turns(100)
        assert (await sec.get(handle.id)).state == "paused"
        await sec.handle(handle.id).unpause()
        assert await sec.handle(handle.id).wait() == Succeeded("c")
    assert world.calls == ["do a", "do b", "do c"]


async def test_an_abort_takes_everything_back(stores: Stores, world: World) -> None:
    """What is in flight is waited for, and then undone too."""
    async with coordinator(stores, world) as sec:
        handle, gate = await in_the_middle(sec, world)
        assert await handle.abort("wrong order", by="bob") is True
        assert (await handle.view()).direction == "unwinding"
        assert await handle.abort() is False
        gate.open()
        assert isinstance(await handle.wait(), Unwound)
        view = await handle.view()
    assert world.calls == ["do a", "do b", "undo b", "undo a"]
    assert decisions(view) == [("abort", "bob", "wrong order")]
    assert [each.data for each in view.events if each.kind is EventKind.UNWINDING] == [
        "aborted by bob: wrong order"
    ]


async def test_an_abort_cancels_attempts_if_the_saga_says_so(stores: Stores, world: World) -> None:
    """Also the only one that runs."""
    dag = dag_of("a", node("b", "typed"), siblings=Siblings.CANCEL)
    async with coordinator(stores, world) as sec:
        handle, _ = await in_the_middle(sec, world, dag)
        await handle.abort()
        assert isinstance(await handle.wait(), Unwound)
    assert world.calls == ["do a", "do b", "undo b", "undo a"]


async def test_an_abort_gives_up_what_waits_for_a_retry(stores: Stores, world: World) -> None:
    """Nothing is retried any more."""
    world.fail("do b", ActionFailed("no"))
    facts = Facts()
    async with coordinator(stores, world, observers=[facts]) as sec:
        handle = await sec.create(dag_of("a", node("b", "tried"), "c"))
        await handle.start()
        await facts.until_recorded(EventKind.ATTEMPT_FAILED, "b")
        await handle.abort()
        assert isinstance(await handle.wait(), Unwound)
    assert world.calls == ["do a", "do b", "undo a"]


async def test_a_saga_in_the_line_for_a_place_can_be_aborted(stores: Stores, world: World) -> None:
    """And unwinds when it has one."""
    async with coordinator(stores, world, max_sagas=1) as sec:
        first, gate = await in_the_middle(sec, world)
        second = await sec.create(dag_of("x"))
        await second.start()
        assert await second.abort() is True
        gate.open()
        assert isinstance(await second.wait(), Unwound)
        assert await first.wait() == Succeeded("c")
    assert "do x" not in world.calls


# -- repair --------------------------------------------------------------------------------


async def test_a_stuck_undo_is_tried_again(stores: Stores, world: World) -> None:
    """With a fresh budget, and then the saga goes on unwinding."""
    async with coordinator(stores, world) as sec:
        handle = await stuck(sec, world)
        world.give("undo b", None)
        assert await handle.retry("b", "fixed it") is True
        assert isinstance(await handle.wait(), Unwound)
        view = await handle.view()
    assert world.calls == ["do a", "do b", "do c", "undo b", "undo b", "undo a"]
    assert view.node("b").undo_attempt == 2
    assert judge(view.dag, [each.event for each in view.log]) == []


async def test_a_stuck_node_is_skipped(stores: Stores, world: World) -> None:
    """A person has undone it by hand; the rest is undone by the saga."""
    async with coordinator(stores, world) as sec:
        handle = await stuck(sec, world)
        assert await handle.skip("b", "deleted in the console", by="ann") is True
        assert isinstance(await handle.wait(), Unwound)
        view = await handle.view()
    assert world.calls[-1] == "undo a"
    assert view.node("b").status == "undone"
    assert judge(view.dag, [each.event for each in view.log]) == []


async def test_a_halted_saga_goes_on_when_nothing_is_stuck_any_more(
    stores: Stores, world: World
) -> None:
    """Its other branches stood still as well."""
    dag = dag_of(["a", "b"], "c", on_stuck=OnStuck.HALT)
    async with coordinator(stores, world) as sec:
        handle = await stuck(sec, world, dag)
        await handle.skip("b")
        assert isinstance(await handle.wait(), Unwound)
    assert world.calls.count("undo a") == 1


async def test_an_unknown_outcome_is_told_by_a_person(stores: Stores, world: World) -> None:
    """Then its undo has the output that it needs."""
    world.give("do b", object())
    async with coordinator(stores, world) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        outcome = await handle.wait()
        assert isinstance(outcome, Stuck)
        assert outcome.reason == "outcome_unknown"
        assert await handle.set_output("b", {"id": 7}) is True
        assert isinstance(await handle.wait(), Unwound)
        view = await handle.view()
    assert view.node("b").output == {"id": 7}
    assert world.calls == ["do a", "do b", "undo b", "undo a"]
    assert judge(view.dag, [each.event for each in view.log]) == []


async def test_an_unknown_outcome_of_an_atomic_action_is_run_to_a_definite_end(
    stores: Stores, world: World
) -> None:
    """Retrying it means its do: then it is undone."""
    world.give("do b", object())
    async with coordinator(stores, world) as sec:
        handle = await sec.create(LINE)
        await handle.start()
        await handle.wait()
        world.give("do b", 1)
        await handle.retry()
        assert isinstance(await handle.wait(), Unwound)
        view = await handle.view()
    assert world.calls == ["do a", "do b", "do b", "undo b", "undo a"]
    assert judge(view.dag, [each.event for each in view.log]) == []


async def test_a_retry_that_is_waited_for_comes_at_once(stores: Stores, world: World) -> None:
    """With `retry`; or a person sets what it would have returned."""
    world.fail("do b", ActionFailed("no"))
    facts = Facts()
    async with coordinator(stores, world, observers=[facts]) as sec:
        handle = await sec.create(dag_of("a", node("b", "tried"), "c"))
        await handle.start()
        await facts.until_recorded(EventKind.ATTEMPT_FAILED, "b")
        await handle.retry("b")
        await facts.until(lambda: world.calls.count("do b") == 2)
        await facts.until(lambda: len(facts.kinds()) >= 8)
        await handle.set_output("b", "by hand")
        assert await handle.wait() == Succeeded("c")
        view = await handle.view()
    assert view.node("b").output == "by hand"
    assert judge(view.dag, [each.event for each in view.log]) == []


async def test_an_output_to_set_must_be_one_of_the_action(stores: Stores) -> None:
    """Who uses it relies on its type."""

    @action(read_only=True, retry=FOREVER)
    async def number(ctx: Context) -> int:
        raise ActionFailed("no")

    @saga
    def one() -> int:
        return number.node()

    facts = Facts()
    async with Sec(stores(), [one], clock=ManualClock(), observers=[facts]) as sec:
        handle = await sec.create(one)
        await handle.start()
        await facts.until_recorded(EventKind.ATTEMPT_FAILED, "number")
        with pytest.raises(ValueNotStorable, match='no output of action "number"'):
            await handle.set_output("number", "seven")
        await handle.set_output("number", 7)
        assert await handle.result() == 7


async def test_a_stuck_saga_is_abandoned(stores: Stores, world: World) -> None:
    """It ends as it is, with who and why, and absorbs."""
    async with coordinator(stores, world) as sec:
        handle = await stuck(sec, world)
        assert await handle.abandon("a ticket is open", by="ann") is True
        outcome = await handle.wait()
        assert isinstance(outcome, Abandoned)
        assert (outcome.reason, outcome.by) == ("a ticket is open", "ann")
        assert await handle.abandon() is False
        with pytest.raises(SagaStateError, match="it has ended: abandoned"):
            await handle.retry()
    assert "undo a" not in world.calls


async def test_a_node_that_asks_stops_the_unwinding_until_a_person_has_decided(
    stores: Stores,
) -> None:
    """It has no undo, and its effect must not stay unseen."""
    undone: list[str] = []

    @action
    async def book(ctx: Context) -> int:
        return 1

    @book.undo
    async def cancel(ctx: Context, number: int | None) -> None:
        undone.append(ctx.node_name)

    @action(no_undo="ask")
    async def send_letter(ctx: Context, number: int) -> int:
        return number

    @action(read_only=True)
    async def fail(ctx: Context, number: int) -> int:
        raise ActionFailed("no")

    @saga
    def letter() -> int:
        return fail.node(send_letter.node(book.node()))

    async with Sec(stores(), [letter]) as sec:
        handle = await sec.create(letter)
        await handle.start()
        outcome = await handle.wait()
        assert isinstance(outcome, Stuck)
        assert outcome.reason == "asks"
        assert undone == []
        with pytest.raises(SagaStateError, match="has no undo that could be tried"):
            await handle.retry("send_letter")
        await handle.skip("send_letter", "wrote another letter")
        assert isinstance(await handle.wait(), Unwound)
    assert undone == ["book"]


async def test_a_node_that_asks_and_was_interrupted_while_unwinding_asks(
    stores: Stores, world: World
) -> None:
    """Nobody knows what it did: it is not run again, and a person is asked."""
    asking = PlainAction("asking", world.do, undoing=Undoing.ASK)
    gate = world.hold("do b")
    opened = asyncio.Event()

    async def fail_later(_ctx: Any) -> None:
        await opened.wait()
        raise ActionFailed("no")

    world.on("do x", fail_later)
    spec = NodeFactory.action("b", "", asking)
    facts = Facts()
    async with Sec(stores(), registry_of(world, asking), observers=[facts]) as sec:
        handle = await sec.create(dag_of("a", [spec, "x"], "end"))
        await handle.start()
        await gate.entered.wait()
        opened.set()
        await facts.until_recorded(EventKind.UNWINDING)
        await sec.drain(0)
    async with Sec(stores(), registry_of(world, asking)) as sec:
        outcome = await sec.handle(handle.id).wait()
        view = await sec.get(handle.id)
    assert isinstance(outcome, Stuck)
    assert (outcome.reason, world.calls.count("do b")) == ("asks", 1)
    assert judge(view.dag, [each.event for each in view.log]) == []


async def test_a_constant_whose_undo_was_made_to_fail_is_tried_again(
    stores: Stores, world: World
) -> None:
    """There is nothing to call: it is taken as undone."""
    world.fail("do b", ActionFailed("no"))
    builder = DagBuilder("s")
    for spec in (NodeFactory.constant("n", 1), node("b")):
        builder.append(spec)
    async with coordinator(stores, world) as sec:
        handle = await sec.create(builder.build())
        await handle.inject_undo_error("n")
        await handle.start()
        assert isinstance(await handle.wait(), Stuck)
        await handle.retry("n")
        assert isinstance(await handle.wait(), Unwound)


# -- whatever the state --------------------------------------------------------------------


async def test_a_request_is_carried_out_once(stores: Stores, world: World) -> None:
    """However often it is sent, also after the saga has gone on."""
    request = UUID(int=7)
    async with coordinator(stores, world) as sec:
        handle, gate = await in_the_middle(sec, world)
        assert await handle.pause(request_id=request) is True
        await handle.unpause()
        assert await handle.pause(request_id=request) is False
        gate.open()
        assert await handle.wait() == Succeeded("c")


async def test_what_cannot_be_is_refused_with_the_reason(stores: Stores, world: World) -> None:
    """And changes nothing."""
    async with coordinator(stores, world) as sec:
        handle, gate = await in_the_middle(sec, world)
        before = len((await handle.view()).events)
        for attempt, text in (
            (handle.skip("b"), 'node "b" neither stuck nor has an undo that waits'),
            (handle.retry("b"), 'node "b" neither stuck nor waits for a retry'),
            (handle.retry(), "none of its nodes is stuck or waits for a retry"),
            (handle.set_output("b", 1), 'node "b" has no unknown outcome'),
            (handle.abandon(), 'attempts are running: "b"; pause it'),
        ):
            with pytest.raises(SagaStateError, match=text):
                await attempt
        with pytest.raises(NoSuchNode):
            await handle.skip("nowhere")
        with pytest.raises(NoSuchSaga):
            await sec.handle(UUID(int=7)).abort()
        with pytest.raises(ValueError, match="reason has 3,000 characters"):
            await handle.pause("x" * 3_000)
        with pytest.raises(ValueError, match="by: "):
            await handle.pause(by="\0")
        assert len((await handle.view()).events) == before
        gate.open()
        await handle.wait()


async def test_a_saga_that_was_not_started_can_be_abandoned_only(
    stores: Stores, world: World
) -> None:
    """There is nothing to pause or take back."""
    async with coordinator(stores, world) as sec:
        handle = await sec.create(LINE)
        with pytest.raises(SagaStateError, match="it was not started"):
            await handle.abort()
        assert await handle.abandon("a mistake") is True
        assert isinstance(await handle.wait(), Abandoned)
    assert world.calls == []


async def test_decisions_go_through_from_a_client(stores: Stores, world: World) -> None:
    """By the inbox of the coordinator that drives the saga."""
    store = stores()
    async with (
        Sec(store, registry_of(world)) as sec,
        asyncio.timeout(20),
        Client(store) as client,
    ):
        handle, gate = await in_the_middle(sec, world)
        asked = client.handle(handle.id)
        assert await asked.pause("from outside", by="ann") is True
        assert (await asked.view()).state == "paused"
        assert await asked.unpause() is True
        gate.open()
        assert await handle.wait() == Succeeded("c")


async def test_decisions_are_carried_out_without_a_coordinator(
    stores: Stores, world: World
) -> None:
    """The saga goes on from there with the next one."""
    async with coordinator(stores, world) as sec:
        handle = await stuck(sec, world)
    async with Client(stores()) as client:
        asked = client.handle(handle.id)
        assert await asked.skip("b", "by hand", by="ann") is True
        assert (await asked.view()).state == "running"
        with pytest.raises(SagaStateError):
            await asked.skip("b")
    async with coordinator(stores, world) as sec:
        assert isinstance(await sec.handle(handle.id).wait(), Unwound)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_what_is_asked_while_the_store_fails_is_told_when_it_does_not(
    stores: Stores, world: World, moment: Moment
) -> None:
    """The asker waits as long as the saga does, and nothing is lost."""
    store = FaultyStore(stores())
    async with Sec(store, registry_of(world)) as sec:
        handle, gate = await in_the_middle(sec, world)
        store.fail("append", times=2, moment=moment)
        assert await handle.pause("now", by="ann") is True
        gate.open()
        await handle.unpause()
        assert await handle.wait() == Succeeded("c")
        assert decisions(await handle.view())[0] == ("pause", "ann", "now")


# -- at bad moments ------------------------------------------------------------------------


class SlowStore(FaultyStore):
    """Lets an append wait until the test opens the gate."""

    gate: asyncio.Event | None = None
    entered: asyncio.Event | None = None

    async def append(self, append: Any) -> None:
        if self.gate is not None and self.entered is not None:
            self.entered.set()
            await self.gate.wait()
        await super().append(append)

    def hold_appends(self) -> tuple[asyncio.Event, asyncio.Event]:
        self.gate, self.entered = asyncio.Event(), asyncio.Event()
        return self.gate, self.entered


async def test_an_abort_while_an_attempt_is_about_to_begin_harms_nothing(
    stores: Stores, world: World
) -> None:
    """It is cut short before its first step, has an outcome, and gives its slot back."""
    store = SlowStore(stores())
    first = world.hold("do a")
    dag = dag_of(node("a", "typed"), node("b", "typed"), siblings=Siblings.CANCEL)
    async with asyncio.timeout(20), Sec(store, registry_of(world), max_actions=1) as sec:
        handle = await sec.create(dag)
        await handle.start()
        await first.entered.wait()
        gate, entered = store.hold_appends()
        first.open()
        await entered.wait()
        aborting = spawn(handle.abort())
        await turns()
        store.gate = None
        gate.set()
        assert await aborting is True
        assert isinstance(await handle.wait(), Unwound)
        assert await sec.run(dag_of("z", name="other")) == "z"


async def test_two_who_ask_without_a_coordinator_both_get_their_way(
    stores: Stores, world: World
) -> None:
    """Each is the coordinator for a moment, one after the other."""
    async with coordinator(stores, world) as sec:
        handles = [await in_the_middle(sec, world, dag_of("b", name=f"s{n}")) for n in range(4)]
        await sec.drain(0)
    async with asyncio.timeout(20), Client(stores()) as client:
        answers = await asyncio.gather(*[client.handle(each.id).pause() for each, _ in handles])
    assert answers == [True] * 4


@pytest.mark.parametrize("trouble", ["cancelled", "store"])
async def test_a_saga_in_the_line_is_not_lost_by_a_decision_that_fails(
    stores: Stores, world: World, trouble: str
) -> None:
    """It takes its place again, and runs."""
    store = FaultyStore(stores())
    async with asyncio.timeout(20), Sec(store, registry_of(world), max_sagas=1) as sec:
        first, gate = await in_the_middle(sec, world)
        second = await sec.create(dag_of("z", name="other"))
        await second.start()
        if trouble == "store":
            store.fail("read")
        asked = spawn(second.unpause())
        await asyncio.sleep(0)
        if trouble == "cancelled":
            asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        gate.open()
        assert await first.wait() == Succeeded("c")
        assert await second.wait() == Succeeded("z")


async def test_who_waits_for_a_saga_in_the_line_hears_that_it_was_abandoned(
    stores: Stores, world: World
) -> None:
    """As soon as there is a place."""
    async with asyncio.timeout(20), coordinator(stores, world, max_sagas=1) as sec:
        _, gate = await in_the_middle(sec, world)
        second = await sec.create(dag_of("z", name="other"))
        await second.start()
        waiting = spawn(second.wait())
        await turns()
        assert await second.abandon() is True
        gate.open()
        assert isinstance(await waiting, Abandoned)


async def test_an_abandoned_saga_without_code_stays_abandoned(stores: Stores, world: World) -> None:
    """It is not parked as waiting for code."""
    async with coordinator(stores, world) as sec:
        handle, _ = await in_the_middle(sec, world)
        await sec.drain(0)
    async with asyncio.timeout(20), Sec(stores(), []) as sec:
        while (await sec.get(handle.id)).state != "waiting for code":
            await turns()
        assert await sec.handle(handle.id).abandon() is True
        assert isinstance(await sec.handle(handle.id).wait(), Abandoned)
        await turns(100)
        assert (await sec.get(handle.id)).state == "abandoned"


async def test_a_decision_that_is_refused_does_not_keep_a_saga_from_starting(
    stores: Stores, world: World
) -> None:
    """They take turns."""
    async with asyncio.timeout(20), coordinator(stores, world) as sec:
        handle = await sec.create(LINE)
        refused = spawn(handle.abort())
        await asyncio.sleep(0)
        await handle.start()
        with pytest.raises(SagaStateError):
            await refused
        assert await handle.wait() == Succeeded("c")


async def test_what_the_coordinator_refuses_is_refused_to_the_client(stores: Stores) -> None:
    """Only the coordinator knows the type of the output."""

    @action(read_only=True, retry=FOREVER)
    async def number(ctx: Context) -> int:
        raise ActionFailed("no")

    @saga
    def one() -> int:
        return number.node()

    facts, store = Facts(), stores()
    async with (
        asyncio.timeout(20),
        Sec(store, [one], observers=[facts]) as sec,
        Client(store) as client,
    ):
        handle = await sec.create(one)
        await handle.start()
        await facts.until_recorded(EventKind.ATTEMPT_FAILED, "number")
        for _ in range(2):  # also when the same request is sent again
            with pytest.raises(SagaStateError, match="should be a valid integer"):
                await client.handle(handle.id).set_output("number", "seven", request_id=UUID(int=7))


async def test_only_the_newest_refusals_are_kept(stores: Stores) -> None:
    """The store has room for so many orders of all kinds."""
    store = stores()
    async with Client(store):
        refusals = Refusals(store)
        for number in range(1, MAX_KEPT + 3):
            await refusals.keep(UUID(int=number), ValueNotStorable(f"no. {number}"))
        assert len(await store.orders(KIND)) == MAX_KEPT
        assert await why_refused(store, UUID(int=MAX_KEPT + 2)) == f"no. {MAX_KEPT + 2}"


async def test_a_start_that_was_carried_out_before_is_no_trouble(
    stores: Stores, world: World
) -> None:
    """Its coordinator may have died before it could say that it was done."""
    facts = Facts()
    store = stores()
    async with coordinator(stores, world, observers=[facts]) as sec, Client(store):
        handle, gate = await in_the_middle(sec, world)
        await store.send(start_command(handle.id))
        while await store.take():
            await turns()
        gate.open()
        assert await handle.wait() == Succeeded("c")
    assert facts.troubles == []


async def test_what_died_with_its_coordinator_does_not_keep_a_saga_from_being_abandoned(
    stores: Stores, world: World
) -> None:
    """Nobody is at it any more."""
    async with coordinator(stores, world) as sec:
        handle, _ = await in_the_middle(sec, world)
        await sec.drain(0)
    async with Client(stores()) as client:
        assert await client.handle(handle.id).abandon() is True


async def test_two_decisions_beside_one_attempt_are_both_answered(
    stores: Stores, world: World
) -> None:
    """The second comes while the first is being written."""
    store = SlowStore(stores())
    async with asyncio.timeout(20), Sec(store, registry_of(world)) as sec:
        handle, gate = await in_the_middle(sec, world)
        let, entered = store.hold_appends()
        first = spawn(handle.pause())
        await entered.wait()
        second = spawn(handle.unpause())
        await turns()
        store.gate = None
        let.set()
        assert (await first, await second) == (True, True)
        gate.open()
        assert await handle.wait() == Succeeded("c")


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_store_that_fails_is_told_to_who_decides_alone(
    stores: Stores, world: World, moment: Moment
) -> None:
    """The same request, sent again, is carried out once."""
    async with coordinator(stores, world) as sec:
        handle = await stuck(sec, world)
    store = FaultyStore(stores())
    store.fail("append", moment=moment)
    request = UUID(int=9)
    async with asyncio.timeout(20), Client(store) as client:
        asked = client.handle(handle.id)
        with pytest.raises(StoreError):
            await asked.skip("b", request_id=request)
        assert await asked.skip("b", request_id=request) is (moment == "before")
        assert len(decisions(await asked.view())) == 1


async def test_what_is_asked_during_the_append_before_an_attempt_does_not_wait_for_it(
    stores: Stores, world: World
) -> None:
    """The attempt keeps the saga's own task busy, and the answer comes beside it."""
    store = FaultyStore(stores())
    gate = world.hold("do b")
    async with Sec(store, registry_of(world)) as sec:
        handle = await sec.create(dag_of("a", "b"))
        hold = store.hold("append", skip=1)
        await handle.start()
        await hold.entered.wait()
        asking = spawn(handle.abort())
        await turns()
        hold.release()
        await asking
        gate.open()
        assert isinstance(await handle.wait(), Unwound)
