"""What a `postgresql://` URL says: where the server is, and how we use it.

The options that are ours are taken out; the rest is the driver's, and is as everywhere
(several hosts, `sslmode`, `target_session_attrs`, `application_name` ...). The URL itself
is a secret: it may hold a password. Only `shown` is for texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

SCHEMES: Final = frozenset({"postgresql", "postgres"})
FORM: Final = "postgresql://USER@HOST:PORT/DATABASE"
SAFETY_SETTINGS: Final = frozenset({"fsync", "synchronous_commit", "full_page_writes"})
"""Settings of the server without which a commit can be lost; what `unsafe=` may name."""
MAX_SCHEMA_CHARS: Final = 40
"""So that the names of channels, which are made of it, are not cut."""
WRITABLE: Final = ("read-write", "primary")
LEASE_SECONDS: Final = (0.5, 3_600.0)
"""The shortest and the longest lease."""
TIMEOUT_SECONDS: Final = (0.1, 600.0)

_NAME: Final = re.compile(rf"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_SCHEMA_CHARS - 1}}}")
_CHOICES: Final[Mapping[str, Mapping[str, str]]] = {
    "listen": {"on": "on", "off": ""},
    "pool": {"session": "", "transaction": "transaction"},
    "isolation": {
        "read-committed": "read committed",
        "repeatable-read": "repeatable read",
        "serializable": "serializable",
    },
}
_OURS: Final = frozenset({"schema", "lease", "timeout", "unsafe", *_CHOICES})


@dataclass(frozen=True, slots=True)
class Address:
    """Where the store is, and how it is used."""

    dsn: str = field(repr=False)
    """For the driver alone."""
    shown: str
    """For people: without the password."""
    schema: str
    lease_seconds: float
    timeout_seconds: float
    """To wait for a connection, and for each answer that should come at once."""
    listen: bool
    pooled: bool
    """Behind a pooler that gives each transaction another session."""
    isolation: str
    unsafe: frozenset[str]
    """Safety settings that are allowed to be off."""


def address_of(url: str) -> Address:
    """Return what `url` says.

    Raises:
        ValueError: it says nothing that can be meant; the text has no secrets.
    """
    try:
        parts = urlsplit(url)
        shown = _shown(parts)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        # The error's own text may hold a part of the URL.
        raise ValueError(f"this is no URL of a PostgreSQL server: use {FORM}") from None
    if parts.scheme not in SCHEMES or parts.fragment:
        raise ValueError(f"{shown}: not a URL of a PostgreSQL server: use {FORM}")
    ours = {name: options.pop(name) for name in _OURS & options.keys()}
    # Of several hosts the one that takes writes; a replica is refused.
    if options.setdefault("target_session_attrs", "read-write") not in WRITABLE:
        raise ValueError(f"{shown}: target_session_attrs= takes {' or '.join(WRITABLE)}")
    return Address(
        dsn=parts._replace(query=urlencode(options)).geturl(),
        shown=shown,
        schema=check_schema(ours.get("schema", "sagacity"), f"{shown}: "),
        lease_seconds=_seconds(shown, "lease", ours.get("lease", "10"), *LEASE_SECONDS),
        timeout_seconds=_seconds(shown, "timeout", ours.get("timeout", "10"), *TIMEOUT_SECONDS),
        listen=bool(_choice(shown, "listen", ours.get("listen", "on"))),
        pooled=bool(_choice(shown, "pool", ours.get("pool", "session"))),
        isolation=_choice(shown, "isolation", ours.get("isolation", "read-committed")),
        unsafe=_unsafe(shown, ours.get("unsafe", "")),
    )


def _shown(parts: SplitResult) -> str:
    user, at, hosts = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return f"{parts.scheme}://{name}{at}{hosts}{parts.path}"


def check_schema(name: str, whose: str = "") -> str:
    """Return the name of a schema, if it can be one.

    Raises:
        ValueError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{whose}schema= takes letters, digits and _, at most {MAX_SCHEMA_CHARS} in all, "
            f"and no digit at the beginning"
        )
    return name


def _seconds(shown: str, option: str, text: str, least: float, most: float) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not least <= seconds <= most:
        raise ValueError(f"{shown}: {option}= takes {least:g} to {most:g} seconds, not {text!r}")
    return seconds


def _choice(shown: str, option: str, text: str) -> str:
    choices = _CHOICES[option]
    if text not in choices:
        raise ValueError(f"{shown}: {option}= takes {' or '.join(choices)}, not {text!r}")
    return choices[text]


def _unsafe(shown: str, text: str) -> frozenset[str]:
    names = frozenset(filter(None, text.split(",")))
    if names - SAFETY_SETTINGS:
        known = ", ".join(sorted(SAFETY_SETTINGS))
        raise ValueError(f"{shown}: unsafe= takes names of {known}, not {text!r}")
    return names
