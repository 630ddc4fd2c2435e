"""Sagas in PostgreSQL: any number of coordinators share a database, each with a lease.

Needs `asyncpg` (`pip install 'sagacity[postgres]'`), which nothing outside knows of.
"""

from sagacity.stores.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
