"""`why`: each of the seven questions of who is on call, for each way to stand still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from sagacity import ActionFailed, Client, Retry, Sec, UndoFailed
from sagacity.core.agenda import StuckReason
from sagacity.core.builder import NodeFactory
from sagacity.core.causes import STUCK
from sagacity.core.decisions import Answer, Verb
from sagacity.core.events import EventKind
from sagacity.core.explaining import WOULD
from sagacity.core.why import Doing, Why
from sagacity.errors import NoSuchSaga
from sagacity.testing import ManualClock
from tests.engine.conftest import Stores
from tests.engine.world import Facts, PlainAction, World, dag_of, node, registry_of

ID = UUID(int=1)
LABELS = {"customer": "42"}
LINE = dag_of("a", node("b", "tried"))


@dataclass
class Scene:
    """A saga that stands still, and everything around it."""

    stores: Stores
    world: World
    at: AsyncExitStack
    clock: ManualClock = field(default_factory=ManualClock)
    facts: Facts = field(default_factory=Facts)

    async def coordinator(self, **contract: object) -> Sec:
        tried = PlainAction("tried", self.world.do, self.world.undo, **contract)  # type: ignore[arg-type]
        actions = registry_of(self.world, tried)
        sec = Sec(self.stores(), actions, observers=[self.facts], clock=self.clock)
        return await self.at.enter_async_context(sec)

    async def started(self, sec: Sec) -> None:
        handle = await sec.create(LINE, id=ID, labels=LABELS)
        await handle.start()


async def stuck(scene: Scene) -> Sec:
    scene.world.fail("do b", ActionFailed("no"))
    scene.world.fail("undo a", UndoFailed("the door is shut"))
    sec = await scene.coordinator()
    await scene.started(sec)
    await sec.handle(ID).wait()
    return sec


async def retrying(scene: Scene) -> Sec:
    scene.world.fail("do b", ValueError("busy"))
    sec = await scene.coordinator(retry=Retry(attempts=3, backoff=10, jitter=0, deadline=60))
    await scene.started(sec)
    await scene.facts.until_recorded(EventKind.ATTEMPT_FAILED, "b")
    return sec


async def paused(scene: Scene) -> Sec:
    gate = scene.world.hold("do a")
    sec = await scene.coordinator()
    await scene.started(sec)
    await gate.entered.wait()
    await sec.handle(ID).pause("maintenance", by="ann")
    gate.open()
    await scene.facts.until_recorded(EventKind.SUCCEEDED, "a")
    return sec


async def orphaned(scene: Scene) -> Client:
    gate = scene.world.hold("do b")
    async with AsyncExitStack() as life:
        dying = Scene(scene.stores, scene.world, life, scene.clock, scene.facts)
        sec = await dying.coordinator()
        await scene.started(sec)
        await gate.entered.wait()
        await sec.drain(0)
    return await scene.at.enter_async_context(Client(scene.stores()))


async def parked(scene: Scene) -> Sec:
    async with Client(scene.stores()) as client:
        await client.create(LINE, id=ID, labels=LABELS, start=True)
    without = registry_of(scene.world)
    sec = Sec(scene.stores(), without, observers=[scene.facts], clock=scene.clock)
    sec = await scene.at.enter_async_context(sec)
    await scene.facts.until_recorded(EventKind.ADOPTED)
    return sec


async def crowded(scene: Scene) -> Sec:
    gate = scene.world.hold("do b")
    sec = await scene.coordinator(limit=1)
    scene.at.callback(gate.open)
    other = await sec.create(dag_of(node("b", "tried"), name="other"), id=UUID(int=2))
    await other.start()
    await gate.entered.wait()
    await scene.started(sec)
    await scene.facts.until(lambda: (ID, EventKind.SUCCEEDED, "a") in scene.facts.recorded_)
    return sec


async def hung(scene: Scene) -> Sec:
    gate = scene.world.hold("do b")
    sec = await scene.coordinator(expected=30)
    scene.at.callback(gate.open)
    await scene.started(sec)
    await gate.entered.wait()
    scene.clock.move(31)
    return sec


Setting = Callable[[Scene], Awaitable[Sec | Client]]

SCENES: Sequence[Setting] = (
    stuck, retrying, paused, orphaned, parked, crowded, hung
)  # fmt: skip


@asynccontextmanager
async def explained(stores: Stores, world: World, scene: Setting) -> AsyncGenerator[Why]:
    async with AsyncExitStack() as stack:
        backend = await scene(Scene(stores, world, stack))
        yield await backend.handle(ID).why()


@pytest.mark.parametrize("scene", SCENES)
async def test_it_says_what_it_is(stores: Stores, world: World, scene: Setting) -> None:
    """Question 1: name, version, id, labels, and since when there is such a saga."""
    async with explained(stores, world, scene) as why:
        assert (why.id, why.name, why.version) == (ID, "s", "1")
        assert why.labels == LABELS
        assert why.created_ms > 0


@pytest.mark.parametrize(
    ("scene", "state", "node"),
    [
        (stuck, "stuck", ("a", Doing.STUCK, True, 1)),
        (retrying, "running", ("b", Doing.RETRY, False, 1)),
        (paused, "paused", ("b", Doing.PAUSED, False, 0)),
        (orphaned, "running", ("b", Doing.ORPHANED, False, 1)),
        (parked, "waiting for code", ("a", Doing.CODE, False, 0)),
        (crowded, "running", ("b", Doing.SLOT, False, 0)),
        (hung, "running", ("b", Doing.HUNG, False, 1)),
    ],
)
async def test_it_says_whether_it_moves(
    stores: Stores, world: World, scene: Setting, state: str, node: object
) -> None:
    """Question 2: the last event, the direction, and what each node waits for."""
    async with explained(stores, world, scene) as why:
        assert (why.state, why.moving) == (state, False)
        assert [(each.path, each.doing, each.undo, each.attempt) for each in why.nodes] == [node]
        assert why.direction == ("unwinding" if scene is stuck else "forward")
        assert why.last_event is not None


OTHER = f"saga {UUID(int=2)} (other), node b"


@pytest.mark.parametrize(
    ("scene", "kind", "text"),
    [
        (stuck, Doing.STUCK, "a cannot be undone"),
        (retrying, Doing.RETRY, "b failed in attempt 1, and is tried again"),
        (paused, Doing.PAUSED, "paused by ann: maintenance"),
        (orphaned, Doing.ORPHANED, "is gone, and no coordinator is alive"),
        (parked, Doing.CODE, 'no code: no action "tried" is registered'),
        (crowded, Doing.SLOT, f"action tried runs in {OTHER}"),
        (hung, Doing.HUNG, "b runs, and takes longer than is expected of it"),
    ],
)
async def test_it_says_why_not(
    stores: Stores, world: World, scene: Setting, kind: Doing, text: str
) -> None:
    """Question 3: the reason as a word and as a sentence, and the last error."""
    async with explained(stores, world, scene) as why:
        assert [cause.kind for cause in why.causes] == [kind]
        assert text in why.causes[0].text
        errors: dict[object, str] = {stuck: "the door is shut", retrying: "busy"}
        assert (None if why.error is None else why.error.message) == errors.get(scene)


async def test_a_retry_says_when_it_is_due(stores: Stores, world: World) -> None:
    """And until when there may be others; the traceback of what went wrong is there, too."""
    async with explained(stores, world, retrying) as why:
        (cause,), (current,) = why.causes, why.nodes
        assert cause.until_ms == current.next_at_ms == why.seen_ms + 10_000
        assert current.deadline_ms == why.seen_ms + 60_000
        assert why.error is not None
        assert "ValueError: busy" in why.error.traceback


async def test_a_pause_says_since_when_and_by_whom(stores: Stores, world: World) -> None:
    """From the log, whoever asks."""
    async with explained(stores, world, paused) as why:
        (cause,) = why.causes
        assert (cause.by, cause.since_ms) == ("ann", why.acts[0].time_ms)


async def test_a_step_leaves_who_has_paused_it(stores: Stores, world: World) -> None:
    """A step is taken in a saga that is paused; and what may pass is not told as paused."""
    async with AsyncExitStack() as stack:
        sec = await retrying(Scene(stores, world, stack))
        handle = sec.handle(ID)
        await handle.pause("maintenance", by="ann")
        assert [each.doing for each in (await handle.why()).nodes] == [Doing.PAUSED]
        await handle.step(by="bob")
        why = await handle.why()
        assert [each.by for each in why.causes if each.kind is Doing.PAUSED] == ["ann"]
        assert [each.doing for each in why.nodes] == [Doing.RETRY]
        await handle.unpause()
        await handle.step(by="bob")
        why = await handle.why()
        assert [each.by for each in why.causes if each.kind is Doing.PAUSED] == ["bob"]


async def test_it_says_why_it_unwinds(stores: Stores, world: World) -> None:
    """What failed first, though an undo has failed since."""
    async with explained(stores, world, stuck) as why:
        assert why.turned == 'node "b" failed: no'


async def test_an_abort_says_that_it_waits_for_what_runs(stores: Stores, world: World) -> None:
    """Which may be just what hangs."""
    async with explained(stores, world, hung) as why:
        (text,) = [each.text for each in why.choices if each.verb is Verb.ABORT]
        assert "waits for what runs" in text


async def test_a_breakpoint_is_told_as_the_cause(stores: Stores, world: World) -> None:
    """With where it is; clearing those that are left is offered."""
    async with AsyncExitStack() as stack:
        scene = Scene(stores, world, stack)
        sec = await scene.coordinator()
        handle = await sec.create(LINE, id=ID)
        await handle.set_breakpoint("b", "before")
        await handle.set_breakpoint("b", "after")
        await handle.start()
        await scene.facts.until_recorded(EventKind.SUCCEEDED, "a")
        why = await handle.why()
        assert why.causes[0].text == "it has come to its breakpoint: before b"
        assert Verb.CLEAR_BREAKPOINT in [
            each.verb for each in why.choices if each.answer is Answer.ALLOWED
        ]


@pytest.mark.parametrize("scene", SCENES)
async def test_it_says_who_has_it(stores: Stores, world: World, scene: Setting) -> None:
    """Question 4: the owner and whether it is alive, the epoch, and who had it before."""
    async with explained(stores, world, scene) as why:
        assert why.owner
        assert why.owned is (scene is not orphaned)
        assert why.orphaned is (scene is orphaned)
        assert (why.owners[-1].owner, why.owners[-1].epoch) == (why.owner, why.epoch)
        assert why.owners[-1].until_ms is None


async def test_it_says_who_had_it_before(stores: Stores, world: World) -> None:
    """Each with its epoch, and from when until when."""
    async with AsyncExitStack() as stack:
        scene = Scene(stores, world, stack)
        await orphaned(scene)
        scene.clock.move(5)
        again = world.hold("do b")
        sec = await scene.coordinator()
        stack.callback(again.open)
        await scene.facts.until_recorded(EventKind.ADOPTED)
        why = await sec.why(ID)
        first, second = why.owners
        assert first.owner != second.owner
        assert first.epoch < second.epoch
        assert first.until_ms == second.since_ms == why.seen_ms
        assert (second.owner, second.until_ms) == (why.owner, None)


@pytest.mark.parametrize(
    ("scene", "held"),
    [
        (stuck, [("a", "a", False)]),
        (retrying, [("a", "a", True), ("b", None, False)]),
        (paused, [("a", "a", True)]),
        (orphaned, [("a", "a", True), ("b", None, False)]),
        (parked, []),
        (crowded, [("a", "a", True)]),
        (hung, [("a", "a", True), ("b", None, False)]),
    ],
)
async def test_it_says_what_it_has_done_and_not_undone(
    stores: Stores, world: World, scene: Setting, held: object
) -> None:
    """Question 5: nodes with their outputs, and whether it is certain."""
    async with explained(stores, world, scene) as why:
        assert [(each.node, each.output, each.certain) for each in why.held] == held


@pytest.mark.parametrize(
    ("scene", "allowed"),
    [
        (stuck, ["pause", "retry a", "skip a", "abandon"]),
        (retrying, ["pause", "abort", "retry b", "set_output b", "abandon", "step"]),
        (paused, ["unpause", "abort", "abandon", "step"]),
        (orphaned, ["pause", "abort", "abandon", "step"]),
        (parked, ["pause", "abort", "abandon", "step"]),
        (crowded, ["pause", "abort", "abandon", "step"]),
        (hung, ["pause", "abort"]),
    ],
)
async def test_it_says_what_may_be_done(
    stores: Stores, world: World, scene: Setting, allowed: list[str]
) -> None:
    """Question 6: each verb, with what it would do; and those refused, with the reason."""
    async with explained(stores, world, scene) as why:
        can = [each for each in why.choices if each.answer is Answer.ALLOWED]
        assert [f"{each.verb} {each.node}".rstrip() for each in can] == allowed
        assert all(each.text for each in why.choices)


@pytest.mark.parametrize("scene", SCENES)
async def test_it_says_what_others_did(stores: Stores, world: World, scene: Setting) -> None:
    """Question 7: who decided what, when and why."""
    async with explained(stores, world, scene) as why:
        acts = [(each.verb, each.node, each.by, each.reason) for each in why.acts]
        assert acts == ([("pause", "", "ann", "maintenance")] if scene is paused else [])


async def test_a_saga_that_runs_has_no_cause(stores: Stores, world: World) -> None:
    """It moves."""
    gate = world.hold("do b")
    async with AsyncExitStack() as stack:
        scene = Scene(stores, world, stack)
        sec = await scene.coordinator(expected=30)
        stack.callback(gate.open)
        await scene.started(sec)
        await gate.entered.wait()
        why = await sec.why(ID)
        assert (why.moving, why.causes, why.hung) == (True, (), False)
        assert why.nodes[0].hung_at_ms == why.seen_ms + 30_000


async def test_a_saga_that_ended_says_how(stores: Stores, world: World) -> None:
    """And nothing may be done any more."""
    async with AsyncExitStack() as stack:
        sec = await Scene(stores, world, stack).coordinator()
        await sec.run(LINE, id=ID)
        why = await sec.why(ID)
        (cause,) = why.causes
        assert cause.text == "it has ended: succeeded"
        assert {each.answer for each in why.choices} == {Answer.REFUSED}
        with pytest.raises(NoSuchSaga):
            await sec.why(UUID(int=9))


async def test_an_attempt_that_timed_out_and_lingers_is_waited_for(
    stores: Stores, world: World
) -> None:
    """The next one is overdue, and the reason says what for."""

    async def swallow(ctx: object) -> None:
        try:
            await gate.opened.wait()
        except asyncio.CancelledError:
            await gate.opened.wait()

    gate = world.hold("nothing")
    world.on("do b", swallow)
    async with AsyncExitStack() as stack:
        scene = Scene(stores, world, stack)
        sec = await scene.coordinator(timeout=5, retry=Retry(backoff=1, jitter=0))
        stack.callback(gate.open)
        await scene.started(sec)
        await scene.clock.until_awaited()
        scene.clock.move(5)
        await scene.facts.until_recorded(EventKind.ATTEMPT_FAILED, "b")
        await scene.clock.until_awaited()
        scene.clock.move(2)
        (cause,) = (await sec.why(ID)).causes
        assert cause.kind is Doing.SLOT
        assert "an earlier attempt, which was given up and still runs" in cause.text


@pytest.mark.parametrize("reason", StuckReason)
def test_each_reason_to_be_stuck_is_told_in_a_sentence(reason: StuckReason) -> None:
    """One that is added later, too."""
    assert reason in STUCK


@pytest.mark.parametrize("verb", Verb)
def test_each_verb_is_told_in_a_sentence(verb: Verb) -> None:
    """One that is added later, too."""
    assert verb in WOULD or verb is Verb.SET_BREAKPOINT


async def test_a_constant_or_a_harmless_node_holds_nothing(stores: Stores, world: World) -> None:
    """There is nothing to take back."""
    dag = dag_of(NodeFactory.constant("c", 1), node("h", "harmless"), "a")
    async with AsyncExitStack() as stack:
        sec = await Scene(stores, world, stack).coordinator()
        await sec.run(dag, id=ID)
        assert [each.node for each in (await sec.why(ID)).held] == ["a"]


async def test_sagas_that_need_a_look_are_listed(stores: Stores, world: World) -> None:
    """Hung, stuck or orphaned; each alone, and together; others are not."""
    gate = world.hold("do slow")
    fails = dag_of("a", node("bad", "tried"), name="fails")
    slow = dag_of(node("slow", "tried"), name="slow")
    world.fail("do bad", ActionFailed("no"))
    world.fail("undo a", UndoFailed("no"))
    async with AsyncExitStack() as stack:
        scene = Scene(stores, world, stack)
        async with Client(stores()) as client:
            left = await client.create(LINE, id=UUID(int=3), start=True)
        sec = Sec(
            stores(),
            registry_of(world, PlainAction("tried", world.do, world.undo, expected=30)),
            only=[UUID(int=1), UUID(int=2), UUID(int=4)],
            clock=scene.clock,
        )
        await stack.enter_async_context(sec)
        stack.callback(gate.open)
        await (await sec.create(slow, id=UUID(int=1))).start()
        await gate.entered.wait()
        stuck_one = await sec.create(fails, id=UUID(int=2))
        await stuck_one.start()
        await stuck_one.wait()
        await sec.create(fails, id=UUID(int=4))
        assert (await sec.list(hung=True)).items == ()
        scene.clock.move(31)

        async def ids(**flags: bool) -> list[int]:
            page = await sec.list(**flags)  # type: ignore[arg-type]
            assert page.next is None
            return [each.id.int for each in page.items]

        assert await ids(hung=True) == [1]
        assert await ids(stuck=True) == [2]
        assert await ids(orphaned=True) == [left.id.int]
        assert await ids(hung=True, stuck=True, orphaned=True) == [1, 2, 3]
        (summary,) = (await sec.list(hung=True)).items
        assert (summary.hung, summary.orphaned) == (True, False)
        flags = [(each.id.int, each.orphaned, each.hung) for each in (await sec.list()).items]
        assert flags == [(1, False, None), (2, False, None), (3, True, None), (4, False, None)]
        first = await sec.list(hung=True, stuck=True, orphaned=True, limit=2)
        assert ([each.id.int for each in first.items], first.next) == ([1, 2], UUID(int=2))
        rest = await sec.list(hung=True, stuck=True, orphaned=True, limit=2, after=first.next)
        assert ([each.id.int for each in rest.items], rest.next) == ([3], None)
        assert [each.id.int for each in (await sec.list(stuck=True, name="slow")).items] == []
        assert [each.id.int for each in (await sec.list(stuck=True, state="running")).items] == []


async def test_a_saga_that_nobody_has_ever_owned_is_explained(stores: Stores) -> None:
    """Made by a client, and no coordinator has seen it yet."""
    async with Client(stores()) as client:
        handle = await client.create(dag_of("a"))
        why = await client.why(handle.id)
    assert why.owners == ()
    assert [cause.kind for cause in why.causes] == [Doing.READY]
