"""Sagas in PostgreSQL: any number of coordinators share a database, each with a lease.

Needs `asyncpg` (`pip install 'sagacity[postgres]'`), which nothing outside knows of, and which
is only imported for a store: what runs on a connection of the user's can do without.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sagacity.stores.postgres.store import PostgresStore

__all__ = ["PostgresStore"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sagacity.stores.postgres.store import PostgresStore  # noqa: PLC0415 - it has the driver

    return PostgresStore
