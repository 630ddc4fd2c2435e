"""The three outcomes of an attempt, and what user code can raise."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from sagacity import ActionFailed, ActionFunc, Sec, Stuck, Succeeded, UndoFailed, Unwound
from sagacity.core.bindings import ParamsOf
from sagacity.core.builder import NodeFactory
from sagacity.core.dag import Dag, OnStuck, Siblings
from sagacity.core.events import MAX_MESSAGE_CHARS, MAX_TRACEBACK_CHARS, Effect, ErrorKind
from sagacity.core.nodes import Node, NodeKind, Undoing
from sagacity.core.outcome import NodeError
from sagacity.core.views import SagaView
from sagacity.stores.memory import MemoryStore
from tests.engine.conftest import Stores
from tests.engine.world import PlainAction, World, dag_of, node, registry_of


async def run(store: Any, world: World, saga: Dag, *more: Any, params: Any = None) -> SagaView:
    """Run a saga to its end, and return it."""
    async with Sec(store, registry_of(world, *more)) as sec:
        handle = await sec.create(saga, params)
        await handle.start()
        await handle.wait()
        return await handle.view()


def failing(action: str, **policies: Any) -> Dag:
    """Return a saga whose second node has this kind of action."""
    return dag_of("a", node("b", action), "c", **policies)


@dataclass(frozen=True)
class FrozenError(Exception):
    code: int


class OddError(Exception):
    """An error of the user's."""


# -- how a do ends -------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["steno", "no-op", "typed", "harmless"])
async def test_an_action_that_reports_failure_had_no_effect(
    stores: Stores, world: World, action: str
) -> None:
    """`ActionFailed`: the saga unwinds, and the node itself is not undone."""
    world.fail("do b", ActionFailed("no money", {"left": 3}))
    view = await run(stores(), world, failing(action))
    assert view.state == "unwound"
    assert view.errors == (
        NodeError(
            "b", ErrorKind.ACTION_FAILED, "no money", {"left": 3}, Effect.NONE, "ActionFailed"
        ),
    )
    assert world.calls == ["do a", "do b", "undo a"]


async def test_any_other_exception_may_have_had_an_effect(stores: Stores, world: World) -> None:
    """The node's own undo runs too, and is told that the outcome is unknown."""
    world.fail("do b", OddError("half way"))
    view = await run(stores(), world, failing("typed"))
    assert view.state == "unwound"
    (error,) = view.errors
    assert (error.kind, error.message, error.effect) == ("exception", "half way", Effect.POSSIBLE)
    assert error.class_name == "OddError"
    assert "raise error" in error.traceback
    assert world.calls == ["do a", "do b", "undo b", "undo a"]
    assert world.contexts["undo b"].outcome_known is False
    assert world.contexts["undo a"].outcome_known is True
    assert view.node("b").output is None


@pytest.mark.parametrize("shape", [("a", "b", "c"), ("a", ["b", "x"], "c")], ids=["line", "fan"])
async def test_an_exception_that_cannot_be_changed_is_one_like_any(
    stores: Stores, world: World, shape: Any
) -> None:
    """A frozen dataclass refuses each attribute that is set on it."""

    async def body(_ctx: Any) -> None:
        raise FrozenError(404)

    world.on("do b", body)
    view = await run(stores(), world, dag_of(*shape))
    assert view.state == "unwound"
    (error,) = view.errors
    assert (error.class_name, error.effect) == ("FrozenError", Effect.NONE)


async def test_an_exception_of_an_atomic_action_means_no_effect(
    stores: Stores, world: World
) -> None:
    """Steno's contract: the failed node is not undone."""
    world.fail("do b", OddError("failed"))
    view = await run(stores(), world, failing("steno"))
    assert view.state == "unwound"
    assert view.errors[0].effect is Effect.NONE
    assert world.calls == ["do a", "do b", "undo a"]


async def test_an_unknown_outcome_with_nothing_to_take_back_is_settled(
    stores: Stores, world: World
) -> None:
    """Harmless whether it happened or not."""
    world.fail("do b", OddError("who knows"))
    view = await run(stores(), world, failing("harmless"))
    assert (view.state, view.node("b").status) == ("unwound", "undone")
    assert world.calls == ["do a", "do b", "undo a"]


