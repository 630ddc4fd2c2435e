"""The ways in which the store has to work besides the usual one, each as a URL."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

import psycopg

from sagacity.stores.postgres import PostgresStore
from sagacity.stores.postgres.address import address_of
from sagacity.stores.postgres.files import HERE, in_schema

FAIL_SOME: Final = """
CREATE FUNCTION sagacity.fail_some() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Another try is another transaction.
    IF pg_current_xact_id()::text::bigint % 4 = 0 THEN
        RAISE serialization_failure;
    END IF;
    RETURN NULL;
END
$$;
"""
"""What a distributed database does all the time: it has somebody try again."""
CHANGED: Final = ("head", "saga", "log", "inbox", "person_order", "coordinator")


def usual(url: str) -> Generator[str]:
    """As its owner, told of changes."""
    yield url


def without_extras(url: str) -> Generator[str]:
    """No LISTEN, no NOTIFY, no settings of a session, no prepared statements."""
    yield f"{url}&listen=off&pool=transaction"


def weak_and_serializable(url: str) -> Generator[str]:
    """As the role of the engine, at SERIALIZABLE, where each fourth transaction has to be repeated."""
    with weak_role(url) as (engine, admin):
        schema = address_of(url).schema
        admin.execute(in_schema(FAIL_SOME, schema).encode())
        for table in CHANGED:
            text = f"""
                CREATE TRIGGER fail_some AFTER INSERT OR UPDATE OR DELETE ON sagacity.{table}
                EXECUTE FUNCTION sagacity.fail_some()
            """
            admin.execute(in_schema(text, schema).encode())
        yield f"{engine}&isolation=serializable"


@contextmanager
def weak_role(url: str) -> Generator[tuple[str, psycopg.Connection]]:
    """Make the schema and a role that may only do what the engine has to; give its URL."""

    async def make_schema() -> None:
        store = PostgresStore(url)
        await store.open()
        await store.close()

    asyncio.run(make_schema())
    address = address_of(url)
    engine, reader = (f"{role}_{os.getpid()}_{address.schema}" for role in ("engine", "reader"))
    grants = in_schema((HERE / "roles.sql").read_text(encoding="utf-8"), address.schema)
    grants = grants.replace("sagacity_engine", engine).replace("sagacity_reader", reader)
    with psycopg.connect(urlsplit(url)._replace(query="").geturl(), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {engine} LOGIN; CREATE ROLE {reader} LOGIN".encode())
        try:
            admin.execute(grants.encode())
            yield urlsplit(url)._replace(netloc=f"{engine}@{_host(url)}").geturl(), admin
        finally:
            admin.execute(f"DROP OWNED BY {engine}, {reader}".encode())
            admin.execute(f"DROP ROLE {engine}, {reader}".encode())


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


MODES: Final[dict[str, Callable[[str], Generator[str]]]] = {
    "postgres": usual,
    "weak and serializable postgres": weak_and_serializable,
    "postgres without extras": without_extras,
}
