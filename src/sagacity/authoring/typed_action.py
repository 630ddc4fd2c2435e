"""A typed action as the engine sees it: core's `Action`, with pydantic at both ends.

It is read from functions once; in a saga's life only `do_arguments`,
`undo_arguments` and `encode_output` run, and they do no more than they must.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sagacity.authoring.annotations import Names
from sagacity.authoring.codecs import told
from sagacity.authoring.keys import action_key
from sagacity.authoring.mistakes import Flaw
from sagacity.authoring.signatures import REQUIRED, Signature
from sagacity.authoring.undoing import Undo
from sagacity.core.actions import is_async
from sagacity.core.bindings import FieldPath
from sagacity.core.isolation import NOT_FOR_COROUTINES, PROCESS, check_found
from sagacity.core.nodes import Undoing
from sagacity.core.paths import MAX_NAME_CHARS
from sagacity.core.policies import Retry
from sagacity.core.values import Json
from sagacity.errors import ValueNotStorable

_NO_ARGUMENTS: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class ActionOptions:
    """What `@action` says of an action."""

    name: str
    version: str
    label: str
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TypedAction:
    """Implements `sagacity.core.actions.Action`."""

    name: str
    version: str
    atomic: bool
    transaction: bool
    undoing: Undoing
    limit: int | None
    limit_key: FieldPath | None
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
    do: Callable[..., Any]
    undo: Callable[..., Any] | None
    do_blocks: bool
    undo_blocks: bool
    label: str
    signature: Signature
    flaws: tuple[Flaw, ...]
    undo_flaws: tuple[Flaw, ...]
    """What is wrong with its contract where it may have to be taken back."""
    _encode: Callable[[Any], Json]
    _decoders: Mapping[str, Callable[[Json], Any]]
    _required: frozenset[str]
    _undo: Undo | None = field(default=None)

    @property
    def isolated(self) -> bool:
        """Whether plain functions are called in a process of their own."""
        return self.isolation == PROCESS

    def __repr__(self) -> str:
        return f'<action "{self.name}" version {self.version}>'

    def do_arguments(self, inputs: Mapping[str, Json]) -> Mapping[str, Any]:
        """Return the keyword arguments of the do.

        Raises:
            ValueError: a stored input does not fit its parameter, or one is missing: the
                saga was made by other code than this.
        """
        if not inputs and not self._required:
            return _NO_ARGUMENTS
        decoders = self._decoders
        try:
            arguments = {name: decoders[name](value) for name, value in inputs.items()}
        except (KeyError, ValueError) as error:
            raise self._misfit(inputs, error) from error
        if not arguments.keys() >= self._required:
            missing = ", ".join(sorted(self._required - arguments.keys()))
            raise ValueError(f'action "{self.name}" has parameters with no stored input: {missing}')
        return arguments

    def undo_arguments(self, inputs: Mapping[str, Json], output: Json | None) -> tuple[Any, ...]:
        """Return the undo's positional arguments: the output, then the inputs that it names.

        Raises:
            ValueError: something stored does not fit.
        """
        if self._undo is None:
            return ()
        return self._undo.arguments(inputs, output)

    def encode_output(self, result: Any) -> Json:
        """Return what is stored of the do's result.

        Raises:
            ValueNotStorable: it is not of the stated type, or cannot be stored or read back.
        """
        return self._encode(result)

    def check_output(self, output: Json) -> Json:
        """Check an output that a person sets, and return it as the do's would be stored.

        Raises:
            ValueNotStorable: it is not of the type that the do returns.
        """
        try:
            return self._encode(self.signature.result.codec.decode(output))
        except ValueError as error:
            raise ValueNotStorable(f'no output of action "{self.name}": {told(error)}') from error

    def _misfit(self, inputs: Mapping[str, Json], error: Exception) -> ValueError:
        for name, value in inputs.items():
            if name not in self._decoders:
                return ValueError(
                    f'action "{self.name}" has no parameter "{name}"; the saga was made for one'
                )
            try:
                self._decoders[name](value)
            except (KeyError, ValueError) as reason:
                return ValueError(f'action "{self.name}", parameter "{name}": {reason}')
        return ValueError(f'action "{self.name}": {error}')


def typed_action(
    function: Callable[..., Any],
    options: ActionOptions,
    signature: Signature,
    undo: Undo | None,
    names: Names,
    *,
    declared: object,
) -> TypedAction:
    """Put an action together; what is wrong with it is in `flaws`.

    `declared` is what has the name of the function now.
    """
    undoing, contract_flaws, undo_flaws = _contract(options, undo)
    if options.isolation == PROCESS:
        contract_flaws += _isolation_flaws(function, options, declared)
    if options.transaction and not (is_async(function) and (undo is None or not undo.blocks)):
        contract_flaws.append(Flaw(_NO_THREAD.format(options.name)))
    if not 1 <= len(options.name) <= MAX_NAME_CHARS:
        contract_flaws.append(Flaw(f"an action's name has 1 to {MAX_NAME_CHARS} characters"))
    parameters = signature.parameters.values()
    key: FieldPath | None = None
    key_flaws: tuple[Flaw, ...] = ()
    if options.limit_key is not None:
        key, key_flaws = action_key(options.limit_key, signature.parameters, names)
    return TypedAction(
        name=options.name,
        version=options.version,
        atomic=options.atomic,
        transaction=options.transaction,
        undoing=undoing,
        limit=options.limit,
        limit_key=key,
        retry=options.retry,
        undo_retry=options.undo_retry,
        timeout=options.timeout,
        undo_timeout=options.undo_timeout,
        expected=options.expected,
        undo_expected=options.undo_expected,
        heartbeat=options.heartbeat,
        undo_heartbeat=options.undo_heartbeat,
        isolation=options.isolation,
        process_deps=options.process_deps,
        do=function,
        undo=None if undo is None else undo.call,
        do_blocks=not is_async(function),
        undo_blocks=undo is not None and undo.blocks,
        label=options.label,
        signature=signature,
        flaws=(
            *signature.flaws,
            *[
                Flaw("it is positional-only, but inputs are given by name", each.name)
                for each in parameters
                if each.positional_only
            ],
            *([] if undo is None else undo.flaws),
            *contract_flaws,
            *key_flaws,
        ),
        undo_flaws=tuple(undo_flaws),
        _encode=signature.result.codec.encode,
        _decoders={each.name: each.value.codec.decode for each in parameters},
        _required=frozenset(each.name for each in parameters if each.default is REQUIRED),
        _undo=undo,
    )


def _isolation_flaws(
    function: Callable[..., Any], options: ActionOptions, declared: object
) -> list[Flaw]:
    if is_async(function):
        return [Flaw(NOT_FOR_COROUTINES)]
    flaws: list[Flaw] = []
    for what, it, instead in (
        ('isolation="process"', function, declared),
        ("process_deps=", options.process_deps, options.process_deps),
    ):
        try:
            if it is not None:
                check_found(it, instead=instead)
        except ValueError as error:
            flaws.append(Flaw(f"{what}: a new process cannot find it: {error}"))
    return flaws


_SAYS_WHICH: Final = (
    "give it an undo, or say read_only=True (it has no effect), "
    'no_undo="harmless" (its effect may stay), no_undo="ask" (a person decides) '
    'or no_undo="pivot" (the point of no return), or let it come after a pivot'
)


_MEETS_NO_UNKNOWN: Final = (
    'the undo of action "{}" cannot meet an unknown outcome (a time-out, a crash in '
    "the middle): let it take `output: X | None`, or, where the result may be None anyway, "
    "declare it with @action.undo(unknown=True); or say atomic=True if an exception from "
    "the action means that it had no effect"
)
_NO_THREAD: Final = (
    'action "{}" is a transaction: it and its undo must be async def, for its connection is '
    "not for other threads or processes"
)
_NO_UNDO: Final = {"ask": Undoing.ASK, "pivot": Undoing.PIVOT}


def _contract(options: ActionOptions, undo: Undo | None) -> tuple[Undoing, list[Flaw], list[Flaw]]:
    """Return the undo contract of the node, and what is wrong with it.

    The last of the three is wrong only where the node may have to be taken back: there a
    node without an undo must say which it is.
    """
    name = options.name
    says = [
        text
        for text, said in (
            ("read_only=True", options.read_only),
            (f'no_undo="{options.no_undo}"', options.no_undo is not None),
        )
        if said
    ]
    if says and undo is not None:
        both = f'action "{name}" says {" and ".join(says)} and has an undo: drop one of them'
        return Undoing.NOTHING, [Flaw(both)], []
    if says:
        return _NO_UNDO.get(options.no_undo or "", Undoing.NOTHING), [], []
    if undo is None:
        return Undoing.NEVER, [], [Flaw(f'action "{name}" has no undo: {_SAYS_WHICH}')]
    if undo.accepts_unknown:
        return Undoing.ANY, [], []
    if options.atomic:
        return Undoing.KNOWN, [], []
    return Undoing.KNOWN, [], [Flaw(_MEETS_NO_UNKNOWN.format(name))]
