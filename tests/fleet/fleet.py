"""A database that many coordinators share, and what tests do to it behind their backs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg

from sagacity import Client
from sagacity.ports.store import SagaHead
from sagacity.stores.postgres import PostgresStore


class Fleet:
    """Stores of one database, each another coordinator's."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}?lease=60"
        self._plain = url

    def store(self, *, lease: float = 60) -> PostgresStore:
        """Return a store object for one more coordinator."""
        return PostgresStore(f"{self._plain}?lease={lease:g}")

    def client(self) -> Client:
        return Client(self.store())

    def run_sql(self, statement: str, *values: Any) -> int:
        """Change the database as nobody of the fleet would, and return how many rows."""
        with psycopg.connect(self._plain, autocommit=True) as connection:
            return connection.execute(statement.encode(), values).rowcount

    def end_lease(self, owner: str) -> None:
        """Let the lease of a coordinator have ended, as if it had been silent for long."""
        ended = self.run_sql(
            "UPDATE sagacity.coordinator SET lease_until = 'epoch' WHERE owner = %s", owner
        )
        assert ended == 1

    def retire(self, owner: str) -> None:
        """Let a coordinator be known to be dead."""
        assert self.run_sql("DELETE FROM sagacity.coordinator WHERE owner = %s", owner) == 1


async def until(client: Client, saga_id: UUID, holds: Callable[[SagaHead], bool]) -> SagaHead:
    """Wait until the head of a saga says so, looking again whenever somebody tells of a change."""
    seen = 0
    store = client._store
    while True:
        head = (await store.read(saga_id)).head
        if holds(head):
            return head
        seen = await store.wait_for_change(seen, 0.2)


async def until_state(client: Client, saga_id: UUID, state: str) -> SagaHead:
    return await until(client, saga_id, lambda head: head.state == state)


async def all_of(*works: Any) -> list[Any]:
    return await asyncio.gather(*works)
