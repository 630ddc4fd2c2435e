"""Whether a value of one type can be given where another is wanted.

Says no only where a type checker and the JSON both would: what may turn out well
(an `Any`, a union of which one member fits, a text that may be a date) passes,
and is checked when the value is there.
"""

from __future__ import annotations

import collections.abc
import datetime as dt
import decimal
import enum
import pathlib
import typing
import uuid
from typing import Any, Final

import pydantic
import typing_extensions

from sagacity.authoring.annotations import class_of, derives, is_unknown, plain, union_members
from sagacity.authoring.fields import ARRAYS, array_item, record_fields
from sagacity.core.secret import Secret

_TEXTS: Final = (
    bytes,
    dt.date,
    dt.time,
    dt.timedelta,
    decimal.Decimal,
    pathlib.PurePath,
    uuid.UUID,
)
"""Types whose values are stored as text, so that `str` may be given for them."""

_PROMOTIONS: Final = {
    (int, float),
    (int, complex),
    (float, complex),
    (int, decimal.Decimal),
    (float, decimal.Decimal),
}
_MAX_DEPTH: Final = 6  # types can be recursive, with several branches at each level


def may_fit(source: Any, target: Any, depth: int = 0) -> bool:
    """Whether it cannot be ruled out that values of `source` are good for `target`."""
    if source is target:
        return True
    source, target = plain(source)[0], plain(target)[0]
    if depth > _MAX_DEPTH or is_unknown(source) or is_unknown(target) or source == target:
        return True
    sources, targets = _alternatives(source), _alternatives(target)
    if sources is not None or targets is not None:
        return any(
            may_fit(one, other, depth + 1)
            for one in sources or (source,)
            for other in targets or (target,)
        )
    given, wanted = class_of(source), class_of(target)
    if given is None or wanted is None or _has_any_shape(given) or _has_any_shape(wanted):
        return True
    if given is Secret and wanted is not Secret:
        return False  # it becomes a plain value only where it is revealed; that one may become one
    if wanted is Secret:
        return may_fit(_inside(source), _inside(target), depth + 1)
    if derives(given, *ARRAYS) and derives(wanted, *ARRAYS) and not _is_text(given, wanted):
        return _items_fit(source, target, depth)
    if _is_object(given) and _is_object(wanted):
        return _members_fit(source, target, given, wanted, depth)
    if (_is_object(given) and _is_record(wanted)) or (_is_object(wanted) and _is_record(given)):
        return True  # the same JSON, if the members are right
    if _is_object(given) or _is_object(wanted):
        given, wanted = (dict if _is_object(kind) else kind for kind in (given, wanted))
    return _related(given, wanted) or _converts(given, wanted)


def _inside(type_: Any) -> Any:
    """Return the type of what a secret holds, or that of a plain value."""
    return next(iter(typing.get_args(type_)), Any) if class_of(type_) is Secret else type_


def _alternatives(type_: Any) -> tuple[Any, ...] | None:
    """Return the members of a union, or the types of the values of a `Literal`."""
    if typing.get_origin(type_) is typing.Literal:
        return tuple({type(value) for value in typing.get_args(type_)})
    return union_members(type_)


def _is_text(*kinds: Any) -> bool:
    return any(derives(kind, str, bytes) for kind in kinds)


def _is_object(kind: Any) -> bool:
    return derives(kind, collections.abc.Mapping) or typing_extensions.is_typeddict(kind)


def _is_record(kind: Any) -> bool:
    return not derives(kind, tuple) and record_fields(kind, {}) is not None


def _items_fit(source: Any, target: Any, depth: int) -> bool:
    ours, wanted = _item_types(source), _item_types(target)
    if ours is not None and wanted is not None:
        return len(ours) == len(wanted) and all(
            may_fit(one, other, depth + 1) for one, other in zip(ours, wanted, strict=True)
        )
    if ours is not None:
        return all(may_fit(each, array_item(target), depth + 1) for each in ours)
    if wanted is not None:
        return all(may_fit(array_item(source), each, depth + 1) for each in wanted)
    return may_fit(array_item(source), array_item(target), depth + 1)


def _item_types(type_: Any) -> list[Any] | None:
    """Return the types of the items of a tuple of fixed length."""
    if typing.get_origin(type_) is tuple:
        arguments = typing.get_args(type_)
        return None if arguments[-1:] == (Ellipsis,) else list(arguments)
    kind = class_of(type_)
    if kind is not None and derives(kind, tuple) and hasattr(kind, "_fields"):
        return list((record_fields(type_, {}) or {}).values())
    return None


def _members_fit(source: Any, target: Any, given: Any, wanted: Any, depth: int) -> bool:
    if typing_extensions.is_typeddict(given) or typing_extensions.is_typeddict(wanted):
        if not (typing_extensions.is_typeddict(given) and typing_extensions.is_typeddict(wanted)):
            return True
        ours, theirs = record_fields(source, {}) or {}, record_fields(target, {}) or {}
        required: frozenset[str] = getattr(wanted, "__required_keys__", frozenset())
        return required <= ours.keys() and all(
            may_fit(ours[name], theirs[name], depth + 1) for name in ours.keys() & theirs.keys()
        )
    one, other = typing.get_args(source), typing.get_args(target)
    if len(one) != len(other):
        return True
    # Keys are texts in JSON, whatever they are in Python.
    return all(
        may_fit(each, want, depth + 1) for each, want in zip(one[1:], other[1:], strict=True)
    )


def _has_any_shape(kind: Any) -> bool:
    """Whether values of `kind` can have any JSON, as far as this file can see."""
    return getattr(kind, "_is_protocol", False) or derives(kind, pydantic.RootModel)


def _related(given: Any, wanted: Any) -> bool:
    if derives(given, wanted) or derives(wanted, given):
        return True
    if derives(given, pydantic.BaseModel) and derives(wanted, pydantic.BaseModel):
        # Box[Any] and Box[int] are two subclasses of Box.
        origin = given.__pydantic_generic_metadata__["origin"]
        return origin is not None and origin is wanted.__pydantic_generic_metadata__["origin"]
    return False


def _converts(given: Any, wanted: Any) -> bool:
    if (given, wanted) in _PROMOTIONS:
        return True
    if derives(given, str) or derives(wanted, str):
        other = wanted if derives(given, str) else given
        return derives(other, *_TEXTS) or _has_text_values(other)
    for one, other in ((given, wanted), (wanted, given)):
        if derives(one, enum.Enum) and not derives(other, enum.Enum):
            return any(derives(type(each.value), other) for each in one)
    return _is_foreign(given) or _is_foreign(wanted)


def _has_text_values(kind: Any) -> bool:
    return derives(kind, enum.Enum) and any(isinstance(each.value, str) for each in kind)


def _is_foreign(kind: Any) -> bool:
    """Whether only the class itself knows its JSON (pydantic's models have a known one)."""
    return hasattr(kind, "__get_pydantic_core_schema__") and not _is_record(kind)
