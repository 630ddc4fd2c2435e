"""An undo and its contract: what it takes, and whether it can meet an unknown outcome.

An undo is called with the context, the output, and those inputs of the do that it
names. It says in its signature whether it accepts an unknown outcome: by an output
that may be None, or by `unknown=True` where the result type itself admits None.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sagacity.authoring.annotations import Names, admits_none, in_words, says_optional
from sagacity.authoring.fits import may_fit
from sagacity.authoring.mistakes import Flaw
from sagacity.authoring.signatures import (
    REQUIRED,
    Parameter,
    Signature,
    Typed,
    read_signature,
)
from sagacity.core.actions import is_async

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sagacity.core.values import Json


@dataclass(frozen=True, slots=True, eq=False)
class DeclaredUndo:
    """What the author wrote: a function, and what was said about unknown outcomes."""

    function: Callable[..., Any]
    unknown: bool | None
    names: Names


@dataclass(frozen=True, slots=True, eq=False)
class Undo:
    """An undo that was read against its do."""

    call: Callable[..., Any]
    blocks: bool
    accepts_unknown: bool
    output: Typed
    inputs: tuple[Parameter, ...]
    flaws: tuple[Flaw, ...]

    def arguments(self, inputs: Mapping[str, Json], output: Json | None) -> tuple[Any, ...]:
        """Return the positional arguments of `call`, less the context.

        Raises any `Exception`: something stored does not fit.
        """
        result = None if output is None else self.output.codec.decode(output)
        if not self.inputs:
            return (result,)
        return (result, *[_argument(each, inputs) for each in self.inputs])


def _argument(parameter: Parameter, inputs: Mapping[str, Json]) -> Any:
    stored = inputs.get(parameter.name)
    if stored is not None:
        return parameter.value.codec.decode(stored)
    if parameter.default is REQUIRED:
        raise ValueError(f'the undo takes "{parameter.name}", for which no input is stored')
    return parameter.default


def read_undo(declared: DeclaredUndo, do: Signature) -> Undo:
    """Return the undo; what is wrong with it, for a do of that signature, is in `flaws`."""
    signature = read_signature(declared.function, declared.names, takes_context=True)
    flaws = [Flaw(f"its undo: {each.text}", each.parameter) for each in signature.flaws]
    output, *wanted = signature.parameters.values() or (None,)
    if output is None or output.keyword_only:
        flaws.append(Flaw("its undo must take the output of the action after the context"))
        value = do.result
    else:
        value = output.value if output.value.is_stated else do.result
        flaws += _output_flaws(output, do)
    inputs: list[Parameter] = []
    for each in wanted:
        flaws += _input_flaws(each, do)
        if each.name in do.parameters:
            inputs.append(_bound(each, do.parameters[each.name]))
    accepts, unclear = _accepts_unknown(declared, output, do)
    return Undo(
        _positional(declared.function, [each for each in wanted if each.name in do.parameters]),
        not is_async(declared.function),
        accepts,
        value,
        tuple(inputs),
        (*flaws, *unclear),
    )


def _output_flaws(output: Parameter, do: Signature) -> list[Flaw]:
    if may_fit(do.result.type, output.value.type):
        return []
    return [
        Flaw(
            f"its undo takes {in_words(output.value.type)}, but the action gives "
            f"{in_words(do.result.type)}",
            output.name,
        )
    ]


def _input_flaws(wanted: Parameter, do: Signature) -> list[Flaw]:
    given = do.parameters.get(wanted.name)
    if given is None:
        if wanted.default is not REQUIRED:
            return []
        known = ", ".join(do.parameters) or "none"
        return [
            Flaw(
                f"its undo takes this, but the action has no such parameter (it has: {known})",
                wanted.name,
            )
        ]
    if may_fit(given.value.type, wanted.value.type):
        return []
    return [
        Flaw(
            f"its undo takes {in_words(wanted.value.type)}, but the action takes "
            f"{in_words(given.value.type)}",
            wanted.name,
        )
    ]


def _bound(wanted: Parameter, given: Parameter) -> Parameter:
    return Parameter(
        wanted.name,
        wanted.value if wanted.value.is_stated else given.value,
        # An input that no node bound: the do went by its own default.
        given.default if wanted.default is REQUIRED else wanted.default,
        wanted.keyword_only,
    )


def _accepts_unknown(
    declared: DeclaredUndo, output: Parameter | None, do: Signature
) -> tuple[bool, list[Flaw]]:
    said = declared.unknown
    if output is None:
        return False, []
    optional = output.value.is_stated and says_optional(output.value.type)
    if said is not None:
        if said and not admits_none(output.value.type):
            return True, [
                Flaw(
                    f"its undo says unknown=True, but takes {in_words(output.value.type)}: for an "
                    f"unknown outcome it is given None, so let it take "
                    f"{in_words(output.value.type)} | None",
                    output.name,
                )
            ]
        return said, []
    # Where the action itself may give None, `X | None` says nothing of unknown outcomes.
    return optional and not admits_none(do.result.type), []


def _positional(function: Callable[..., Any], wanted: list[Parameter]) -> Callable[..., Any]:
    """Return `function` so that it can be called with positional arguments only."""
    names = [each.name for each in wanted]
    leading = list(inspect.signature(function).parameters)[2 : 2 + len(names)]
    if names == leading and not any(each.keyword_only for each in wanted):
        return function

    # What the function returns, a coroutine mostly, is passed on as it is.
    def call(ctx: Any, output: Any, /, *arguments: Any) -> Any:
        return function(ctx, output, **dict(zip(names, arguments, strict=True)))

    return call
