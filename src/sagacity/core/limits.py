"""Limits on what runs at once, and the keys that tell for what each of them counts.

A key is a path into data, `customer.id`: it can be checked when a saga is declared, and
is the same before and after a restart. A function could do neither.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sagacity.core.values import NULL, decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagacity.core.bindings import FieldPath
    from sagacity.core.values import Json

MAX_KEY_BYTES: Final = 256
"""Longer keys are told apart by their hashes."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many sagas of a name run at once in one coordinator.

    With `key`, a path into the params such as `customer.id`, so many for each value of it.

    Raises:
        ValueError: no whole number from 1, or no path.
    """

    at_once: int
    key: str | None = None

    def __post_init__(self) -> None:
        """Check both."""
        check_limit("a limit", self.at_once)
        if self.key is not None:
            split_key(self.key)


class KeyedLimit:
    """A limit with its key found: what the engine uses."""

    __slots__ = ("at_once", "path", "text")

    def __init__(self, at_once: int, path: FieldPath | None = None, text: str = "") -> None:
        """`path` is None where the limit is one for all; `text` is the path for people."""
        self.at_once: Final = at_once
        self.path: Final = path
        self.text: Final = text


def check_limit(what: str, limit: object) -> None:
    """Check that `limit` is one.

    Raises:
        ValueError: it is not; the text begins with `what`.
    """
    if type(limit) is not int or limit < 1:
        raise ValueError(f"{what}={limit!r:.40} must be a whole number from 1")


def split_key(key: str) -> tuple[str, ...]:
    """Return the parts of a path as people write it.

    Raises:
        ValueError: it is none.
    """
    parts = tuple(str(key).split("."))
    if not all(parts):
        raise ValueError(f'limit_key={key!r:.60} must be a path such as "customer.id"')
    return parts


def key_of(text: Json, path: FieldPath) -> bytes:
    """Return what tells the value at `path` from others; of what is not there, that of null."""
    value: Any = decode(text)
    for part in path:
        try:
            value = value[int(part) if type(value) is list else part]
        except (KeyError, IndexError, TypeError, ValueError):
            return NULL
    key = encode(value)
    return key if len(key) <= MAX_KEY_BYTES else hashlib.sha256(key).digest()


def key_of_inputs(inputs: Mapping[str, Json], path: FieldPath) -> bytes:
    """Return the key of a node: `path` begins with the name of a parameter."""
    text = inputs.get(str(path[0]))
    return NULL if text is None else key_of(text, path[1:])
