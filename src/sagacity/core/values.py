"""JSON values that may enter the log: checked and made canonical at the edge.

A stored value is canonical JSON in UTF-8: sorted members, no spaces. The set is
closed and the same for every store: no NaN or infinity, no NUL, no lone
surrogates, integers from -2^63 to 2^64 - 1, bounded depth and size. What only a
database would refuse is refused here, before it can become a poison pill.
"""

from __future__ import annotations

import json
import math
import types
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from sagacity.core.secret import MARK, Secret
from sagacity.errors import LogCorrupt, ValueNotStorable

if TYPE_CHECKING:
    from collections.abc import Callable

Json: TypeAlias = bytes
"""Canonical JSON text of one value, as stored."""

NULL: Final[Json] = b"null"
MAX_VALUE_BYTES: Final = 1024 * 1024
"""The most that one value may be, unless a coordinator is told another limit."""
MOST_VALUE_BYTES: Final = 16 * 1024 * 1024
"""The most that it can be told."""
MAX_DEPTH: Final = 100
INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**64 - 1

_OVER: Final = "value of {:,} bytes is over the limit of {:,}"
_INTEGER_OUTSIDE: Final = "integer outside -2^63 .. 2^64 - 1 (store it as a string)"


def encode(value: Any, *, limit_bytes: int = MAX_VALUE_BYTES) -> Json:
    """Return the canonical JSON of `value`.

    Tuples become arrays, and a `Secret` its stored form. Else only the JSON types of
    Python are taken; types of the user are made JSON before this (`authoring`).

    Raises:
        ValueNotStorable: names what is wrong and where.
    """
    text: Json | None = None
    if _is_plain(value, 0):
        try:
            text = _written(value)
        except orjson.JSONEncodeError:
            text = None
    if text is None or (_BACKSLASH in text and _WRITTEN_NUL in text):
        text = _encode_with_care(value)
    if len(text) > limit_bytes:
        raise ValueNotStorable(_OVER.format(len(text), limit_bytes))
    return text


def within(text: Json, limit_bytes: int) -> Json:
    """Return `text`, if it is no larger.

    Raises:
        ValueNotStorable: it is.
    """
    if len(text) > limit_bytes:
        raise ValueNotStorable(
            f"{_OVER.format(len(text), limit_bytes)}: keep it elsewhere and hand on where it is, "
            "or raise max_value_bytes"
        )
    return text


def check_value_limit(limit_bytes: int) -> int:
    """Return `limit_bytes`, if values can be given that limit.

    Raises:
        ValueError: they cannot.
    """
    if not 1 <= limit_bytes <= MOST_VALUE_BYTES:
        raise ValueError(
            f"max_value_bytes={limit_bytes}: it must be within 1 .. {MOST_VALUE_BYTES:,}"
        )
    return limit_bytes


def _written(value: Any, default: Callable[[Any], Any] | None = None) -> Json:
    # orjson gives the whole buffer that it wrote to, which is 4 KiB for the smallest text (and
    # making that room is dearer than the writing). A copy is as long as the text.
    return b"%b" % orjson.dumps(value, default, orjson.OPT_SORT_KEYS)


