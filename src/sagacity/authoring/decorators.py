"""`@action` and `@saga`: how functions become actions and sagas."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Concatenate, Final, Literal, ParamSpec, TypeVar, overload

from sagacity.authoring.actions import AsyncAction, BlockingAction, DeclaredAction
from sagacity.authoring.annotations import Names, enclosing_names
from sagacity.authoring.context import Context
from sagacity.authoring.saga_options import SagaOptions
from sagacity.authoring.sagas import Saga
from sagacity.authoring.typed_action import ActionOptions
from sagacity.core.actions import is_async
from sagacity.core.isolation import THREAD, check_isolation
from sagacity.core.limits import check_limit, split_key
from sagacity.core.policies import ONCE, PATIENT, Retry, check_timeout

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

_NO_UNDO: Final = ("harmless", "ask", "pivot")


@dataclass(frozen=True, slots=True)
class ActionDecorator:
    """`@action(...)`, waiting for the function."""

    name: str | None
    version: str
    atomic: bool
    transaction: bool
    read_only: bool
    no_undo: str | None
    limit: int | None
    limit_key: str | None
    retry: Retry
    undo_retry: Retry
    timeout: float | None
    undo_timeout: float | None
    expected: float | None
    undo_expected: float | None
    heartbeat: float | None
    undo_heartbeat: float | None
    isolation: str
    process_deps: Callable[[], Any] | None
    label: str

    # An async function is a plain one that returns a coroutine: the first that fits is meant.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[Concatenate[Context[Any], P], Coroutine[Any, Any, R]], /
    ) -> AsyncAction[P, R]: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def __call__(
        self, function: Callable[Concatenate[Context[Any], P], R], /
    ) -> BlockingAction[P, R]: ...
    def __call__(self, function: Callable[..., Any], /) -> Any:
        """Declare `function` an action."""
        return self.declare(function, enclosing_names(function, 2))

    def declare(self, function: Callable[..., Any], names: Names) -> DeclaredAction[..., Any]:
        """Declare `function` an action; its annotations may use `names`."""
        options = ActionOptions(
            name=function.__name__ if self.name is None else self.name,
            version=self.version,
            label=self.label,
            atomic=self.atomic or self.transaction,
            transaction=self.transaction,
            read_only=self.read_only,
            no_undo=self.no_undo,
            limit=self.limit,
            limit_key=self.limit_key,
            retry=self.retry,
            undo_retry=self.undo_retry,
            timeout=self.timeout,
            undo_timeout=self.undo_timeout,
            expected=self.expected,
            undo_expected=self.undo_expected,
            heartbeat=self.heartbeat,
            undo_heartbeat=self.undo_heartbeat,
            isolation=self.isolation,
            process_deps=self.process_deps,
        )
        declared: DeclaredAction[..., Any]
        if is_async(function):
            declared = AsyncAction(function, options, names)
        else:
            declared = BlockingAction(function, options, names)
        return declared


@overload
def action(  # type: ignore[overload-overlap]
    function: Callable[Concatenate[Context[Any], P], Coroutine[Any, Any, R]], /
) -> AsyncAction[P, R]: ...  # pyright: ignore[reportOverlappingOverload]
@overload
def action(function: Callable[Concatenate[Context[Any], P], R], /) -> BlockingAction[P, R]: ...
@overload
def action(
    *,
    name: str | None = None,
    version: str = "1",
    atomic: bool = False,
    transaction: bool = False,
    read_only: bool = False,
    no_undo: Literal["harmless", "ask", "pivot"] | None = None,
    limit: int | None = None,
    limit_key: str | None = None,
    retry: Retry = ...,
    undo_retry: Retry = ...,
    timeout: float | None = None,
    undo_timeout: float | None = None,
    expected: float | None = None,
    undo_expected: float | None = None,
    heartbeat: float | None = None,
    undo_heartbeat: float | None = None,
    isolation: Literal["thread", "process"] = "thread",
    process_deps: Callable[[], Any] | None = None,
    label: str = "",
) -> ActionDecorator: ...
def action(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    version: str = "1",
    atomic: bool = False,
    transaction: bool = False,
    read_only: bool = False,
    no_undo: str | None = None,
    limit: int | None = None,
    limit_key: str | None = None,
    retry: Retry = ONCE,
    undo_retry: Retry = PATIENT,
    timeout: float | None = None,
    undo_timeout: float | None = None,
    expected: float | None = None,
    undo_expected: float | None = None,
    heartbeat: float | None = None,
    undo_heartbeat: float | None = None,
    isolation: str = THREAD,
    process_deps: Callable[[], Any] | None = None,
    label: str = "",
) -> Any:
    """Declare a function an action: `async def` or `def`, its first parameter the context.

    * `name`: the durable name, the function's if not given; `version`: of the code.
      A stored saga runs only with the same of both.
    * `atomic=True`: an exception from the function means that it had no effect.
    * `transaction=True`: `ctx.connection` is one to the database of the store, in a
      transaction; what the function does there and its record in the saga log become durable
      together, exactly once, or not at all. So it is atomic; the same holds for its undo.
      Both must be `async def`, and neither commits itself. Only on `postgresql://`.
    * `read_only=True`: it has no effect; `no_undo="harmless"`: its effect may stay;
      `no_undo="ask"`: unwinding stops there until a person has decided; `no_undo="pivot"`:
      the point of no return: once it has succeeded, nothing is undone any more. All others
      need an undo, one that accepts an unknown outcome unless atomic; behind a pivot none do.
    * `limit`: how many attempts of its do, and how many of its undo, run at once in one
      coordinator; with `limit_key="customer.id"` (a parameter, then fields) so many for
      each value of that.
    * `retry`: how it is retried after a failure or an unknown outcome (not at all, unless
      it is said; behind a pivot until it succeeds); `undo_retry`: how its undo is (until it
      succeeds or raises `UndoFailed`, after 1 s, 2 s, 4 s, ... up to a minute).
    * `timeout`, `undo_timeout`: seconds that an attempt may take; then its outcome is unknown.
      A coroutine is cancelled; a plain function goes on in its thread, and nothing else is
      tried of that node until it has ended.
    * `expected`, `undo_expected`: seconds after which an attempt counts as hung, and somebody
      is told; nothing else comes of it. Where it is not said, history tells (see
      docs/operations.md).
    * `heartbeat`, `undo_heartbeat`: seconds that an attempt may go without `ctx.heartbeat()`;
      then it is ended as one that takes too long.
    * `isolation="process"`: a plain function (and its undo) is called in a process of its own,
      which is killed when the attempt is given up, and can die without harm. `process_deps`
      makes `ctx.deps` there; both must be at the top level of modules.
    * `label`: of its nodes, for people.

    What is wrong with the function or its undo is told by the saga that uses it.

    Raises:
        ValueError: options have values that they cannot have; the text names all of them.
    """
    _check_all(
        partial(_check_no_undo, no_undo),
        partial(_check_limit, limit, limit_key),
        partial(_check_retry, "retry", retry),
        partial(_check_retry, "undo_retry", undo_retry),
        partial(check_timeout, "timeout", timeout),
        partial(check_timeout, "undo_timeout", undo_timeout),
        partial(check_timeout, "expected", expected),
        partial(check_timeout, "undo_expected", undo_expected),
        partial(check_timeout, "heartbeat", heartbeat),
        partial(check_timeout, "undo_heartbeat", undo_heartbeat),
        partial(check_isolation, isolation),
    )
    decorator = ActionDecorator(
        name=name,
        version=version,
        atomic=atomic,
        transaction=transaction,
        read_only=read_only,
        no_undo=no_undo,
        limit=limit,
        limit_key=limit_key,
        retry=retry,
        undo_retry=undo_retry,
        timeout=timeout,
        undo_timeout=undo_timeout,
        expected=expected,
        undo_expected=undo_expected,
        heartbeat=heartbeat,
        undo_heartbeat=undo_heartbeat,
        isolation=isolation,
        process_deps=process_deps,
        label=label,
    )
    if function is None:
        return decorator
    return decorator.declare(function, enclosing_names(function, 2))


def _check_all(*checks: Callable[[], None]) -> None:
    """Make all checks; one error tells what all of them found."""
    found: list[str] = []
    for check in checks:
        try:
            check()
        except ValueError as error:
            found.append(str(error))
    if found:
        raise ValueError("; ".join(found))


def _check_no_undo(no_undo: str | None) -> None:
    if no_undo is not None and no_undo not in _NO_UNDO:
        raise ValueError(f'no_undo={no_undo!r:.40} must be "harmless", "ask" or "pivot"')


def _check_retry(what: str, policy: object) -> None:
    if not isinstance(policy, Retry):
        raise ValueError(f"{what}={policy!r:.40} must be a Retry(...)")  # noqa: TRY004


def _check_limit(limit: int | None, limit_key: str | None) -> None:
    if limit is not None:
        check_limit("limit", limit)
    if limit_key is not None:
        split_key(limit_key)
        if limit is None:
            raise ValueError(f'limit_key="{limit_key}" says for what limit= counts: give it too')


@dataclass(frozen=True, slots=True)
class SagaDecorator:
    """`@saga(...)`, waiting for the function."""

    name: str | None
    version: str
    siblings: str
    on_stuck: str
    dynamic: bool
    forward_only: bool
    deadline: float | None
    actions: tuple[object, ...] | None
    limit: int | None
    limit_key: str | None

    @overload
    def __call__(self, function: Callable[[], R], /) -> Saga[None, R]: ...
    @overload
    def __call__(self, function: Callable[[T], R], /) -> Saga[T, R]: ...
    def __call__(self, function: Callable[..., Any], /) -> Any:
        """Declare `function` a saga."""
        return self.declare(function, enclosing_names(function, 2))

    def declare(self, function: Callable[..., Any], names: Names) -> Saga[Any, Any]:
        """Declare `function` a saga; its annotations may use `names`."""
        options = SagaOptions(
            name=function.__name__ if self.name is None else self.name,
            version=self.version,
            siblings=self.siblings,
            on_stuck=self.on_stuck,
            dynamic=self.dynamic,
            forward_only=self.forward_only,
            deadline=self.deadline,
            actions=self.actions,
            limit=self.limit,
            limit_key=self.limit_key,
        )
        return Saga(function, options, names)


@overload
def saga(function: Callable[[], R], /) -> Saga[None, R]: ...
@overload
def saga(function: Callable[[T], R], /) -> Saga[T, R]: ...
@overload
def saga(
    *,
    name: str | None = None,
    version: str = "1",
    siblings: Literal["finish", "cancel"] = "finish",
    on_stuck: Literal["continue", "halt"] = "continue",
    dynamic: bool = False,
    forward_only: bool = False,
    deadline: float | None = None,
    actions: Iterable[object] | None = None,
    limit: int | None = None,
    limit_key: str | None = None,
) -> SagaDecorator: ...
def saga(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    version: str = "1",
    siblings: str = "finish",
    on_stuck: str = "continue",
    dynamic: bool = False,
    forward_only: bool = False,
    deadline: float | None = None,
    actions: Iterable[object] | None = None,
    limit: int | None = None,
    limit_key: str | None = None,
) -> Any:
    """Declare a function a saga: a plain one, with no or one parameter, its params.

    It is run once, now, with a reference for its params, to be traced; what it
    returns is the output.

    * `name`: the durable name, the function's if not given; `version`: of the saga.
    * `siblings`: what happens to attempts in flight when the saga begins to unwind.
    * `on_stuck`: whether other branches go on unwinding when an undo has failed.
    * `dynamic=True`: it is run at each create instead, with the real params, so that
      the shape may depend on them; `actions` are then all actions (and sagas) that it
      may use, if they cannot be seen from its code.
    * `forward_only=True`: it is never undone, as behind a pivot from the start: its actions
      need no undos, and what fails is tried until it succeeds or a person decides.
    * `deadline`: seconds from its start; a saga that goes forward still is then taken back,
      as by `abort` (one that has passed a point of no return goes on). Of a subsaga it
      does not count.
    * `limit`: how many sagas of it run at once in one coordinator (as a subsaga it counts
      for nothing); with `limit_key="customer.id"` (a path into the params) so many for
      each value of that. The rest is queued.

    Raises:
        DagError: with all mistakes that could be found.
        ValueError: a limit that is none.
    """
    _check_limit(limit, limit_key)
    decorator = SagaDecorator(
        name,
        version,
        siblings,
        on_stuck,
        dynamic,
        forward_only,
        deadline,
        None if actions is None else tuple(actions),
        limit,
        limit_key,
    )
    if function is None:
        return decorator
    return decorator.declare(function, enclosing_names(function, 2))
