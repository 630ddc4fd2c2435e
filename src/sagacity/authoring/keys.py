"""`limit_key=`: a path into params or inputs, checked against their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagacity.authoring.fields import NoFieldError, attribute, item
from sagacity.authoring.mistakes import Flaw
from sagacity.core.limits import KeyedLimit, split_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sagacity.authoring.annotations import Names
    from sagacity.authoring.fields import Field
    from sagacity.authoring.signatures import Parameter
    from sagacity.core.bindings import FieldPath


def action_key(
    key: str, parameters: Mapping[str, Parameter], names: Names
) -> tuple[FieldPath, tuple[Flaw, ...]]:
    """Return the path that `key` means: the name of a parameter, then fields; and what is wrong."""
    first, *rest = split_key(key)
    parameter = parameters.get(first)
    if parameter is None:
        known = ", ".join(parameters) or "none"
        return (first,), (
            Flaw(f'limit_key="{key}": there is no parameter "{first}"; it has {known}'),
        )
    try:
        return (first, *_path(parameter.value.type, rest, names)), ()
    except NoFieldError as error:
        return (first,), (Flaw(f'limit_key="{key}": {error}', first),)


def saga_limit(
    limit: int, key: str | None, parameter: Parameter | None, names: Names
) -> tuple[KeyedLimit, tuple[Flaw, ...]]:
    """Return the limit on a saga: its key is a path into the params; and what is wrong.

    The path may begin with the name of the parameter, as it is written in the function.
    """
    if key is None:
        return KeyedLimit(limit), ()
    if parameter is None:
        return KeyedLimit(limit), (Flaw(f'limit_key="{key}", but it has no params'),)
    parts = split_key(key)
    try:
        return KeyedLimit(limit, _path(parameter.value.type, parts, names), key), ()
    except NoFieldError as error:
        if parts[0] != parameter.name:
            return KeyedLimit(limit), (Flaw(f'limit_key="{key}": {error}', parameter.name),)
    try:
        return KeyedLimit(limit, _path(parameter.value.type, parts[1:], names), key), ()
    except NoFieldError as error:
        return KeyedLimit(limit), (Flaw(f'limit_key="{key}": {error}', parameter.name),)


def _path(type_: Any, parts: Sequence[str], names: Names) -> FieldPath:
    """Return where the value is stored.

    Raises:
        NoFieldError: provably nowhere.
    """
    path: FieldPath = ()
    for part in parts:
        field = _field(type_, part, names)
        path, type_ = path + field.path, field.type
    return path


def _field(type_: Any, part: str, names: Names) -> Field:
    try:
        return attribute(type_, part, names)
    except NoFieldError as error:
        try:
            return item(type_, int(part) if part.isdecimal() else part, names)
        except NoFieldError:
            raise error from None
