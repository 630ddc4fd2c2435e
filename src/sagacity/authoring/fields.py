"""Which fields a stored value has: what `payment.amount` and `payment["k"]` may name.

A field is a member of the JSON that the codec writes. Of types whose JSON only
their own code knows (custom serialisers, foreign classes) any field is accepted.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import difflib
import inspect
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, Union

import pydantic
import pydantic_core
import typing_extensions

from sagacity.authoring.annotations import (
    Names,
    class_of,
    derives,
    hints_of,
    in_words,
    plain,
    union_members,
)
from sagacity.core.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sagacity.core.bindings import FieldPath

ARRAYS: Final = (
    list,
    tuple,
    set,
    frozenset,
    collections.deque,
    collections.abc.Sequence,
    collections.abc.Set,
)
_HANDED_ON_WHOLE: Final = "a secret is handed on whole: take it as Secret[...] in an action"
_INDEXED: Final = (list, tuple, collections.deque, collections.abc.Sequence)
_OBJECTS: Final = (dict, collections.abc.Mapping)
_SERIALIZERS: Final = ("PlainSerializer", "WrapSerializer", "SerializeAsAny")


@dataclass(frozen=True, slots=True)
class Field:
    """A field: where it is in the JSON, and its type."""

    path: FieldPath
    type: Any


class NoFieldError(Exception):
    """There is no such field; the text says what there is."""


def attribute(type_: Any, name: str, names: Names) -> Field:
    """Return what `.name` of a value of `type_` refers to.

    Raises:
        NoFieldError: provably nothing.
    """
    return _of_any_member(type_, lambda member: _attribute(member, name, names))


def item(type_: Any, key: str | int, names: Names) -> Field:
    """Return what `[key]` of a value of `type_` refers to.

    Raises:
        NoFieldError: provably nothing.
    """
    return _of_any_member(type_, lambda member: _item(member, key, names))


def _of_any_member(type_: Any, look: collections.abc.Callable[[Any], Field]) -> Field:
    """Look in each member of a union but None: which one it is, is known when it runs."""
    bare, metadata = plain(type_)
    if any(type(each).__name__ in _SERIALIZERS for each in metadata):
        bare = Any
    members = union_members(bare)
    if members is None:
        return look(bare)
    found: list[Field] = []
    error = NoFieldError(f"None has no fields (of {in_words(type_)})")
    for member in members:
        if plain(member)[0] is type(None):
            continue
        try:
            found.append(_of_any_member(member, look))
        except NoFieldError as missing:
            error = missing
    if not found:
        raise error
    if len({field.path for field in found}) > 1:
        raise NoFieldError(
            f"it is stored differently in the members of {in_words(type_)}; "
            "take the whole value in an action"
        )
    kinds = [field.type for field in found]
    return Field(found[0].path, kinds[0] if len(kinds) == 1 else Union[tuple(kinds)])  # noqa: UP007


def _attribute(type_: Any, name: str, names: Names) -> Field:
    kind = class_of(type_)
    if kind is Secret:
        raise NoFieldError(_HANDED_ON_WHOLE)
    if kind is None or _writes_its_own_json(kind):
        return Field((name,), Any)
    if derives(kind, pydantic.RootModel) and name == "root":
        return Field((), kind.model_fields["root"].annotation)
    fields = record_fields(type_, names)
    if fields is None:
        if _is_foreign(kind):
            return Field((name,), Any)
        raise NoFieldError(_not_a_record(type_, kind, name))
    if name not in fields:
        if _takes_more(kind):
            return Field((name,), Any)
        raise NoFieldError(_unknown(type_, kind, name, fields))
    if derives(kind, tuple):
        return Field((list(fields).index(name),), fields[name])
    if typing_extensions.is_typeddict(kind):
        raise NoFieldError(f'{in_words(type_)} is a dict: write ["{name}"]')
    return Field((name,), fields[name])


def _item(type_: Any, key: str | int, names: Names) -> Field:
    kind = class_of(type_)
    if kind is Secret:
        raise NoFieldError(_HANDED_ON_WHOLE)
    if kind is None or _writes_its_own_json(kind):
        return Field((key,), Any)
    if derives(kind, pydantic.RootModel):
        return item(kind.model_fields["root"].annotation, key, names)
    fields = record_fields(type_, names)
    if fields is not None and typing_extensions.is_typeddict(kind):
        if key not in fields:
            raise NoFieldError(_unknown(type_, kind, key, fields))
        return Field((key,), fields[str(key)])
    if fields is not None and not derives(kind, tuple):
        raise NoFieldError(f"the fields of {in_words(type_)} are attributes: write .{key}")
    if derives(kind, *_OBJECTS):
        member = typing.get_args(type_)[1] if len(typing.get_args(type_)) > 1 else Any
        return Field((member_name(key),), member)
    if derives(kind, *_INDEXED) and not derives(kind, str, bytes):
        if type(key) is not int:
            raise NoFieldError(
                f"{in_words(type_)} is stored as an array: {key!r} is no index of it"
            )
        kinds = list(fields.values()) if fields is not None else None
        return _indexed(type_, key, kinds)
    if _is_foreign(kind):
        return Field((key,), Any)
    raise NoFieldError(f"a value of type {in_words(type_)} has no items")


def _indexed(type_: Any, index: int, types: list[Any] | None) -> Field:
    if types is None:
        types = _fixed_items(type_)
    if types is None:
        return Field((index,), array_item(type_))
    if not -len(types) <= index < len(types):
        raise NoFieldError(f"{in_words(type_)} has {len(types)} items: there is no [{index}]")
    return Field((index % len(types),), types[index])


def _fixed_items(type_: Any) -> list[Any] | None:
    arguments = typing.get_args(type_)
    if class_of(type_) is not tuple or not arguments or arguments[-1] is Ellipsis:
        return None
    return list(arguments)


def has_fixed_items(type_: Any) -> bool:
    """Whether the items of an array type have a type each."""
    return _fixed_items(type_) is not None


def array_item(type_: Any, index: int = 0) -> Any:
    """Return the type of the items of an array type, of the one at `index` if they differ."""
    fixed = _fixed_items(type_)
    if fixed is not None:
        return fixed[index] if index < len(fixed) else Any
    arguments = typing.get_args(type_)
    return arguments[0] if arguments else Any


def member_name(key: Any) -> str:
    """Return the name that a member of a dict is stored under."""
    return key if type(key) is str else next(iter(pydantic_core.to_jsonable_python({key: None})))


def record_fields(type_: Any, names: Names) -> dict[str, Any] | None:
    """Return the stored fields of a record type and their types; None if it is no record."""
    kind = class_of(type_)
    if kind is None:
        return None
    if derives(kind, pydantic.BaseModel):
        overridden = {
            name
            for decorator in kind.__pydantic_decorators__.field_serializers.values()
            for name in decorator.info.fields
        }
        return {
            name: Any
            if name in overridden or "*" in overridden or _has_serializer(info.metadata)
            else info.annotation
            for name, info in kind.model_fields.items()
            if not info.exclude
        }
    if dataclasses.is_dataclass(kind):
        hints = hints_of(kind, names)
        return _specialised(
            type_, {each.name: hints.get(each.name, Any) for each in dataclasses.fields(kind)}
        )
    if typing_extensions.is_typeddict(kind):
        return _specialised(type_, hints_of(kind, names))
    if derives(kind, tuple) and hasattr(kind, "_fields"):
        hints = hints_of(kind, names)
        return _specialised(type_, {name: hints.get(name, Any) for name in kind._fields})
    return None


def _has_serializer(metadata: Iterable[Any]) -> bool:
    return any(type(each).__name__ in _SERIALIZERS for each in metadata)


def _specialised(type_: Any, hints: dict[str, Any]) -> dict[str, Any]:
    """Put the arguments of a generic record (`Box[int]`) in for its type variables."""
    variables = getattr(typing.get_origin(type_) or type_, "__parameters__", ())
    if not variables:
        return hints
    given = dict(zip(variables, typing.get_args(type_), strict=False))
    return {name: _substituted(hint, given) for name, hint in hints.items()}


def _substituted(hint: Any, given: Mapping[Any, Any]) -> Any:
    if isinstance(hint, TypeVar):
        return given.get(hint, Any)
    own = getattr(hint, "__parameters__", ())
    if own and not isinstance(hint, type):
        return hint[tuple(given.get(each, Any) for each in own)]
    return hint


def _writes_its_own_json(kind: Any) -> bool:
    if derives(kind, pydantic.BaseModel):
        return bool(kind.__pydantic_decorators__.model_serializers)
    # A pydantic dataclass keeps its decorators in the same place.
    decorators = getattr(kind, "__pydantic_decorators__", None)
    return decorators is not None and bool(
        decorators.model_serializers or decorators.field_serializers
    )


def _is_foreign(kind: Any) -> bool:
    return hasattr(kind, "__get_pydantic_core_schema__") or getattr(kind, "_is_protocol", False)


def _takes_more(kind: Any) -> bool:
    return derives(kind, pydantic.BaseModel) and kind.model_config.get("extra") == "allow"


def _not_a_record(type_: Any, kind: Any, name: str) -> str:
    if derives(kind, *_OBJECTS):
        return f'{in_words(type_)} has no attributes that are stored: write ["{name}"]'
    return f'"{name}" is not stored: a value of type {in_words(type_)} has no fields'


def _unknown(type_: Any, kind: Any, name: str | int, fields: Mapping[str, Any]) -> str:
    shown = in_words(type_)
    if type(name) is str and inspect.getattr_static(kind, name, None) is not None:
        return (
            f'"{name}" of {shown} is not a stored field; '
            "take the whole value in an action and ask it there"
        )
    close = difflib.get_close_matches(str(name), fields, n=1)
    hint = f'; did you mean "{close[0]}"?' if close else f"; it has {', '.join(fields) or 'none'}"
    return f'{shown} has no field "{name}"{hint}'
