"""Sagas in one SQLite file; any number of processes may have it open."""

from sagacity.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
