"""The form of a payload that a codec has encoded: readable is only which codec it was.

    {"$codec": "key 7", "data": "<base64>"}

It is the same JSON in every store. Whoever reads a store without its codec finds this
form where a record should be, and is told so: it is no damage.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Final

import orjson

from sagacity.errors import PayloadUnreadable

if TYPE_CHECKING:
    from sagacity.core.values import Json

_BEGINNING: Final = b'{"$codec":'


def seal(codec: str, encoded: bytes) -> Json:
    """Return the stored form of what the codec of this name has made."""
    return orjson.dumps({"$codec": codec, "data": b64encode(encoded).decode()})


def unseal(text: Json) -> tuple[str, bytes] | None:
    """Return the name of the codec and what it has made; None if no codec was there.

    Raises:
        PayloadUnreadable: the form is damaged.
    """
    if not text.startswith(_BEGINNING):
        return None
    try:
        match orjson.loads(text):
            case {"$codec": str(codec), "data": str(data), **rest} if not rest:
                return codec, b64decode(data, validate=True)
            case _:
                return None
    except ValueError as error:
        raise PayloadUnreadable("", f"a payload of a codec is damaged: {error}") from error


def refuse_sealed_text(text: Json) -> None:
    """Refuse a payload that only its codec can read, whatever else is wrong with it; as below."""
    if text.startswith(_BEGINNING):
        refuse_sealed({"$codec": (unseal(text) or ("",))[0]})


def refuse_sealed(document: Any) -> None:
    """Refuse a payload that only its codec can read.

    Raises:
        PayloadUnreadable: it is one; names the codec.
    """
    match document:
        case {"$codec": str(codec), **_rest}:
            raise PayloadUnreadable(
                codec,
                f'written with the codec "{codec:.100}", without which the store was opened: '
                "give it with open_store(url, codec=...) or --codec MODULE:NAME",
            )
        case _:
            pass