UNSTORABLE = [object(), float("nan"), {1: 2}, "a\0b", 2**64, "x" * 2**21]


@pytest.mark.parametrize("output", UNSTORABLE, ids=lambda each: type(each).__name__)
async def test_an_output_that_cannot_be_stored_is_an_unknown_outcome(
    stores: Stores, world: World, output: Any
) -> None:
    """The action has done its work; its own undo takes it back."""
    world.give("do b", output)
    view = await run(stores(), world, failing("typed"))
    assert view.state == "unwound"
    assert (view.errors[0].kind, view.errors[0].effect) == ("output", Effect.POSSIBLE)
    assert world.calls == ["do a", "do b", "undo b", "undo a"]


async def test_an_atomic_action_whose_output_cannot_be_stored_is_stuck(
    stores: Stores, world: World
) -> None:
    """Its undo needs the output, and there is none: a person must decide."""
    world.give("do b", object())
    view = await run(stores(), world, failing("steno"))
    assert isinstance(view.outcome, Stuck)
    assert view.outcome.reason == "outcome_unknown"
    assert world.calls == ["do a", "do b"]


def bound(atomic: bool) -> Dag:
    undoing = Undoing.KNOWN if atomic else Undoing.ANY
    nodes = (
        Node(NodeKind.ACTION, "a", action="steno", version="1", atomic=True, undoing=Undoing.KNOWN),
        Node(
            NodeKind.ACTION, "b", action="bound", version="1", atomic=atomic, undoing=undoing,
            inputs={"x": ParamsOf(-1, ("missing",))},
        ),
    )  # fmt: skip
    return Dag("s", nodes, ((0, 1),))


@pytest.mark.parametrize("atomic", [False, True])
async def test_an_input_that_does_not_fit_fails_the_node_before_it_is_called(
    stores: Stores, world: World, atomic: bool
) -> None:
    """There was no effect: the body was not called."""
    undoing = Undoing.KNOWN if atomic else Undoing.ANY
    action = PlainAction("bound", world.do, world.undo, atomic=atomic, undoing=undoing)
    view = await run(stores(), world, bound(atomic), action, params={"n": 1})
    assert view.state == "unwound"
    assert (view.errors[0].kind, view.errors[0].effect) == ("input", Effect.NONE)
    assert "missing" in view.errors[0].message
    assert world.calls == ["do a", "undo a"]


async def test_a_constant_bound_to_nothing_fails_its_own_saga_only(world: World) -> None:
    """A field that is not there, found out when it is looked for."""
    constant = Node(NodeKind.CONSTANT, "k", atomic=True, value=ParamsOf(-1, ("x",)))
    view = await run(MemoryStore(), world, Dag("s", (constant,), ()))
    assert (view.state, view.errors[0].kind) == ("unwound", "input")


# -- how an undo ends -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind"), [(UndoFailed("cannot", [1]), "action_failed"), (OddError("x"), "exception")]
)
async def test_an_undo_that_fails_leaves_the_saga_stuck(
    stores: Stores, world: World, error: Exception, kind: str
) -> None:
    """With all errors, do and undo apart."""
    world.fail("do c", ActionFailed("no"))
    world.fail("undo b", error)
    view = await run(stores(), world, failing("steno"))
    assert isinstance(view.outcome, Stuck)
    assert view.outcome.reason == "undo_failed"
    assert [each.node for each in view.outcome.errors] == ["c"]
    assert [(each.node, each.kind) for each in view.outcome.undo_errors] == [("b", kind)]
    assert world.calls == ["do a", "do b", "do c", "undo b"]


async def test_other_branches_are_undone_when_one_undo_fails(stores: Stores, world: World) -> None:
    """As far as they may: what the stuck node depends on stays."""
    world.fail("do z", ActionFailed("no"))
    world.fail("undo b", UndoFailed("cannot"))
    saga = dag_of("a", ["b", "c"], "z")
    view = await run(stores(), world, saga)
    assert view.state == "stuck"
    assert sorted(world.calls[4:]) == ["undo b", "undo c"]
    assert view.node("c").status == "undone"
    assert view.node("a").status == "succeeded"


