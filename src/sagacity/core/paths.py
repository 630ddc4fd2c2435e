"""Node names and paths: `server_alloc/server_id`, escaped as in JSON Pointer (RFC 6901)."""

from __future__ import annotations

import re
from typing import Final

MAX_NAME_CHARS: Final = 200
_BREAKING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def breaks_lines(name: str) -> bool:
    """Whether `name` has control characters or line breaks, which a name is not given.

    Asked of what is traced only: names of Steno's DAGs, and so of `DagBuilder`, may have them,
    and those in old logs.
    """
    return _BREAKING.search(name) is not None


def escape(name: str) -> str:
    """Return `name` as one part of a path: `~` becomes `~0`, `/` becomes `~1`."""
    return name.replace("~", "~0").replace("/", "~1")


def unescape(part: str) -> str:
    """Undo `escape`."""
    return part.replace("~1", "/").replace("~0", "~")


def join(scope_path: str, name: str) -> str:
    """Return the path of `name` inside the subsaga at `scope_path` (empty: the saga itself)."""
    part = escape(name)
    return f"{scope_path}/{part}" if scope_path else part
