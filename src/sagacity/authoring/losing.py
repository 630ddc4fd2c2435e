"""What pydantic would lose on the way to JSON without a word.

Where no type is declared nothing says what a value has to come back as, so what JSON has no
form for is refused: a name of a member that is no text, a set, bytes. Where one is declared
these come back as they were, unless two keys of a mapping have the same text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from sagacity.authoring.annotations import derives, kind_of
from sagacity.core.secret import Secret
from sagacity.core.values import MAX_DEPTH
from sagacity.errors import ValueNotStorable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagacity.core.values import Json

_TELLING_KEYS: Final = frozenset({"str", "int", "uuid", "date"})
"""Types of which no two values have the same text."""
_UNTYPED: Final = frozenset({"any", "function-plain", "function-wrap"})
_NAME_ENDS: Final = b'":'  # in text the quotation mark is an escape: here it ends a name


def check_untyped(value: Any) -> None:
    """Look at a value of no declared type; records in it have types of their own.

    Raises:
        ValueNotStorable: it would not come back as what it is; says where.
    """
    try:
        _check(value, 0)
    except ValueNotStorable as error:
        raise ValueNotStorable(error.reason, f"${error.where}"[:200]) from None


def _check(value: Any, depth: int) -> None:
    kind = kind_of(value)
    if derives(kind, dict):
        for name, member in value.items():
            if not derives(kind_of(name), str):
                raise ValueNotStorable(f"member name {_told(name)} is not a string")
            _check_part(member, f".{name}", depth)
    elif derives(kind, list, tuple) and not hasattr(kind, "_fields"):
        for index, item in enumerate(value):
            _check_part(item, f"[{index}]", depth)
    elif kind is Secret:
        _check_part(value.reveal(), "", depth)
    elif derives(kind, set, frozenset):
        raise ValueNotStorable(
            "a set is not a JSON type: declare its type (`set[int]`), or give a list"
        )
    elif derives(kind, bytes, bytearray, memoryview):
        raise ValueNotStorable("bytes are no JSON type: give text, in base64 for instance")


def _check_part(value: Any, step: str, depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise ValueNotStorable(f"nested deeper than {MAX_DEPTH}")
    try:
        _check(value, depth + 1)
    except ValueNotStorable as error:
        raise ValueNotStorable(error.reason, f"{step}{error.where}") from None


def _told(name: object) -> str:
    # The text of a user's object, or of a huge integer, may raise anything.
    plain = type(name) in (int, float, bool, type(None))
    try:
        return f"{name!r:.80}" if plain else f"of type {type(name).__qualname__}"
    except ValueError:
        return "of type int"


def may_lose_members(schema: Any) -> bool:
    """Whether two keys of a mapping in a value of this core schema could have the same text."""
    todo = [schema]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            part = cast("dict[str, Any]", node)
            kind = part.get("type")
            if kind in _UNTYPED or part.get("extra_behavior") == "allow":
                return True
            if kind == "dict" and part.get("keys_schema", {}).get("type") not in _TELLING_KEYS:
                return True
            todo += part.values()
        elif isinstance(node, list | tuple):
            todo += cast("list[Any]", node)
    return False


def check_members(text: Json, written: bytes) -> None:
    """Compare the JSON that is stored with what pydantic itself writes of the same value.

    Raises:
        ValueNotStorable: a member is missing, as it had the same name as another.
    """
    if text.count(_NAME_ENDS) != written.count(_NAME_ENDS):
        json.loads(written, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    members: dict[str, Any] = {}
    for name, member in pairs:
        if name in members:
            raise ValueNotStorable(f"two keys have the same text, {name!r:.80}")
        members[name] = member
    return members