async def test_a_saga_that_halts_undoes_nothing_more_when_one_undo_fails(world: World) -> None:
    """`on_stuck="halt"`, as in Steno; what was begun is waited for first."""
    world.fail("do z", ActionFailed("no"))
    gate = world.hold("undo c")

    async def fail(_ctx: Any) -> None:
        await gate.entered.wait()
        raise UndoFailed("cannot")

    world.on("undo d", fail)
    inner = dag_of("i", "j", name="inner")
    saga = dag_of("a", ["c", "d", NodeFactory.subsaga("s", inner, "a")], "z", on_stuck=OnStuck.HALT)
    async with Sec(MemoryStore(), registry_of(world)) as sec:
        handle = await sec.create(saga)
        await handle.inject_repeat("s/j", undo=1)
        waiting = asyncio.ensure_future(handle.wait())  # noqa: TID251 - awaited below
        await handle.start()
        await gate.entered.wait()
        gate.open()
        outcome = await waiting
        view = await handle.view()
    assert isinstance(outcome, Stuck)
    assert view.node("c").status == "undone"
    assert "undo i" not in world.calls
    assert "undo a" not in world.calls


# -- siblings ---------------------------------------------------------------------------------


async def test_siblings_in_flight_are_waited_for(stores: Stores, world: World) -> None:
    """`siblings="finish"`: their outcome is recorded, and then undone."""
    gate = world.hold("do b")

    async def fail(_ctx: Any) -> None:
        await gate.entered.wait()
        gate.open()
        raise ActionFailed("no")

    world.on("do c", fail)
    view = await run(stores(), world, dag_of("a", ["b", "c"], "z", action="typed"))
    assert (view.state, view.node("b").output) == ("unwound", "b")
    assert world.calls[3:] == ["undo b", "undo a"]
    assert world.contexts["undo b"].outcome_known is True


async def test_siblings_in_flight_are_cut_short_if_the_saga_says_so(
    stores: Stores, world: World
) -> None:
    """`siblings="cancel"`: their outcome is unknown, and their own undo runs."""
    gate = world.hold("do b")

    async def fail(_ctx: Any) -> None:
        await gate.entered.wait()
        raise ActionFailed("no")

    world.on("do c", fail)
    saga = dag_of("a", ["b", "c"], "z", action="typed", siblings=Siblings.CANCEL)
    view = await run(stores(), world, saga)
    assert view.state == "unwound"
    assert [(error.node, error.kind, error.effect) for error in view.errors] == [
        ("c", "action_failed", Effect.NONE), ("b", "cancelled", Effect.POSSIBLE),
    ]  # fmt: skip
    assert world.calls[3:] == ["undo b", "undo a"]
    assert world.contexts["undo b"].outcome_known is False


async def test_an_atomic_sibling_is_never_cut_short(stores: Stores, world: World) -> None:
    """It is waited for, whatever the saga says."""
    gate = world.hold("do b")

    async def fail(_ctx: Any) -> None:
        await gate.entered.wait()
        asyncio.get_running_loop().call_soon(gate.open)
        raise ActionFailed("no")

    world.on("do c", fail)
    saga = dag_of("a", ["b", "c"], "z", siblings=Siblings.CANCEL)
    view = await run(stores(), world, saga)
    assert (view.state, view.node("b").output) == ("unwound", "b")
    assert world.calls[3:] == ["undo b", "undo a"]


@pytest.mark.parametrize(
    ("ending", "status", "undone"),
    [
        ("returns", "undone", True),
        ("reports", "failed", False),
        ("raises", "undone", True),
    ],
)
async def test_a_sibling_that_is_cut_short_may_still_say_how_it_ended(
    world: World, ending: str, status: str, undone: bool
) -> None:
    """What it says counts: a result, a definite failure, or an unknown outcome."""
    entered = asyncio.Event()

    async def stubborn(_ctx: Any) -> Any:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if ending == "reports":
                raise ActionFailed("rolled back") from None
            if ending == "raises":
                raise OddError("interrupted") from None
            return "done after all"

    async def fail(_ctx: Any) -> None:
        await entered.wait()
        raise ActionFailed("no")

    world.on("do b", stubborn)
    world.on("do c", fail)
    saga = dag_of("a", ["b", "c"], "z", action="typed", siblings=Siblings.CANCEL)
    view = await run(MemoryStore(), world, saga)
    assert (view.state, view.node("b").status) == ("unwound", status)
    assert ("undo b" in world.calls) is undone


