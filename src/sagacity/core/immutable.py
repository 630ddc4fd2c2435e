"""The base of small immutable records: events, commands, appends.

A few of them are made for each node that runs, and in Python code that would be the
dearest single thing that a saga costs. msgspec makes them in C.
"""

from __future__ import annotations

from typing import dataclass_transform

from msgspec import Struct


@dataclass_transform(frozen_default=True, eq_default=True)
class Immutable(Struct, frozen=True, gc=False):
    """Compared and hashed by value. Not looked at by the cyclic collector: hold no cycles."""
