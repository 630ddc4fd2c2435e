"""What the engine's tests act on: a world that records calls, and holds or fails them on request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from sagacity.core.actions import ActionFunc, ActionRegistry
from sagacity.core.builder import DagBuilder, NodeFactory, NodeSpec
from sagacity.core.dag import Dag, OnStuck, Siblings
from sagacity.core.events import Event, EventKind
from sagacity.core.nodes import Undoing
from sagacity.core.policies import ONCE, Retry
from sagacity.core.values import Json, decode, encode
from sagacity.ports.observer import Recorded

T = TypeVar("T")
Body = Callable[[Any], Awaitable[Any]]


@dataclass
class Gate:
    """A call that waits: `entered` is set by it, `opened` by the test."""

    entered: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self) -> None:
        self.opened.set()

    async def __call__(self, _ctx: Any) -> Any:
        self.entered.set()
        await self.opened.wait()
        return None


class World:
    """Calls are named `do a` and `undo a`, by node."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.contexts: dict[str, Any] = {}
        self._bodies: dict[str, Body] = {}

    def on(self, call: str, body: Body) -> None:
        """Let `body` do what the call does."""
        self._bodies[call] = body

    def hold(self, call: str) -> Gate:
        """Let the call wait until the gate is opened."""
        gate = Gate()
        self.on(call, gate)
        return gate

    def fail(self, call: str, error: BaseException) -> None:
        """Let the call raise `error`."""

        async def body(_ctx: Any) -> None:
            raise error.with_traceback(None)  # or it would keep the frames of all it was raised in

        self.on(call, body)

    def give(self, call: str, result: Any) -> None:
        """Let the call return `result`."""

        async def body(_ctx: Any) -> Any:
            return result

        self.on(call, body)

    async def do(self, ctx: Any) -> Any:
        result = await self._called(f"do {ctx.node_name}", ctx)
        return ctx.node_name if result is None else result

    async def undo(self, ctx: Any) -> None:
        await self._called(f"undo {ctx.node_name}", ctx)

    async def _called(self, call: str, ctx: Any) -> Any:
        self.calls.append(call)
        self.contexts[call] = ctx
        body = self._bodies.get(call)
        return None if body is None else await body(ctx)


@dataclass(frozen=True)
class PlainAction:
    """An action with any contract, written out."""

    name: str
    do: Callable[..., Any]
    undo: Callable[..., Any] | None = None
    version: str = "1"
    atomic: bool = False
    transaction: bool = False
    undoing: Undoing = Undoing.ANY
    limit: int | None = None
    limit_key: tuple[str | int, ...] | None = None
    retry: Retry = ONCE
    undo_retry: Retry = ONCE
    timeout: float | None = None
    undo_timeout: float | None = None
    expected: float | None = None
    undo_expected: float | None = None
    heartbeat: float | None = None
    undo_heartbeat: float | None = None
    isolated: bool = False
    process_deps: Callable[[], Any] | None = None
    do_blocks: bool = False
    undo_blocks: bool = False

    def do_arguments(self, inputs: Mapping[str, Json]) -> Mapping[str, Any]:
        return {name: decode(value) for name, value in inputs.items()}

    def undo_arguments(self, inputs: Mapping[str, Json], output: Json | None) -> tuple[Any, ...]:
        return ()

    def encode_output(self, result: Any) -> Json:
        return encode(result)

    def check_output(self, output: Json) -> Json:
        return output


def registry_of(world: World, *more: Any) -> ActionRegistry:
    """Return the actions that the nodes of the tests use, by contract."""
    registry = ActionRegistry()
    for action in (
        ActionFunc("steno", world.do, world.undo),
        ActionFunc("no-op", world.do),
        PlainAction("typed", world.do, world.undo),
        PlainAction("harmless", world.do, undoing=Undoing.NOTHING),
        PlainAction("one-at-a-time", world.do, world.undo, limit=1),
        *more,
    ):
        registry.register(action)
    return registry


def node(name: str, action: str = "steno") -> NodeSpec:
    undoing = {"steno": Undoing.KNOWN, "no-op": Undoing.NOTHING, "harmless": Undoing.NOTHING}
    return NodeFactory.action(
        name, f"label of {name}",
        PlainAction(
            action, World.do, atomic=action in ("steno", "no-op"),
            undoing=undoing.get(action, Undoing.ANY),
        ),
    )  # fmt: skip


def dag_of(
    *stages: str | NodeSpec | Sequence[str | NodeSpec],
    action: str = "steno",
    name: str = "s",
    siblings: Siblings = Siblings.FINISH,
    on_stuck: OnStuck = OnStuck.CONTINUE,
) -> Dag:
    """Return a saga of stages; nodes are given by name, and all have one kind of action."""
    builder = DagBuilder(name, siblings=siblings.value, on_stuck=on_stuck.value)
    for stage in stages:
        specs = [stage] if isinstance(stage, str | NodeSpec) else stage
        builder.append_parallel(
            [node(each, action) if isinstance(each, str) else each for each in specs]
        )
    return builder.build()


class Facts:
    """An observer that tests wait on: for what became durable, and for trouble."""

    def __init__(self) -> None:
        self.recorded_: list[tuple[UUID, EventKind, str]] = []
        self.troubles: list[tuple[UUID | None, Exception]] = []
        self._changed: list[asyncio.Future[None]] = []

    def recorded(self, what: Recorded) -> None:
        for event in what.events:
            self.recorded_.append((what.saga_id, event.kind, path_of(what.dag, event)))
        self._wake()

    def trouble(self, saga_id: UUID | None, error: Exception) -> None:
        self.troubles.append((saga_id, error))
        self._wake()

    def _wake(self) -> None:
        for future in self._changed:
            if not future.done():
                future.set_result(None)
        self._changed.clear()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something became true that shows in what is observed."""
        while not holds():
            future = asyncio.get_running_loop().create_future()
            self._changed.append(future)
            await future

    async def until_recorded(self, kind: EventKind, path: str = "") -> None:
        await self.until(lambda: any(each[1:] == (kind, path) for each in self.recorded_))

    async def until_trouble(self, count: int = 1) -> None:
        await self.until(lambda: len(self.troubles) >= count)

    def kinds(self, saga_id: UUID | None = None) -> list[tuple[EventKind, str]]:
        return [(kind, path) for saga, kind, path in self.recorded_ if saga_id in (None, saga)]


def path_of(dag: Dag, event: Event) -> str:
    index: int | None = getattr(event, "node", None)
    return "" if index is None else dag.paths[index]


async def turns(count: int = 20) -> None:
    """Let everything else run as far as it can without time passing."""
    for _ in range(count):
        await asyncio.sleep(0)


def spawn(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Run something beside the test, which awaits all that it spawns."""
    return asyncio.get_running_loop().create_task(work)
