"""Ids of sagas that are made from what a caller knows them by."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid5

MAX_KEY_CHARS: Final = 1_024
_NAMESPACE: Final = UUID("6f1b7f0e-5a9c-5d0e-9b5e-5a6a6a1c2f3d")
"""For keys of sagas alone. It never changes: the ids that were made with it are in stores."""


def saga_id_of(key: str) -> UUID:
    """Return the id of the saga that `key` stands for: the same one each time, everywhere.

    For callers who know the thing that a saga is about, and may ask twice for it:
    `client.create(ship, order, id=saga_id_of(f"ship order {order.number}"), start=True)`.
    Say in the key what is done and to what. It is a UUID of version 5 (RFC 9562).

    Raises:
        ValueError: it is empty, longer than 1,024 characters, or no text that UTF-8 has.
    """
    if not 1 <= len(key) <= MAX_KEY_CHARS:
        raise ValueError(f"a key has 1 to {MAX_KEY_CHARS:,} characters, not {len(key):,}")
    try:
        return uuid5(_NAMESPACE, key)
    except UnicodeEncodeError:
        raise ValueError(f"a key with a lone surrogate: {key!r:.80}") from None
