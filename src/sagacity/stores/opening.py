"""From a URL to a store: `memory://`, `sqlite:///relative.db`, `postgresql://host/database`.

A URL may hold a password: texts have only its beginning, unless it names a file.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from sagacity.stores.encoded import encoded
from sagacity.stores.memory import MemoryStore
from sagacity.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from sagacity.ports.codec import Codecs
    from sagacity.ports.store import SagaStore

FORMS: Final = (
    "memory://, sqlite:///relative/path.db, sqlite:////absolute/path.db or "
    "postgresql://user@host/database"
)
POSTGRES: Final = frozenset({"postgresql", "postgres"})


def open_store(url: str, *, codec: Codecs | None = None) -> SagaStore:
    """Return the store that `url` names, not yet opened (the engine opens it).

    With a codec what it keeps of sagas is encoded. Of several the first writes, and each
    reads what was written under its name: so a key is replaced by another.

    Raises:
        ValueError: not a URL of a store (the text says what would be), or no codec.
    """
    store = _store(url)
    return store if codec is None else encoded(store, codec)


def _store(url: str) -> SagaStore:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError(f"{url!r} is not a URL ({error}): use {FORMS}") from None
    if parts.scheme in POSTGRES:
        return _postgres(url)
    if "@" in parts.netloc:
        # Perhaps a mistyped server, with a password.
        raise ValueError(f"no store of kind {parts.scheme!r}: use {FORMS}")
    if parts.query or parts.fragment:
        raise ValueError(f"{url!r}: a store takes no options; in a path write %3F for ?, %23 for #")
    match parts.scheme:
        case "memory":
            if parts.netloc or parts.path:
                raise ValueError(f"{url!r}: a store in memory has no name: use memory://")
            return MemoryStore()
        case "sqlite":
            return SqliteStore(_path(url, parts))
        case "":
            raise ValueError(f"{url!r} is not a URL; for a file write sqlite:///{url}")
        case _:
            raise ValueError(f"{url!r}: no store of kind {parts.scheme!r}: use {FORMS}")


def _postgres(url: str) -> SagaStore:
    try:
        # Not at the top: the driver is not everybody's.
        module = import_module("sagacity.stores.postgres.store")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("sagacity"):
            raise
        raise ValueError(
            f"a store in PostgreSQL needs {error.name}: pip install 'sagacity[postgres]'"
        ) from error
    store: SagaStore = module.PostgresStore(url)
    return store


def _path(url: str, parts: SplitResult) -> Path:
    if parts.netloc or (parts.path and not parts.path.startswith("/")):
        raise ValueError(f"{url!r}: a path comes after three slashes: use {FORMS}")
    path = unquote(parts.path.removeprefix("/"))
    if not path or path.endswith("/"):
        raise ValueError(f"{url!r} names no file: use {FORMS}")
    if "\0" in path:
        raise ValueError(f"{url!r}: no file has a NUL in its name")
    return Path(path)