def decode(text: Json) -> Any:
    """Return the value of a stored text.

    Raises:
        LogCorrupt: it is not JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise LogCorrupt(f"stored value is not JSON: {error}") from error


def encode_again(value: Any) -> Json:
    """Return the canonical JSON of a part of what was read from a store.

    Raises:
        LogCorrupt: it is nested deeper than any value that was written.
    """
    try:
        return _written(value)
    except orjson.JSONEncodeError as error:
        raise LogCorrupt(f"not a stored value: {error}") from error


def canonical(text: bytes | str, *, limit_bytes: int = MOST_VALUE_BYTES) -> Json:
    """Return the canonical form of JSON text that came from outside.

    Raises:
        ValueNotStorable: not JSON, or not a storable value.
    """
    try:
        # Not orjson: it takes the last of two members of one name, and makes floats of large
        # integers. What is stored would not be what was written.
        value = json.loads(
            text if isinstance(text, str) else text.decode(),
            object_pairs_hook=_members,
            parse_int=_integer,
        )
    except (ValueError, RecursionError) as error:
        raise ValueNotStorable(f"not JSON: {error}") from error
    return encode(value, limit_bytes=limit_bytes)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueNotStorable(f'member "{twice:.80}" is there twice')
    return members


def _integer(digits: str) -> int:
    if len(digits) > len(str(INT_MIN)):
        raise ValueNotStorable(_INTEGER_OUTSIDE)
    return int(digits)


def _encode_with_care(value: Any) -> Json:
    """Say what is wrong with `value` and where; what is only suspect is written after all."""
    try:
        _check(value, 0)
    except ValueNotStorable as error:
        raise ValueNotStorable(error.reason, f"${error.where}"[:200]) from None
    return _written(value, _stored_secret)


def _stored_secret(value: Any) -> Any:
    secret: Secret[Any] = value  # `_check` has let nothing else pass
    return {MARK: secret.reveal()}


_WRITTEN_NUL: Final = b"\\u0000"
_BACKSLASH: Final = ord("\\")  # Python finds one byte ten times as fast as a short text
_PLAIN: Final = frozenset({str, int, bool, types.NoneType})


def _is_plain(value: Any, depth: int) -> bool:
    """Whether nothing but the JSON types of Python is in `value`, and no NaN or infinity.

    Asked each time that a node succeeds: so it looks only for what orjson would write
    without a word. What that refuses itself (or writes as an escape) is seen there.
    """
    kind: type[Any] = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind is dict:
        members: Any = value.values()
    elif kind is list or kind is tuple:
        members = value
    else:
        return kind in _PLAIN or (kind is float and math.isfinite(value))
    if depth >= MAX_DEPTH:
        return False
    for member in members:
        # The commonest members without a call.
        if type(member) not in _PLAIN and not _is_plain(member, depth + 1):
            return False
    return True


def _check(value: Any, depth: int) -> None:
    # The path is put together on the way out of a failure.
    kind: type[Any] = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind is str:
        _check_text(value)
    elif kind is dict:
        _check_depth(depth)
        for key, member in value.items():
            _check_key(key)
            try:
                _check(member, depth + 1)
            except ValueNotStorable as error:
                raise ValueNotStorable(error.reason, f".{key}{error.where}") from None
    elif kind is int:
        if not INT_MIN <= value <= INT_MAX:
            raise ValueNotStorable(_INTEGER_OUTSIDE)
    elif kind is list or kind is tuple:
        _check_depth(depth)
        for index, item in enumerate(value):
            try:
                _check(item, depth + 1)
            except ValueNotStorable as error:
                raise ValueNotStorable(error.reason, f"[{index}]{error.where}") from None
    elif kind is float:
        if not math.isfinite(value):
            raise ValueNotStorable(f"{value} is not a JSON number")
    elif kind is Secret:
        _check({MARK: value.reveal()}, depth)
    elif value is not None and kind is not bool:
        raise ValueNotStorable(f"{kind.__qualname__} is not a JSON type")


def _check_key(key: object) -> None:
    if type(key) is not str:
        raise ValueNotStorable(f"member name {_told(key)} is not a string")
    _check_text(key)


def _told(key: Any) -> str:
    # The text of a user's object, or of a huge integer, may raise anything.
    kind: type[Any] = type(key)  # pyright: ignore[reportUnknownVariableType]
    plain = kind in (str, float, bool, type(None)) or (kind is int and abs(key) <= INT_MAX)
    return f"{key!r:.80}" if plain else f"of type {kind.__qualname__}"


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise ValueNotStorable(f"nested deeper than {MAX_DEPTH}")


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueNotStorable("text with a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueNotStorable("text with a lone surrogate") from None
