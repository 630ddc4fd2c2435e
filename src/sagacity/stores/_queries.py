"""Named queries: the whole conversation with a database, in `.sql` files that people read.

A query begins with `-- name: some_name` and goes to the next such line. Comment lines
after the name say what it is for; they are left out of what the database sees.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

_NAME: Final = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)
_COMMENT: Final = re.compile(r"^\s*--.*\n?", re.MULTILINE)


def load_queries(file: Traversable) -> Mapping[str, str]:
    """Return the queries of a file by name.

    Raises:
        ValueError: two have one name, or one is empty.
    """
    _, *parts = _NAME.split(file.read_text(encoding="utf-8"))
    queries: dict[str, str] = {}
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        query = _COMMENT.sub("", text).strip().rstrip(";")
        if name in queries or not query:
            raise ValueError(f"{file.name}: query {name} is empty or there twice")
        queries[name] = query
    return MappingProxyType(queries)
