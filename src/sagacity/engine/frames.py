"""What a coordinator and its child processes say to each other: JSON, with its length before it.

Values of sagas stand in it as they are stored. Nothing else travels: no object, no code.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import orjson

MAX_FRAME_BYTES: Final = 64 * 1024 * 1024
HEAD: Final = struct.Struct(">I")


def packed(document: dict[str, Any]) -> bytes:
    """Return a document as a frame."""
    body = orjson.dumps(document)
    return HEAD.pack(len(body)) + body


def length_of(head: bytes) -> int:
    """Return how long the body is that follows.

    Raises:
        ValueError: longer than any of ours.
    """
    (length,) = HEAD.unpack(head)
    if length > MAX_FRAME_BYTES:
        raise ValueError(f"a message of {length:,} bytes between processes")
    return int(length)


def unpacked(body: bytes) -> dict[str, Any]:
    """Return the document of a frame.

    Raises:
        ValueError: it is none.
    """
    document: dict[str, Any] = orjson.loads(body)
    if type(document) is not dict:
        raise ValueError(f"not a message between processes: {body!r:.100}")
    return document
