"""Actions as authors hold them: a function that can also be a node of a saga.

The engine's view of it is `.typed`, made when it is first needed: the undo is
declared after the action, and annotations may name what the module defines later.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar, cast, overload

from sagacity.authoring.annotations import Names, enclosing_names
from sagacity.authoring.context import Context
from sagacity.authoring.node_options import NodeOptions, node_options, telling_options
from sagacity.authoring.recording import current_trace
from sagacity.authoring.references import Reference
from sagacity.authoring.signatures import read_signature
from sagacity.authoring.typed_action import ActionOptions, TypedAction, typed_action
from sagacity.authoring.undoing import DeclaredUndo, read_undo
from sagacity.core.policies import Retry
from sagacity.errors import DagError, TraceError

P = ParamSpec("P")
R = TypeVar("R")
U = TypeVar("U", bound="Awaitable[object] | None")


class DeclaredAction(Generic[P, R]):
    """An action: call it like the function it was, or make it a node with `.node(...)`."""

    def __init__(self, function: Callable[..., Any], options: ActionOptions, names: Names) -> None:
        """Declare `function` an action."""
        functools.update_wrapper(cast("Callable[..., Any]", self), function)
        self._function: Final = function
        self._options: Final = options
        self._names: Final = names
        self._undo: DeclaredUndo | None = None
        self._typed: TypedAction | None = None

    @property
    def name(self) -> str:
        """The durable name."""
        return self._options.name

    @property
    def typed(self) -> TypedAction:
        """The action as the engine and the registry take it; from now on it cannot change."""
        if self._typed is None:
            signature = read_signature(self._function, self._names, takes_context=True)
            undo = None if self._undo is None else read_undo(self._undo, signature)
            self._typed = typed_action(
                self._function, self._options, signature, undo, self._names, declared=self
            )
        return self._typed

    def node(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Make this action a node of the saga that is being traced; return its output.

        Raises:
            TraceError: called outside of a saga function.
        """
        maker: NodeMaker[P, R] = NodeMaker(self, NodeOptions())
        return maker.node(*args, **kwargs)

    @telling_options
    def options(
        self,
        *,
        node: str | None = None,
        after: Iterable[object] = (),
        label: str | None = None,
        retry: Retry | None = None,
        timeout: float | None = None,
    ) -> NodeMaker[P, R]:
        """Say more of the node: `.options(node="car", after=[hotel]).node(trip)`.

        `node` is its name (else the action's); `after` are references to nodes that
        it waits for without needing their output; `label` is for people. `retry` and
        `timeout` (seconds) stand before those of the action, and are stored with the saga.

        Raises:
            TraceError: there is no such option, or it has a value that it cannot have.
        """
        return NodeMaker(self, node_options(node, after, label, retry=retry, timeout=timeout))

    # A function that takes `R | None` may be given where one that takes R is wanted. What is given
    # back can be called with None in either case: an overload for each would be one too many
    # for mypy wherever the context is a `Context[Any]`, and make the undo untyped.
    # (And it takes the two below to be the same as long as the inputs are not known.)
    @overload
    def undo(
        self, function: Callable[[Context[Any], R], U], /
    ) -> Callable[[Context[Any], R | None], U]: ...
    @overload
    def undo(  # type: ignore[overload-cannot-match]
        self, function: Callable[Concatenate[Context[Any], R, P], U], /
    ) -> Callable[Concatenate[Context[Any], R | None, P], U]: ...
    @overload
    def undo(self, /, *, unknown: bool) -> UndoDecorator[P, R]: ...
    def undo(
        self, function: Callable[..., Any] | None = None, /, *, unknown: bool | None = None
    ) -> Any:
        """Declare what takes this action back; gives the function back unchanged.

        It is called with the context, the output, and those inputs of the action that
        it names. `output: X | None` says that it can meet an unknown outcome; where the
        result may be None anyway, `@x.undo(unknown=True)` says so.

        Raises:
            DagError: it has an undo already, or a saga has used it without.
        """
        if function is None:
            return UndoDecorator(self, unknown)
        return self.take_undo(DeclaredUndo(function, unknown, enclosing_names(function, 2)))

    def take_undo(self, undo: DeclaredUndo) -> Callable[..., Any]:
        """Keep the undo; return its function.

        Raises:
            DagError: it has an undo already, or a saga has used it without.
        """
        if self._undo is not None or self._typed is not None:
            when = "it has one already" if self._undo is not None else "a saga has used it before"
            raise DagError(
                self.name,
                [f'action "{self.name}" is given an undo, but {when}; declare one, directly below'],
            )
        self._undo = undo
        return undo.function


class UndoDecorator(Generic[P, R]):
    """`@x.undo(unknown=...)`, waiting for the function."""

    def __init__(self, declared: DeclaredAction[P, R], unknown: bool | None) -> None:  # noqa: FBT001
        """Wait for the undo of `declared`."""
        self._declared: Final = declared
        self._unknown: Final = unknown

    @overload
    def __call__(
        self, function: Callable[[Context[Any], R | None], U], /
    ) -> Callable[[Context[Any], R | None], U]: ...
    @overload
    def __call__(  # type: ignore[overload-cannot-match]
        self, function: Callable[Concatenate[Context[Any], R | None, P], U], /
    ) -> Callable[Concatenate[Context[Any], R | None, P], U]: ...
    def __call__(self, function: Callable[..., Any], /) -> Any:
        """Declare the undo."""
        names = enclosing_names(function, 2)
        return self._declared.take_undo(DeclaredUndo(function, self._unknown, names))


class AsyncAction(DeclaredAction[P, R]):
    """An action that is a coroutine function."""

    def __call__(
        self, ctx: Context[Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R]:
        """Call the function itself, as a unit test does; no saga knows of it."""
        _refuse_references(self.name, (ctx, *args, *kwargs.values()))
        result: Coroutine[Any, Any, R] = self._function(ctx, *args, **kwargs)
        return result


class BlockingAction(DeclaredAction[P, R]):
    """An action that is a plain function; in a saga it runs in a worker thread."""

    def __call__(self, ctx: Context[Any], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself, as a unit test does; no saga knows of it."""
        _refuse_references(self.name, (ctx, *args, *kwargs.values()))
        result: R = self._function(ctx, *args, **kwargs)
        return result


@dataclass(frozen=True, slots=True, eq=False)
class NodeMaker(Generic[P, R]):
    """An action with what `.options(...)` said of the node to make."""

    declared: DeclaredAction[P, R]
    chosen: NodeOptions

    def node(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Make the node; return its output.

        Raises:
            TraceError: called outside of a saga function.
        """
        trace = current_trace(
            self.declared.name, f"to run it in a test, call it: {self.declared.name}(ctx, ...)"
        )
        # A reference, typed as what it stands for.
        return cast("R", trace.add_action(self.declared.typed, args, kwargs, self.chosen))


def _refuse_references(name: str, arguments: Iterable[object]) -> None:
    if any(isinstance(each, Reference) for each in arguments):
        raise TraceError(
            f"{name}(...) was called with a reference: in a saga function write {name}.node(...)"
        )
