"""Secrets taken out of what people see and of what leaves a store.

Everything that shows a stored value reads it with `shown` (or is made from what was
masked here), and nobody else has to know that there are secrets. Types play no part:
the stored form says what is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import orjson
from msgspec.structs import replace

from sagacity.core.events import ErrorRecord
from sagacity.core.secret import MARK, MASK, Secret
from sagacity.core.values import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sagacity.core.codec import LoggedEvent
    from sagacity.core.immutable import Immutable
    from sagacity.core.values import Json

R = TypeVar("R", bound="Immutable")

_MARK_TEXT: Final = orjson.dumps(MARK)


def may_hold_secrets(text: Json) -> bool:
    """Whether a look at the value is needed: a text of others may write the mark in escapes."""
    return _MARK_TEXT in text or b"\\u00" in text


def shown(text: Json) -> Any:
    """Return a stored value for people: `***` in the place of each secret."""
    value = decode(text)
    return _replaced(value, _mask) if may_hold_secrets(text) else value


def masked(text: Json) -> Json:
    """Return a stored value in which each secret holds `***` instead of its value."""
    if not may_hold_secrets(text):
        return text
    return orjson.dumps(_replaced(decode(text), _masked_secret), option=orjson.OPT_SORT_KEYS)


def revived(text: Json) -> Any:
    """Return a stored value as its JSON, with each secret a `Secret` again."""
    value = decode(text)
    return _replaced(value, _secret) if may_hold_secrets(text) else value


def revive_inside(value: dict[str, Any] | list[Any]) -> Any:
    """Return the members of a stored object or array with each secret a `Secret` again."""
    if isinstance(value, list):
        return [_replaced(item, _secret) for item in value]
    return {name: _replaced(member, _secret) for name, member in value.items()}


def secret_places(text: Json) -> list[str]:
    """Return where the secrets of a stored value are, as paths in it: `.login.password`, `[0]`."""
    return list(_places(decode(text), "")) if may_hold_secrets(text) else []


def holds_secrets(text: Json) -> bool:
    """Whether a stored value has a secret in it."""
    return may_hold_secrets(text) and next(_places(decode(text), ""), None) is not None


def masked_log(log: Iterable[LoggedEvent]) -> Iterator[LoggedEvent]:
    """Yield a log in which each secret holds `***`; events that have none as they are."""
    for logged in log:
        event = _masked_parts(logged.event)
        yield logged if event is logged.event else replace(logged, event=event)


def _masked_parts(record: R) -> R:
    """Mask the JSON in an event, whatever event it is."""
    changed: dict[str, Any] = {}
    for name in record.__struct_fields__:
        part = getattr(record, name)
        if isinstance(part, bytes):
            hidden: Any = masked(part)
        elif isinstance(part, ErrorRecord):
            hidden = _masked_parts(part)
        else:
            continue
        if hidden is not part:
            changed[name] = hidden
    return replace(record, **changed) if changed else record


def _mask(_secret: Any) -> str:
    return MASK


def _masked_secret(_secret: Any) -> dict[str, str]:
    return {MARK: MASK}


def _secret(inside: Any) -> Secret[Any]:
    return Secret(_replaced(inside, _secret))


def _replaced(value: Any, made_of: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        if _is_secret(members):
            return made_of(members[MARK])
        return {name: _replaced(member, made_of) for name, member in members.items()}
    if isinstance(value, list):
        return [_replaced(item, made_of) for item in _items(value)]
    return value


def _places(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        if _is_secret(members):
            yield where
            return
        for name, member in members.items():
            yield from _places(member, f"{where}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(_items(value)):
            yield from _places(item, f"{where}[{index}]")


def _items(value: Any) -> list[Any]:
    items: list[Any] = value
    return items


def _is_secret(members: dict[str, Any]) -> bool:
    return len(members) == 1 and MARK in members
