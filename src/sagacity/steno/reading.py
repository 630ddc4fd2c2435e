"""Parts of a parsed document: each is of the form asked for, or `NotSteno` with its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from sagacity.core.values import encode
from sagacity.errors import NotSteno, ValueNotStorable

if TYPE_CHECKING:
    from sagacity.core.values import Json


def value_at(value: Any, where: str) -> Json:
    """Return any value, as canonical JSON."""
    try:
        return encode(value)
    except ValueNotStorable as error:
        raise NotSteno(f"{where}: {error}") from error


def object_at(value: Any, where: str) -> Mapping[str, Any]:
    """Return an object."""
    if not isinstance(value, Mapping):
        raise NotSteno(f"{where}: {value!r:.80} is not an object")
    return cast("Mapping[str, Any]", value)


def variant_of(value: Any) -> tuple[str, Any]:
    """Return the tag and the body of a variant, `("", None)` of what is none."""
    if isinstance(value, Mapping) and len(members := cast("Mapping[str, Any]", value)) == 1:
        ((tag, body),) = members.items()
        return tag, body
    return "", None


def member_of(members: Mapping[str, Any], name: str, where: str) -> Any:
    """Return a member that must be there."""
    if name not in members:
        raise NotSteno(f'{where} has no member "{name}"')
    return members[name]


def array_at(value: Any, where: str, limit: int) -> list[Any]:
    """Return an array of at most `limit` items."""
    match value:
        case [*items] if len(items) <= limit:
            return items
        case [*items]:
            raise NotSteno(f"{where}: {len(items):,} are over the limit of {limit:,}")
        case _:
            raise NotSteno(f"{where}: {value!r:.80} is not an array")


def text_at(value: Any, where: str) -> str:
    """Return text that a log or a definition may hold."""
    if not isinstance(value, str):
        raise NotSteno(f"{where}: {value!r:.80} is not text")
    value_at(value, where)
    return value


def index_at(value: Any, where: str) -> int:
    """Return the index of a node (whether it is in the graph is for others)."""
    if type(value) is not int or value < 0:
        raise NotSteno(f"{where}: {value!r:.80} is not the index of a node")
    return value


def uuid_at(value: Any, where: str) -> UUID:
    """Return a UUID."""
    try:
        parsed = UUID(value)
    except (ValueError, AttributeError, TypeError):
        pass
    else:
        # `UUID` skips dashes and braces wherever they stand.
        if value.lower() in (str(parsed), parsed.hex, parsed.urn, f"{{{parsed}}}"):
            return parsed
    raise NotSteno(f"{where}: {value!r:.80} is not the text of a UUID")
