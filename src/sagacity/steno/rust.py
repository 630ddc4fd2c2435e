"""Text as Rust prints it for programmers (`{:?}`): strings, and JSON values of serde."""

from __future__ import annotations

import unicodedata
from typing import Any, Final

from sagacity.core.values import decode, encode

_ESCAPES: Final = {
    "\0": "\\0", "\t": "\\t", "\r": "\\r", "\n": "\\n", '"': '\\"', "\\": "\\\\",
}  # fmt: skip


def quoted(text: str) -> str:
    """Return a string in quotes."""
    return f'"{text if text.isalnum() and text.isascii() else "".join(map(_escaped, text))}"'


def debug(json: bytes) -> str:
    """Return a JSON value with its types named."""
    return _debug(decode(json))


def _debug(value: Any) -> str:
    match value:
        case None:
            return "Null"
        case bool():
            return f"Bool({str(value).lower()})"
        case str():
            return f"String({quoted(value)})"
        case [*items]:
            return f"Array [{', '.join(map(_debug, items))}]"
        case {**members}:
            shown = [f"{quoted(str(name))}: {_debug(each)}" for name, each in members.items()]
            return f"Object {{{', '.join(shown)}}}"
        case _:
            return f"Number({encode(value).decode()})"


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    # Rust also escapes what would join the character before it.
    if character.isprintable() and unicodedata.category(character) not in ("Mn", "Me"):
        return character
    return f"\\u{{{ord(character):x}}}"