# -- what user code can raise -----------------------------------------------------------------


class OddBaseError(BaseException):
    """Not even an `Exception`."""


RAISED: list[Callable[[], BaseException]] = [
    lambda: OddError("x"),
    lambda: OddBaseError("x"),
    lambda: SystemExit(3),
    KeyboardInterrupt,
    GeneratorExit,
    lambda: StopIteration(1),
    StopAsyncIteration,
    lambda: asyncio.CancelledError("made up"),
    TimeoutError,
    lambda: ExceptionGroup("g", [OddError("x"), ValueError("y")]),
    lambda: BaseExceptionGroup("g", [SystemExit()]),
    lambda: RecursionError("deep"),
    MemoryError,
    lambda: UndoFailed("not for a do"),
]


@dataclass
class Raising:
    """Functions that raise, async and plain."""

    error: Callable[[], BaseException]

    async def in_loop(self, _ctx: Any) -> None:
        raise self.error()

    def in_thread(self, _ctx: Any) -> None:
        raise self.error()


def kinds_of_action(raising: Raising, world: World, *, undo: bool) -> list[PlainAction]:
    def both(function: Any) -> tuple[Any, Any]:
        return (world.do, function) if undo else (function, world.undo)

    def blocking(*, value: bool) -> dict[str, Any]:
        return {"undo_blocks" if undo else "do_blocks": value}

    return [
        PlainAction("odd loop", *both(raising.in_loop), **blocking(value=False)),
        PlainAction("odd thread", *both(raising.in_thread), **blocking(value=True)),
    ]


def odd_node(name: str, action: str) -> Any:
    return NodeFactory.action(name, "", PlainAction(action, World.do))


@pytest.mark.parametrize("error", RAISED, ids=lambda make: type(make()).__name__)
@pytest.mark.parametrize("where", ["loop", "thread"])
@pytest.mark.parametrize("parallel", [False, True])
async def test_whatever_a_do_raises_harms_its_own_saga_only(
    world: World, error: Callable[[], BaseException], where: str, parallel: bool
) -> None:
    """It is an unknown outcome: the saga unwinds, others go on."""
    actions = kinds_of_action(Raising(error), world, undo=False)
    odd = odd_node("b", f"odd {where}")
    saga = dag_of("a", [odd, "p"] if parallel else odd, "z")
    async with Sec(MemoryStore(), registry_of(world, *actions)) as sec:
        handle = await sec.create(saga)
        await handle.start()
        outcome = await handle.wait()
        assert isinstance(outcome, Unwound)
        assert [each.node for each in outcome.errors] == ["b"]
        assert outcome.errors[0].effect is Effect.POSSIBLE
        assert await sec.run(dag_of("other")) == "other"
    assert "undo b" in world.calls


@pytest.mark.parametrize("error", RAISED, ids=lambda make: type(make()).__name__)
@pytest.mark.parametrize("where", ["loop", "thread"])
async def test_whatever_an_undo_raises_harms_its_own_saga_only(
    world: World, error: Callable[[], BaseException], where: str
) -> None:
    """The saga is stuck, others go on."""
    actions = kinds_of_action(Raising(error), world, undo=True)
    world.fail("do z", ActionFailed("no"))
    async with Sec(MemoryStore(), registry_of(world, *actions)) as sec:
        handle = await sec.create(dag_of("a", odd_node("b", f"odd {where}"), "z"))
        await handle.start()
        outcome = await handle.wait()
        assert isinstance(outcome, Stuck)
        assert [each.node for each in outcome.undo_errors] == ["b"]
        assert await sec.run(dag_of("other")) == "other"


