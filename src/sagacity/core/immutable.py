"""Immutable records that are cheap to make.

An event, a command or an append is made a few times for each node that runs, and
`@dataclass(frozen=True)` makes each three times dearer than it need be. These are
immutable to the type checkers, which go over all code that could change one, and
plain slotted dataclasses at run time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

C = TypeVar("C")


@dataclass_transform(frozen_default=True, eq_default=True)
def immutable(cls: type[C]) -> type[C]:
    """Make `cls` an immutable record: compared and hashed by value, with slots."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
