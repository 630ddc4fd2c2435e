"""A codec for tests: no text of a payload is left, and a wrong key is noticed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

TAG_BYTES = 16


@dataclass(frozen=True)
class KeyedCodec:
    """Stands in for encryption. `key` is the name unless it is said."""

    name: str
    key: str = ""

    def encode(self, payload: bytes, /) -> bytes:
        """Return the payload under the key, with a tag in front."""
        return self._tag(payload) + self._mixed(payload)

    def decode(self, stored: bytes, /) -> bytes:
        """Return the payload.

        Raises:
            ValueError: it was another key.
        """
        payload = self._mixed(stored[TAG_BYTES:])
        if self._tag(payload) != stored[:TAG_BYTES]:
            raise ValueError("not with this key")
        return payload

    def _tag(self, payload: bytes) -> bytes:
        return hashlib.blake2b(payload, digest_size=TAG_BYTES, key=self._key).digest()

    def _mixed(self, payload: bytes) -> bytes:
        pad = hashlib.shake_256(self._key).digest(len(payload))
        length = len(payload)
        mixed = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
        return mixed.to_bytes(length, "big")

    @property
    def _key(self) -> bytes:
        return (self.key or self.name).encode()[:64]
