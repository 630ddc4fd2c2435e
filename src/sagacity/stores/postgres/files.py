"""The SQL of this package, with the names that a store has chosen.

In the files `sagacity` stands for the schema. It is replaced in the text, and not left to
`search_path`: behind a pooler a session's settings are not ours.
"""

from __future__ import annotations

import re
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sagacity.stores._queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

    from sagacity.stores.postgres.address import Address

HERE: Final[Traversable] = resources.files("sagacity.stores.postgres")
SCHEMA: Final[Traversable] = HERE / "schema"
_QUERIES: Final = load_queries(HERE / "queries.sql")


def queries_in(schema: str) -> dict[str, str]:
    """Return the queries by name, without those that are put together."""
    return {name: in_schema(text, schema) for name, text in _QUERIES.items()}


def queries_of(address: Address) -> Mapping[str, str]:
    """Return all queries by name."""
    queries = queries_in(address.schema)
    shown = queries["shown"]
    for name in ("one", "these", "mine", "newest"):
        queries[f"shown_{name}"] = f"{shown} {queries[f'of_{name}']}"
    queries["stored"] = queries["stored"].replace("(shown)", f"({queries['shown_these']})")
    if not address.listen:
        # Not every relative of PostgreSQL has the function; the text goes nowhere.
        queries = {name: text.replace("pg_notify(", "concat(") for name, text in queries.items()}
    return MappingProxyType(queries)


def in_schema(text: str, schema: str) -> str:
    """Return SQL with `schema` in the place of `sagacity`."""
    return re.sub(r"\bsagacity\b", f'"{schema}"', text)
