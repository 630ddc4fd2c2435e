"""How payloads are encoded, and read again by the name of their codec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace as with_parts

from sagacity.core.sealed import seal, unseal
from sagacity.errors import PayloadUnreadable, StoreError

if TYPE_CHECKING:
    from sagacity.core.values import Json
    from sagacity.ports.codec import Codecs, PayloadCodec
    from sagacity.ports.store import NewSaga

MAX_NAME_CHARS: Final = 200
_PREFIX: Final = b"sagacity:"
"""Encoded with each payload: a codec that notices no wrong key gives anything but this."""


class Encoding:
    """The first codec writes; all read."""

    def __init__(self, codec: Codecs) -> None:
        """Look at the codecs.

        Raises:
            ValueError: there is no codec, or two have one name.
        """
        codecs = _listed(codec)
        self._writes: Final = codecs[0]
        self._reads: Final = {each.name: each for each in codecs}
        if len(self._reads) < len(codecs):
            raise ValueError("two codecs have one name: stored payloads could not tell them apart")

    def encode_saga(self, saga: NewSaga) -> NewSaga:
        """Return a new saga as it is stored."""
        return with_parts(
            saga,
            params=self.encode(saga.params),
            constants=self.encode(saga.constants),
            record=self.encode(saga.record),
        )

    def encode(self, text: Json) -> Json:
        """Return a payload as it is stored."""
        codec = self._writes
        try:
            return seal(codec.name, codec.encode(_PREFIX + text))
        except Exception as error:
            raise StoreError(
                f'the codec "{codec.name}" cannot encode: {type(error).__name__}'
            ) from error

    def decode(self, text: Json, whose: str) -> Json:
        """Return a payload as it was; `whose` it is, for people.

        Raises:
            PayloadUnreadable: with none of the codecs that are here.
        """
        sealed = unseal(text)
        if sealed is None:
            return text
        name, encoded = sealed
        codec = self._reads.get(name)
        if codec is None:
            known = ", ".join(f'"{each}"' for each in self._reads)
            raise PayloadUnreadable(
                name, f'{whose} was written with the codec "{name:.100}"; here are only {known}'
            )
        try:
            payload = codec.decode(encoded)
        except Exception as error:
            raise PayloadUnreadable(
                name, f'the codec "{name}" cannot decode {whose}: {type(error).__name__}'
            ) from error
        if not payload.startswith(_PREFIX):
            raise PayloadUnreadable(
                name, f'the codec "{name}" cannot decode {whose}: perhaps it has another key'
            )
        return payload[len(_PREFIX) :]


def _listed(codec: Codecs) -> Sequence[PayloadCodec]:
    codecs: list[PayloadCodec] = [*codec] if isinstance(codec, Sequence) else [codec]
    if not codecs:
        raise ValueError("no codec is given")
    for each in codecs:
        name = getattr(each, "name", None)
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME_CHARS:
            raise ValueError(f"a codec needs a name of 1 to {MAX_NAME_CHARS} characters: {each!r}")
    return codecs
