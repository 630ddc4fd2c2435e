"""Sagas as authors hold them: traced functions, typed by their params and result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Generic, TypeVar, cast, overload

from sagacity.authoring.actions import DeclaredAction, NodeMaker
from sagacity.authoring.annotations import Names
from sagacity.authoring.arguments import holds_reference
from sagacity.authoring.codecs import NoCodecError, codec_for
from sagacity.authoring.discovery import reachable_values
from sagacity.authoring.given import GivenParams
from sagacity.authoring.keys import saga_limit
from sagacity.authoring.mistakes import Flaw, report
from sagacity.authoring.node_options import NodeOptions, node_options, telling_options
from sagacity.authoring.recording import current_trace, record
from sagacity.authoring.references import Reference, facts_of
from sagacity.authoring.saga_options import SagaOptions, choice_of, is_plain, saga_flaws
from sagacity.authoring.signatures import UNSTATED, Parameter, Typed, read_signature
from sagacity.authoring.tracing import Trace
from sagacity.authoring.typed_action import TypedAction
from sagacity.core.dag import Dag, OnStuck, Siblings
from sagacity.core.limits import KeyedLimit
from sagacity.core.values import NULL, Json
from sagacity.errors import DagError, TraceError, ValueNotStorable

P = TypeVar("P")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")


class Saga(Generic[P, R_co]):
    """A saga: params of type P (None: it takes none) and a result of type R.

    Its DAG is traced when it is declared; that of a dynamic one at each create.
    """

    def __init__(self, function: Callable[..., Any], options: SagaOptions, names: Names) -> None:
        """Declare `function` a saga and, unless it is dynamic, trace it.

        Raises:
            DagError: with all mistakes.
        """
        self.__doc__ = function.__doc__
        self.__wrapped__: Final = function
        self._options: Final = options
        self._names: Final = names
        self._signature: Final = read_signature(function, names, takes_context=False)
        self._result: Typed = self._signature.result
        self._dag: Dag | None = None
        self._actions: tuple[TypedAction, ...] = ()
        self._error: DagError | None = None
        self.limit: KeyedLimit | None = None
        """How many sagas of it run at once in one coordinator."""
        limit_flaws: tuple[Flaw, ...] = ()
        if options.limit is not None:
            self.limit, limit_flaws = saga_limit(
                options.limit, options.limit_key, self._parameter, names
            )
        self._flaws: Final = (
            *self._signature.flaws,
            *limit_flaws,
            *saga_flaws(function, options, self._signature),
            *[
                Flaw(f"actions= takes actions and sagas, not {each!r:.60}")
                for each in options.actions or ()
                if not isinstance(each, DeclaredAction | Saga)
            ],
        )
        try:
            if not options.dynamic:
                self._dag = self._traced(None)
            elif self._flaws:
                trace = Trace(self.name, names)
                trace.mistakes.add_flaws(self._flaws)
                raise trace.mistakes.error()
        except DagError as error:
            self._error = error
            if not report(error):
                raise

    def __repr__(self) -> str:
        return f'<saga "{self.name}">'

    @property
    def name(self) -> str:
        """The durable name."""
        return self._options.name

    @property
    def version(self) -> str:
        """The version, a part of the definition."""
        return self._options.version

    @property
    def is_dynamic(self) -> bool:
        """Whether the DAG depends on the params."""
        return self._options.dynamic

    @property
    def dag(self) -> Dag:
        """The DAG that every run of this saga has.

        Raises:
            DagError: it has mistakes (and they were collected when it was declared).
            TraceError: the saga is dynamic: it has one for each params.
        """
        if self._error is not None:
            raise self._error
        if self._dag is None:
            raise TraceError(
                f'saga "{self.name}" is dynamic: its DAG depends on its params; use dag_for(params)'
            )
        return self._dag

    def dag_for(self, params: P) -> Dag:
        """Return the DAG of a run with these params.

        A dynamic saga is traced with them as they come back from JSON: what an action
        would see.

        Raises:
            DagError: with all mistakes.
            ValueNotStorable: not params of this saga.
        """
        if not self.is_dynamic or self._error is not None:
            return self.dag
        stored = self.encode_params(params)
        parameter = self._parameter
        if parameter is None:
            return self._traced(GivenParams("", None, stored, UNSTATED))
        value = parameter.value.codec.decode(stored)
        return self._traced(GivenParams(parameter.name, value, stored, parameter.value))

    @cached_property
    def actions(self) -> tuple[TypedAction, ...]:
        """All actions that runs of this saga can need; those of subsagas too.

        Of a dynamic saga those given as `actions=[...]`, or else those that its
        function can be seen to reach (see `discovery`).
        """
        return tuple(dict.fromkeys(_actions_of(self, set())))

    def reached(self) -> Iterable[object]:
        """Return what the actions of this saga are found from."""
        if not self.is_dynamic:
            return self._actions
        given = self._options.actions
        return reachable_values(self.__wrapped__) if given is None else given

    def encode_params(self, params: P) -> Json:
        """Return params as stored.

        Raises:
            ValueNotStorable: not params of this saga.
        """
        parameter = self._parameter
        if parameter is not None:
            try:
                return parameter.value.codec.encode(params)
            except ValueNotStorable as error:
                none = "none are given; " if params is None else ""
                reason = f'params of saga "{self.name}" ("{parameter.name}"): {none}{error.reason}'
                raise ValueNotStorable(reason, error.where) from error
        if params is not None:
            raise ValueNotStorable(f'saga "{self.name}" takes no params')
        return NULL

    def read_params(self, text: bytes | str) -> P:
        """Return the params that JSON written by a person stands for.

        Raises:
            ValueNotStorable: not JSON, or not params of this saga.
        """
        parameter = self._parameter
        codec = codec_for(None) if parameter is None else parameter.value.codec
        return cast("P", codec.read(text))

    def decode_output(self, output: Json) -> R_co:
        """Return the result that a stored output stands for.

        Raises:
            ValueError: stored by other code, whose result had another type.
        """
        return cast("R_co", self._result.codec.decode(output))

    @overload
    def node(self: Saga[None, S], /) -> S: ...
    @overload
    def node(self, params: P, /) -> R_co: ...
    def node(self, params: Any = None, /) -> Any:
        """Make this saga a subsaga of the saga that is being traced; return its output.

        Raises:
            TraceError: called outside of a saga function.
        """
        return self.add_to_trace(params, NodeOptions())

    @telling_options
    def options(
        self, *, node: str | None = None, after: Iterable[object] = ()
    ) -> SubsagaMaker[P, R_co]:
        """Say more of the subsaga: its name, and nodes that it waits for.

        Raises:
            TraceError: there is no such option.
        """
        return SubsagaMaker(self, node_options(node, after))

    # -- tracing ---------------------------------------------------------------

    @property
    def _parameter(self) -> Parameter | None:
        return next(iter(self._signature.parameters.values()), None)

    def _traced(self, given: GivenParams | None) -> Dag:
        """Run the function and return the DAG; without real params it gets a reference."""
        trace = Trace(self.name, self._names, given)
        trace.mistakes.add_flaws(self._flaws)
        if not is_plain(self.__wrapped__):
            raise trace.mistakes.error()
        arguments: list[Any] = []
        named: dict[str, Any] = {}
        for each in self._signature.parameters.values():
            value = trace.params(each.value.type, each.name) if given is None else given.value
            if each.keyword_only:
                named[each.name] = value
            else:
                arguments.append(value)
        output = record(trace, self.__wrapped__, arguments, named)
        if self.is_dynamic:
            self._check_actions(trace)
        else:
            self._actions = tuple(trace.actions.values())
            self._learn_result(output)
        return trace.finish(
            output,
            self._signature.result,
            version=self.version,
            siblings=choice_of(Siblings, self._options.siblings),
            on_stuck=choice_of(OnStuck, self._options.on_stuck),
            dynamic=self.is_dynamic,
            forward_only=self._options.forward_only,
            deadline=self._options.deadline,
        )

    def _learn_result(self, output: Any) -> None:
        # Without a return annotation the result is what the returned reference refers to.
        if not self._result.is_stated and type(output) is Reference:
            type_ = facts_of(output).type
            with suppress(NoCodecError):  # then the action's own result was refused for it
                self._result = Typed(type_, codec_for(type_, self._names))

    def _check_actions(self, trace: Trace) -> None:
        for action in [each for each in trace.actions.values() if each not in self.actions]:
            trace.mistakes.add(
                f'action "{action.name}" cannot be found from its function, so a coordinator that '
                "takes the saga over could not either; list all its actions: "
                "@saga(dynamic=True, actions=[...])"
            )

    def add_to_trace(self, params: Any, chosen: NodeOptions) -> Any:
        """Make a subsaga of the saga that is being traced, for `.node` in its two forms."""
        trace = current_trace(self.name, "to run it, give it to a Sec: await sec.run(...)")
        if self.is_dynamic and holds_reference(params):
            raise TraceError(
                f'the DAG of saga "{self.name}" depends on its params, so as a subsaga it must be '
                "given params that are known while the saga is traced, not references"
            )
        try:
            dag = self.dag_for(params)
        except DagError as error:
            return trace.add_broken(self.name, error)
        for action in self.actions:
            trace.add_inner_action(action)
        return trace.add_subsaga(
            dag,
            params,
            self._parameter,
            self._result.type,
            chosen,
        )


@dataclass(frozen=True, slots=True, eq=False)
class SubsagaMaker(Generic[P, R_co]):
    """A saga with what `.options(...)` said of it as a subsaga."""

    saga: Saga[P, R_co]
    chosen: NodeOptions

    @overload
    def node(self: SubsagaMaker[None, S], /) -> S: ...
    @overload
    def node(self, params: P, /) -> R_co: ...
    def node(self, params: Any = None, /) -> Any:
        """Make the subsaga; return its output.

        Raises:
            TraceError: called outside of a saga function.
        """
        return self.saga.add_to_trace(params, self.chosen)


def _actions_of(value: object, seen: set[int]) -> Iterator[TypedAction]:
    """Yield the actions that `value` is or leads to; sagas can lead to each other."""
    found: Any = value  # the checkers know nothing of the parameters of a Saga found like this
    if isinstance(value, TypedAction):
        yield value
    elif isinstance(value, DeclaredAction):
        yield found.typed
    elif isinstance(value, NodeMaker):
        yield found.declared.typed
    elif isinstance(value, SubsagaMaker):
        yield from _actions_of(found.saga, seen)
    elif isinstance(value, Saga) and id(found) not in seen:
        seen.add(id(found))
        for each in found.reached():
            yield from _actions_of(each, seen)
