"""Actions as the engine sees them: a do, an undo, and what is promised about both.

The registry holds and never calls. `ActionFunc` is the lower layer's action, with
Steno's contract: atomic (an exception means no effect), inputs by look-up, and no
undo means nothing to take back. `authoring` gives typed ones.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from sagacity.core.isolation import (
    NOT_FOR_COROUTINES,
    PROCESS,
    THREAD,
    check_found,
    check_isolation,
)
from sagacity.core.masking import revived
from sagacity.core.nodes import NodeKind, Undoing
from sagacity.core.paths import MAX_NAME_CHARS
from sagacity.core.policies import ONCE, Retry, check_timeout
from sagacity.core.values import MOST_VALUE_BYTES, encode
from sagacity.errors import DagError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sagacity.core.bindings import FieldPath
    from sagacity.core.dag import Dag
    from sagacity.core.values import Json


class Action(Protocol):
    """What the engine needs of an action. Implementations hold no state of a saga."""

    @property
    def name(self) -> str:
        """The durable name: stored definitions find the action by it."""
        ...

    @property
    def version(self) -> str:
        """The version of the code; a stored node runs only with the same."""
        ...

    @property
    def atomic(self) -> bool:
        """Whether an exception from the do means: no effect."""
        ...

    @property
    def transaction(self) -> bool:
        """Whether its effect and its record are one transaction of the store's database."""
        ...

    @property
    def undoing(self) -> Undoing:
        """What its undo can meet."""
        ...

    @property
    def limit(self) -> int | None:
        """How many attempts of its do, and of its undo, may run at once in one coordinator."""
        ...

    @property
    def limit_key(self) -> FieldPath | None:
        """For each value of what `limit` counts: a parameter, then fields. None: for all."""
        ...

    @property
    def retry(self) -> Retry:
        """How the do is retried."""
        ...

    @property
    def undo_retry(self) -> Retry:
        """How the undo is retried."""
        ...

    @property
    def timeout(self) -> float | None:
        """How many seconds an attempt of the do may take."""
        ...

    @property
    def undo_timeout(self) -> float | None:
        """How many seconds an attempt of the undo may take."""
        ...

    @property
    def expected(self) -> float | None:
        """After how many seconds an attempt of the do counts as hung."""
        ...

    @property
    def undo_expected(self) -> float | None:
        """After how many seconds an attempt of the undo counts as hung."""
        ...

    @property
    def heartbeat(self) -> float | None:
        """How many seconds an attempt of the do may be silent."""
        ...

    @property
    def undo_heartbeat(self) -> float | None:
        """How many seconds an attempt of the undo may be silent."""
        ...

    @property
    def do(self) -> Callable[..., Any]:
        """Called with the context and the arguments; a coroutine function unless `do_blocks`."""
        ...

    @property
    def undo(self) -> Callable[..., Any] | None:
        """Called with the context and the undo's arguments."""
        ...

    @property
    def do_blocks(self) -> bool:
        """Whether the do is a plain function, to be called in a worker thread."""
        ...

    @property
    def undo_blocks(self) -> bool:
        """Whether the undo is a plain function."""
        ...

    @property
    def isolated(self) -> bool:
        """Whether plain functions are called in a process of their own, and not in a thread."""
        ...

    @property
    def process_deps(self) -> Callable[[], Any] | None:
        """What makes `ctx.deps` in such a process."""
        ...

    def do_arguments(self, inputs: Mapping[str, Json]) -> Mapping[str, Any]:
        """Turn stored inputs into the keyword arguments of the do.

        Raises any `Exception`: an input does not fit.
        """
        ...

    def undo_arguments(self, inputs: Mapping[str, Json], output: Json | None) -> tuple[Any, ...]:
        """Turn stored inputs and output (None: unknown) into the undo's positional arguments."""
        ...

    def encode_output(self, result: Any) -> Json:
        """Turn what the do returned into canonical JSON.

        Raises any `Exception`: it cannot be stored.
        """
        ...

    def check_output(self, output: Json) -> Json:
        """Check an output that a person sets, and return it as the do's would be stored.

        Raises:
            ValueNotStorable: the do could not have returned it.
        """
        ...