class UnshowableError(Exception):
    """Cannot be rendered."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UnshowableError(), "(this error cannot be shown as text)"),
        (OddError("a\0b \ud800"), "a\\0b \\ud800"),
        (OddError("x" * 100_000), "x" * (MAX_MESSAGE_CHARS - 3) + "..."),
        (ActionFailed("m", object()),
         "m (its data cannot be stored: object is not a JSON type (at $))"),
        (ActionFailed("m", "x" * 70_000),
         "m (its data cannot be stored: value of 70,002 bytes is over the limit of 65,536)"),
    ],
    ids=["unshowable", "unstorable text", "long", "odd data", "large data"],
)  # fmt: skip
async def test_any_error_can_be_stored(
    stores: Stores, world: World, error: Exception, message: str
) -> None:
    """Bounded and storable, whatever it is."""
    world.fail("do b", error)
    view = await run(stores(), world, failing("typed"))
    assert view.state == "unwound"
    assert view.errors[0].message == message
    assert len(view.errors[0].traceback) <= MAX_TRACEBACK_CHARS


# -- in threads -----------------------------------------------------------------------------


async def test_plain_functions_run_in_threads(stores: Stores) -> None:
    """Do and undo alike; the loop goes on meanwhile."""
    threads: list[str] = []
    both = threading.Barrier(2, timeout=20)

    def do(ctx: Any) -> str:
        threads.append(threading.current_thread().name)
        if ctx.node_name in "bc":
            both.wait()  # neither could pass if one waited for the other
        if ctx.node_name == "z":
            raise ActionFailed("no")
        return str(ctx.lookup("a", str) if ctx.node_name == "b" else ctx.node_name)

    def undo(ctx: Any) -> None:
        threads.append(f"undo {threading.current_thread().name}")

    action = ActionFunc("sync", do, undo)
    saga = dag_of(
        NodeFactory.action("a", "", action),
        [NodeFactory.action(name, "", action) for name in "bc"],
        NodeFactory.action("z", "", action),
    )
    view = await run(stores(), World(), saga, action)
    assert view.state == "unwound"
    assert (view.node("b").output, view.node("c").output) == ("a", "c")
    assert len(threads) == 4 + 3
    assert all(
        ("sagacity-undo" if name.startswith("undo ") else "sagacity-action") in name
        for name in threads
    )


async def test_a_plain_function_that_gives_an_awaitable_is_awaited() -> None:
    """A `functools.partial` or a lambda around a coroutine function, say."""
    world = World()

    def do(ctx: Any) -> Any:
        return world.do(ctx)

    def undo(ctx: Any) -> Any:
        return world.undo(ctx)

    action = ActionFunc("odd", do, undo)
    assert action.do_blocks
    view = await run(MemoryStore(), world, dag_of(NodeFactory.action("a", "", action)), action)
    assert view.state == "succeeded"
    assert world.calls == ["do a"]


async def test_an_action_in_a_thread_is_waited_for_when_siblings_are_cut_short() -> None:
    """Nobody can cut a thread short; no undo begins while it is alive."""
    world = World()
    let_go, entered = threading.Event(), threading.Event()

    def slow(_ctx: Any) -> str:
        entered.set()
        assert let_go.wait(20)
        return "slow"

    async def fail(_ctx: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(None, entered.wait)
        asyncio.get_running_loop().call_soon(let_go.set)
        raise ActionFailed("no")

    world.on("do c", fail)
    action = PlainAction("slow", slow, world.undo, do_blocks=True)
    saga = dag_of("a", [NodeFactory.action("b", "", action), "c"], "z", siblings=Siblings.CANCEL)
    view = await run(MemoryStore(), world, saga, action)
    assert (view.state, view.node("b").output) == ("unwound", "slow")
    assert world.calls[-2:] == ["undo b", "undo a"]


async def test_a_saga_with_only_markers_left_ends_at_once() -> None:
    """Nothing to call: constants alone."""
    saga = dag_of(NodeFactory.constant("k", {"n": 1}), NodeFactory.constant("l", [2]))
    view = await run(MemoryStore(), World(), saga)
    assert view.outcome == Succeeded([2])
