"""Where the SQL of this package is."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final

from sagacity.stores._queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

HERE: Final[Traversable] = resources.files("sagacity.stores.sqlite")
QUERIES: Final[Mapping[str, str]] = load_queries(HERE / "queries.sql")
