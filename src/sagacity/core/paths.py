"""Node names and paths: `server_alloc/server_id`, escaped as in JSON Pointer (RFC 6901)."""

from __future__ import annotations

from typing import Final

MAX_NAME_CHARS: Final = 200


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
