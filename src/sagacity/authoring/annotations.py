"""Reading annotations: strings resolved, wrappers taken off, types told in words."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, TypeVar, Union

import typing_extensions
from typing_extensions import TypeAliasType

Names = dict[str, Any]

_WRAPPERS: Final = frozenset(
    {
        typing.Final,
        typing.ClassVar,
        typing.Required,
        typing.NotRequired,
        typing_extensions.Required,
        typing_extensions.NotRequired,
        typing_extensions.ReadOnly,
    }
)
_MODULE_PREFIX: Final = re.compile(r"(?:[\w<>]+\.)+(?=\w)")
_MAX_UNWRAPS: Final = 50  # an alias can be its own member


def enclosing_names(function: Callable[..., Any], depth: int) -> Names:
    """Return the names that `function`'s annotations may use besides its module's.

    Classes defined in a function (a test, mostly) are in no namespace that can be
    reached later: their names are taken from the callers, `depth` frames up, that
    `function` is written inside of.
    """
    qualname = getattr(function, "__qualname__", "")
    names: Names = {}
    if "<locals>" not in qualname:
        return names
    frame = inspect.currentframe()
    for _ in range(depth):
        frame = None if frame is None else frame.f_back
    found: list[Names] = []
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            break
        code_name = frame.f_code.co_qualname
        if qualname.startswith(f"{code_name}.<locals>."):
            found.append(dict(frame.f_locals))
        frame = frame.f_back
    for each in reversed(found):  # the innermost function's names win
        names |= each
    return names


def resolve(annotation: Any, function: Callable[..., Any], names: Mapping[str, Any]) -> Any:
    """Return the type that `annotation` stands for.

    Raises any `Exception`: what it names is not there.
    """
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    module = getattr(inspect.unwrap(function), "__globals__", {})
    return typing.get_type_hints(holder, module, dict(names), include_extras=True)["it"]


def hints_of(record: Any, names: Mapping[str, Any]) -> Names:
    """Return the types of the fields of `record`; those that cannot be resolved are `Any`."""
    try:
        return typing.get_type_hints(record, None, dict(names), include_extras=True)
    except Exception:  # noqa: BLE001 - evaluating annotations can raise anything
        hints: Names = {}
        for each in reversed(record.__mro__):
            hints |= dict.fromkeys(inspect.get_annotations(each), Any)
        return hints


def plain(type_: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return `type_` without aliases and wrappers, and the metadata they carried."""
    metadata: tuple[Any, ...] = ()
    for _ in range(_MAX_UNWRAPS):
        origin = typing.get_origin(type_)
        if origin is Annotated:
            metadata += type_.__metadata__
            type_ = type_.__origin__
        elif origin in _WRAPPERS:
            type_ = typing.get_args(type_)[0]
        elif isinstance(type_, typing.NewType):
            type_ = type_.__supertype__
        elif isinstance(type_, TypeAliasType):
            type_ = type_.__value__
        else:
            return type_, metadata
    return Any, metadata


def is_unknown(type_: Any) -> bool:
    """Whether nothing can be said of values of this (plain) type."""
    return type_ is Any or type_ is object or isinstance(type_, TypeVar | str | typing.ForwardRef)


def union_members(type_: Any) -> tuple[Any, ...] | None:
    """Return the members of a union, flat; None if `type_` is none."""
    bare, _ = plain(type_)
    if typing.get_origin(bare) not in (Union, types.UnionType):
        return None
    members: list[Any] = []
    for each in typing.get_args(bare):
        members += union_members(each) or (each,)
    return tuple(members)


def admits_none(type_: Any) -> bool:
    """Whether None is a value of `type_`; unknown types admit it."""
    members = union_members(type_) or (type_,)
    return says_optional(type_) or any(is_unknown(plain(each)[0]) for each in members)


def says_optional(type_: Any) -> bool:
    """Whether `type_` names None (an unknown type may admit it, but does not say so)."""
    return any(
        bare in (None, types.NoneType)
        or (typing.get_origin(bare) is typing.Literal and None in typing.get_args(bare))
        for bare, _ in map(plain, union_members(type_) or (type_,))
    )


def class_of(type_: Any) -> Any:
    """Return the class of a plain type's values; None if it is not known."""
    if is_unknown(type_):
        return None
    origin = types.NoneType if type_ is None else typing.get_origin(type_) or type_
    if origin is typing.Literal:
        kinds: set[Any] = {type(value) for value in typing.get_args(type_)}
        return kinds.pop() if len(kinds) == 1 else None
    return origin if isinstance(origin, type) else None


kind_of: Final[Callable[[Any], Any]] = type
"""Gives the class of a value of which the type checkers know nothing."""


def derives(kind: Any, *bases: Any) -> bool:
    """Whether `kind` is a subclass of one of `bases`; says nothing to the type checkers.

    They would take `issubclass(kind, list)` to mean a list of they do not know what.
    """
    return issubclass(kind, bases)


def in_words(type_: Any) -> str:
    """Return how a person would write `type_`."""
    if type_ is types.NoneType:
        return "None"
    if isinstance(type_, type) and not typing.get_args(type_):
        return type_.__name__
    return _MODULE_PREFIX.sub("", str(type_))
