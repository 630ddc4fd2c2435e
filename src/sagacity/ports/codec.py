"""What turns payloads into what a store keeps of them, and back: encryption, mostly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias


class PayloadCodec(Protocol):
    """Encodes what is stored of sagas: their params, constants, records, and arguments of commands.

    `name` is stored with each payload, readable: say which key it is, and never use it for
    another. Both functions are called in the event loop for each write and read, so they
    must be fast and ask nobody; what they raise is told, and the write tried again.
    """

    @property
    def name(self) -> str:
        """Which codec, and which key."""
        ...

    def encode(self, payload: bytes, /) -> bytes:
        """Return what is stored of `payload`."""
        ...

    def decode(self, stored: bytes, /) -> bytes:
        """Return the payload. Must raise for what `encode` has not made, or not with this key."""
        ...


Codecs: TypeAlias = PayloadCodec | Sequence[PayloadCodec]
"""One codec, or several: the first writes, and each reads what has its name."""
