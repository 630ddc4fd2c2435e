"""What a function takes and gives: read once, with everything that is wrong with it."""

from __future__ import annotations

import inspect
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sagacity.authoring import codecs
from sagacity.authoring.annotations import Names, in_words, is_unknown, plain, resolve
from sagacity.authoring.codecs import Codec, NoCodecError, codec_for
from sagacity.authoring.context import Context
from sagacity.authoring.mistakes import Flaw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REQUIRED: Final = inspect.Parameter.empty
_VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True, eq=False)
class Typed:
    """A type and its way to JSON. What has no annotation is any JSON."""

    type: Any
    codec: Codec
    is_stated: bool = True


UNSTATED: Final = Typed(Any, codecs.ANY, is_stated=False)


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """A parameter of a function."""

    name: str
    value: Typed
    default: Any = REQUIRED
    keyword_only: bool = False
    positional_only: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """A function's parameters (less the context, if it takes one) and its result."""

    parameters: Mapping[str, Parameter]
    result: Typed
    flaws: tuple[Flaw, ...]


def read_signature(function: Callable[..., Any], names: Names, *, takes_context: bool) -> Signature:
    """Return the signature of `function`; what is wrong with it is in `flaws`.

    `names` are those that its annotations may use besides its module's.
    """
    flaws: list[Flaw] = []
    raw = inspect.signature(function)
    entries = list(raw.parameters.values())
    if takes_context:
        flaws += _context_flaws(entries, function, names)
        entries = entries[1:]
    parameters: dict[str, Parameter] = {}
    for entry in entries:
        if entry.kind in _VARIADIC:
            flaws.append(
                Flaw("*args and **kwargs have no names to bind inputs to; list them", entry.name)
            )
            continue
        parameters[entry.name] = Parameter(
            entry.name,
            _typed(entry.annotation, function, names, flaws, entry.name),
            entry.default,
            keyword_only=entry.kind is inspect.Parameter.KEYWORD_ONLY,
            positional_only=entry.kind is inspect.Parameter.POSITIONAL_ONLY,
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        flaws.append(Flaw("it is a generator function; return the value instead of yielding"))
    return Signature(
        parameters,
        _typed(raw.return_annotation, function, names, flaws, ""),
        tuple(flaws),
    )


def _typed(
    annotation: Any,
    function: Callable[..., Any],
    names: Names,
    flaws: list[Flaw],
    parameter: str,
) -> Typed:
    if annotation is inspect.Signature.empty:
        return UNSTATED
    subject = "" if parameter else "its result: "
    try:
        type_ = resolve(annotation, function, names)
    except Exception as error:  # noqa: BLE001 - evaluating an annotation can raise anything
        flaws.append(
            Flaw(
                f"{subject}annotation {annotation!r} cannot be resolved ({error}); it must name "
                "what can be imported or is defined before the function",
                parameter,
            )
        )
        return UNSTATED
    try:
        return Typed(type_, codec_for(type_, names))
    except NoCodecError as error:
        flaws.append(Flaw(f"{subject}{error}", parameter))
        return UNSTATED


def _context_flaws(
    entries: list[inspect.Parameter], function: Callable[..., Any], names: Names
) -> list[Flaw]:
    wanted = "the first parameter must be the context (ctx: Context)"
    if not entries or entries[0].kind in (*_VARIADIC, inspect.Parameter.KEYWORD_ONLY):
        return [Flaw(wanted)]
    annotation = entries[0].annotation
    if annotation is inspect.Signature.empty:
        return []
    try:
        type_, _ = plain(resolve(annotation, function, names))
    except Exception:  # noqa: BLE001 - nobody decodes a context: its type need not be there
        return []
    kind = typing.get_origin(type_) or type_
    if is_unknown(kind) or (isinstance(kind, type) and issubclass(Context, kind)):
        return []
    return [Flaw(f"{wanted}, not {in_words(type_)}", entries[0].name)]