@dataclass(frozen=True, slots=True)
class ActionFunc:
    """An action of the lower layer: `do(ctx)` gives JSON, `undo(ctx)` takes it back.

    Steno's contract: atomic (an exception means no effect), and without an undo
    there is nothing to take back (Steno's no-op undo). Neither is retried unless it is
    given a policy. Time-outs, and how long an attempt may go without a heartbeat, are seconds;
    `expected` and `undo_expected` are those after which an attempt counts as hung (what
    history tells, unless it is said). `no_undo` is as in `@action`, for one without an undo.

    Raises:
        ValueError: a number of seconds is not above 0, `no_undo` is said of one that has an
            undo, or the functions cannot run in a process of their own, and shall.
    """

    name: str
    do: Callable[..., Any]
    undo: Callable[..., Any] | None = None
    version: str = "1"
    limit: int | None = None
    retry: Retry = ONCE
    undo_retry: Retry = ONCE
    timeout: float | None = None
    undo_timeout: float | None = None
    expected: float | None = None
    undo_expected: float | None = None
    no_undo: str | None = None
    heartbeat: float | None = None
    undo_heartbeat: float | None = None
    limit_key: FieldPath | None = field(init=False, default=None)
    isolation: str = THREAD
    process_deps: Callable[[], Any] | None = None
    isolated: bool = field(init=False)
    atomic: bool = field(init=False, default=True)
    transaction: bool = field(init=False, default=False)
    undoing: Undoing = field(init=False)
    do_blocks: bool = field(init=False)
    undo_blocks: bool = field(init=False)

    def __post_init__(self) -> None:
        """Look at the functions once, not at each attempt."""
        check_timeout("timeout", self.timeout)
        check_timeout("undo_timeout", self.undo_timeout)
        check_timeout("expected", self.expected)
        check_timeout("undo_expected", self.undo_expected)
        check_timeout("heartbeat", self.heartbeat)
        check_timeout("undo_heartbeat", self.undo_heartbeat)
        put = object.__setattr__
        put(self, "undoing", self._contract())
        if self.undo is None:
            put(self, "undo", _take_nothing_back)
        put(self, "do_blocks", not is_async(self.do))
        put(self, "undo_blocks", not is_async(self.undo))
        put(self, "isolated", self.isolation == PROCESS)
        check_isolation(self.isolation)
        if self.isolated:
            self._check_places()

    def _check_places(self) -> None:
        if not self.do_blocks:
            raise ValueError(f'action "{self.name}": {NOT_FOR_COROUTINES}')
        for function in (self.do, self.undo if self.undo_blocks else None, self.process_deps):
            if function is not None:
                check_found(function, instead=function)

    def _contract(self) -> Undoing:
        if self.no_undo not in _NO_UNDO:
            raise ValueError(
                f'action "{self.name}": no_undo={self.no_undo!r:.40} must be "harmless", "ask" '
                'or "pivot"'
            )
        if self.undo is None:
            return _NO_UNDO[self.no_undo]
        if self.no_undo is not None:
            raise ValueError(f'action "{self.name}" says no_undo="{self.no_undo}" and has an undo')
        return Undoing.KNOWN

    def do_arguments(self, inputs: Mapping[str, Json]) -> Mapping[str, Any]:
        """Pass bound inputs by name, as plain JSON values (there are none by default)."""
        return {name: revived(value) for name, value in inputs.items()} if inputs else _NO_ARGUMENTS

    def undo_arguments(self, inputs: Mapping[str, Json], output: Json | None) -> tuple[Any, ...]:
        """Pass nothing: the undo looks things up."""
        del inputs, output
        return ()

    def encode_output(self, result: Any) -> Json:
        """Store what the do returned; it must be JSON already."""
        return encode(result, limit_bytes=MOST_VALUE_BYTES)

    def check_output(self, output: Json) -> Json:
        """Take any JSON: there is no type to check it against."""
        return output


_NO_UNDO: Final[Mapping[str | None, Undoing]] = {
    None: Undoing.NOTHING,
    "harmless": Undoing.NOTHING,
    "ask": Undoing.ASK,
    "pivot": Undoing.PIVOT,
}


async def _take_nothing_back(_ctx: Any) -> None:
    """Steno's no-op undo."""


_NO_ARGUMENTS: Final[Mapping[str, Any]] = {}


def is_async(function: Any) -> bool:
    """Whether calling `function` gives an awaitable."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an instance with `async __call__`
    )


class ActionRegistry:
    """The actions that a coordinator can run, by name."""

    def __init__(self) -> None:
        """Begin empty."""
        self._actions: dict[str, Action] = {}
        self.by_name: Final[Mapping[str, Action]] = MappingProxyType(self._actions)
        """All actions, as they are registered at the moment."""

    def register(self, action: Action) -> None:
        """Add `action`; adding the same one again changes nothing.

        Raises:
            DagError: another action of that name is there, or the name is no name.
        """
        name = action.name
        if not name or len(name) > MAX_NAME_CHARS:
            raise DagError(
                name, [f'"{name[:40]}" is no action name: it must have 1 to {MAX_NAME_CHARS} chars']
            )
        known = self._actions.setdefault(name, action)
        if known is not action and known != action:
            raise DagError(
                name, [f'two actions are called "{name}"; give one of them another name=']
            )

    def get(self, name: str) -> Action | None:
        """Return the action of this name."""
        return self._actions.get(name)

    def __iter__(self) -> Iterator[Action]:
        """Go through all actions."""
        return iter(self._actions.values())

    def __len__(self) -> int:
        """Count the actions."""
        return len(self._actions)

    def missing_for(self, dag: Dag) -> list[str]:
        """Say what `dag` needs that is not here: one text for each action, empty if none."""
        missing: dict[str, None] = {}
        for node in dag.nodes:
            if node.kind is not NodeKind.ACTION:
                continue
            action = self._actions.get(node.action)
            if action is None:
                missing[f'no action "{node.action}" is registered'] = None
            elif action.version != node.version:
                missing[
                    f'action "{node.action}" is here in version {action.version}, '
                    f"the saga needs version {node.version}"
                ] = None
            elif action.undo is None and node.undoing in (Undoing.KNOWN, Undoing.ANY):
                missing[f'action "{node.action}" has no undo any more'] = None
        return list(missing)
