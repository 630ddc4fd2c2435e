"""What a person asks of a saga, with who and why."""

from __future__ import annotations

import getpass
import socket
from typing import TYPE_CHECKING, Final

from sagacity.core.decisions import Verb
from sagacity.core.immutable import Immutable
from sagacity.core.values import encode
from sagacity.engine import system
from sagacity.errors import ValueNotStorable

if TYPE_CHECKING:
    from uuid import UUID

    from sagacity.core.values import Json

MAX_BY_CHARS: Final = 200
MAX_REASON_CHARS: Final = 2_000


class Request(Immutable):
    """What a person asks: about the node at a path, or (with an empty one) about the saga."""

    request_id: UUID
    verb: Verb
    path: str
    by: str
    reason: str
    value: Json | None


def new_request(
    verb: Verb,
    path: str = "",
    *,
    reason: str = "",
    by: str | None = None,
    request_id: UUID | None = None,
    value: Json | None = None,
) -> Request:
    """Return a request; `by` is who asks (else the user of this process).

    Raises:
        ValueError: a text is too long, or cannot be stored.
    """
    person = whoami() if by is None else by
    for what, text, limit in (("by", person, MAX_BY_CHARS), ("reason", reason, MAX_REASON_CHARS)):
        if len(text) > limit:
            raise ValueError(f"{what} has {len(text):,} characters; at most {limit:,} are kept")
        try:
            encode(text)
        except ValueNotStorable as error:
            raise ValueError(f"{what}: {error}") from error
    return Request(request_id or system.new_request_id(), verb, path, person, reason, value)


def verb_named(name: str) -> Verb:
    """Return the verb of this name, as in the log (`set_output`) or as a command (`set-output`).

    Raises:
        ValueError: there is none; the text names those that there are.
    """
    try:
        return Verb(name.replace("-", "_"))
    except ValueError:
        known = ", ".join(verb.value for verb in Verb)
        raise ValueError(f"{name!r:.80} is nothing that can be decided: {known}") from None


def whoami() -> str:
    """Return the user of this process, as others would know them."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
