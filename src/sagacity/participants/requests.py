"""What a request of a saga says about itself: two headers, and both sides of them.

`Idempotency-Key` is the effect key and the direction (`<saga>/<path of the node>/do`), so
it tells also which saga and which effect a request is about. `Saga-Fencing-Token` is the
epoch of the saga's owner. Knows nothing of tables; any mapping of text can carry the
headers, also the metadata of a message.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from sagacity.errors import RequestUnreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
FENCING_TOKEN: Final = "Saga-Fencing-Token"  # noqa: S105 - a header's name
MAX_KEY_CHARS: Final = 2_000
"""Longer keys are refused: an index of PostgreSQL takes no entry of more than 2,704 bytes."""

_MAX_TOKEN: Final = 2**63 - 1
_KEY: Final = re.compile(
    r"(?P<effect>(?P<saga>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/.+)/(?P<direction>do|undo)"
)


class Level(StrEnum):
    """How much a participant takes care of; each level includes those before it."""

    IDEMPOTENT = "idempotent"
    """A request that is repeated is answered alike and has no second effect."""
    TOMBSTONE = "tombstone"
    """And an undo that comes first makes a late do a no-op."""
    FENCED = "fenced"
    """And requests of an owner that has been replaced are refused."""


class Keys(Protocol):
    """What headers are made of: a `Context` has it."""

    @property
    def idempotency_key(self) -> str: ...

    @property
    def fencing_token(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Request:
    """What a participant has to know of a request, as far as its level looks at it."""

    effect: str
    """What do and undo share: the effect key (at level idempotent, the whole key)."""
    digest: str
    """Tells this request from another one with the same key."""
    undo: bool = False
    saga: str = ""
    """Empty at level idempotent."""
    token: int | None = None
    """None below level fenced."""


def headers_for(ctx: Keys) -> dict[str, str]:
    """Return the headers of each request that an attempt sends; the same for all levels."""
    return {IDEMPOTENCY_KEY: ctx.idempotency_key, FENCING_TOKEN: str(ctx.fencing_token)}


def read_request(headers: Mapping[str, str], content: bytes, level: Level) -> Request:
    """Return what `headers` say, as far as a participant of that `level` needs it.

    `content` is all that makes the request the same when it is repeated: the body, and
    the path if one handler serves several. Only its digest is kept. At level idempotent
    any client's key will do; above it the key must be a saga's.

    Raises:
        RequestUnreadable: a header is missing, comes twice, or is not what a saga sends.
    """
    key = _one(headers, IDEMPOTENCY_KEY)
    if len(key) > MAX_KEY_CHARS or not (key.isascii() and key.isprintable()):
        raise RequestUnreadable(
            IDEMPOTENCY_KEY, f"it must be printable ASCII of at most {MAX_KEY_CHARS:,} characters"
        )
    digest = hashlib.sha256(content).hexdigest()
    if level is Level.IDEMPOTENT:
        return Request(key, digest)
    match = _KEY.fullmatch(key)
    if match is None:
        raise RequestUnreadable(IDEMPOTENCY_KEY, "not a saga's: <saga id>/<node>/do, or /undo")
    return Request(
        match["effect"],
        digest,
        undo=match["direction"] == "undo",
        saga=match["saga"],
        token=_token(headers) if level is Level.FENCED else None,
    )


def _token(headers: Mapping[str, str]) -> int:
    text = _one(headers, FENCING_TOKEN)
    if not re.fullmatch("[0-9]{1,19}", text) or int(text) > _MAX_TOKEN:
        raise RequestUnreadable(FENCING_TOKEN, f"it must be a whole number up to {_MAX_TOKEN}")
    return int(text)


def _one(headers: Mapping[str, str], name: str) -> str:
    # Not `headers[name]`: a plain dict would tell small letters from capitals, and of a header
    # that came twice one would win in silence.
    values = [value for each, value in headers.items() if each.lower() == name.lower()]
    if len(values) != 1 or not values[0]:
        raise RequestUnreadable(name, f"needed once; it came {len(values)} times, or empty")
    return values[0]
