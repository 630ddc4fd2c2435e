"""Opening a store: its URL, the server's settings, and the schema."""

import asyncio
import logging

import psycopg
import pytest

from sagacity.errors import SchemaVersionError, StoreError
from sagacity.stores.postgres import PostgresStore
from sagacity.stores.postgres.address import address_of
from tests.postgres.server import Server

SECRET = "pass-word-1"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("lease=0.1", "lease= takes 0.5 to 3600 seconds"),
        ("lease=nan", "lease= takes"),
        ("lease=", "lease= takes"),
        ("timeout=601", "timeout= takes 0.1 to 600 seconds"),
        ("listen=maybe", "listen= takes on or off"),
        ("pool=none", "pool= takes session or transaction"),
        ("isolation=none", "isolation= takes"),
        ("unsafe=fsync,speed", "unsafe= takes names of"),
        ("schema=", "schema= takes"),
        ('schema=a"b', "schema= takes"),
        (f"schema={'x' * 41}", "at most 40"),
        ("target_session_attrs=any", "target_session_attrs= takes"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: str, said: str) -> None:
    """The text says what would; and holds no password."""
    with pytest.raises(ValueError, match=said) as caught:
        PostgresStore(f"postgresql://me:{SECRET}@host/database?{options}")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@[host/database",
        f"mysql://me:{SECRET}@host/database",
        f"postgresql://me:{SECRET}@host/database#here",
    ],
)
def test_what_is_no_url_is_refused_without_its_password(url: str) -> None:
    """Texts end in logs."""
    with pytest.raises(ValueError, match="PostgreSQL server") as caught:
        PostgresStore(url)
    assert SECRET not in str(caught.value)


def test_options_of_the_driver_are_left_to_it() -> None:
    """Hosts, encryption and names are as everywhere; what is ours is taken out."""
    address = address_of(
        f"postgres://me:{SECRET}@one:5432,two:5433/db?sslmode=require&lease=3&application_name=a"
    )
    assert address.dsn == (
        f"postgres://me:{SECRET}@one:5432,two:5433/db"
        "?sslmode=require&application_name=a&target_session_attrs=read-write"
    )
    assert address.shown == "postgres://me@one:5432,two:5433/db"
    assert address.lease_seconds == 3
    assert SECRET not in repr(address)


async def test_a_password_is_in_no_text(postgres_url: str) -> None:
    """Neither in that of the store nor in its errors."""
    there = postgres_url.replace("postgres@", f"nobody-here:{SECRET}@")
    store = PostgresStore(there)
    assert SECRET not in repr(store)
    with pytest.raises(StoreError, match="nobody-here") as caught:
        await store.open()
    assert SECRET not in str(caught.value)


async def test_what_the_driver_does_not_take_is_said(postgres_url: str) -> None:
    """Its options are checked when it connects."""
    with pytest.raises(StoreError, match="sslmode"):
        await PostgresStore(f"{postgres_url}?sslmode=perhaps").open()


async def test_a_server_that_is_not_there_is_said_to_be_unreachable() -> None:
    """Port 9 is nobody's; what is not open cannot be used."""
    store = PostgresStore("postgresql://me@127.0.0.1:9/database?timeout=0.5")
    with pytest.raises(StoreError, match="cannot be reached"):
        await store.open()
    with pytest.raises(StoreError, match="not open"):
        await store.renew()


async def test_settings_that_lose_commits_are_refused_unless_it_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One is put right for our own sessions; the others are the server's."""
    server = Server({"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"})
    try:
        server.start()
        with pytest.raises(StoreError, match="fsync = off") as caught:
            await PostgresStore(server.url()).open()
        assert "unsafe=fsync" in str(caught.value)
        store = PostgresStore(f"{server.url()}?unsafe=fsync,full_page_writes")
        with caplog.at_level(logging.WARNING):
            await store.open()
        await store.close()
        assert "unsafe: fsync = off" in caplog.text
        assert "synchronous_commit" not in caplog.text
        pooled = PostgresStore(f"{server.url()}?unsafe=fsync,full_page_writes&pool=transaction")
        with pytest.raises(StoreError, match="synchronous_commit = off"):
            await pooled.open()
    finally:
        server.remove()


async def test_a_replica_is_refused(postgres_url: str) -> None:
    """A server, or a database, that takes no writes is no home for sagas."""
    name = postgres_url.rpartition("/")[2]
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode())
    with pytest.raises(StoreError, match="replica"):
        await PostgresStore(postgres_url).open()


async def test_many_may_bring_the_schema_up_to_date_at_once(postgres_url: str) -> None:
    """One does it; the others wait, and find it done."""
    stores = [PostgresStore(postgres_url) for _ in range(8)]
    await asyncio.gather(*(store.open() for store in stores))
    assert sorted(
        [await store.acquire(f"{at}", wait=False) for at, store in enumerate(stores)]
    ) == [*range(1, 9)]
    await asyncio.gather(*(store.close() for store in stores))


async def test_who_is_killed_in_a_migration_leaves_nothing(postgres_url: str) -> None:
    """The next one begins again."""
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        # Whoever migrates stops at the end of its transaction, where it is ended.
        admin.execute("""
            CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
                IF to_regclass('sagacity.coordinator') IS NOT NULL THEN
                    PERFORM pg_terminate_backend(pg_backend_pid());
                END IF;
            END $$
        """)
        admin.execute("CREATE EVENT TRIGGER stop ON ddl_command_end EXECUTE FUNCTION stop()")
        with pytest.raises(StoreError):
            await PostgresStore(postgres_url).open()
        found = admin.execute("SELECT to_regclass('sagacity.saga')").fetchone()
        assert found == (None,)
        admin.execute("DROP EVENT TRIGGER stop")
    store = PostgresStore(postgres_url)
    await store.open()
    await store.close()


async def test_a_schema_from_the_future_is_refused(postgres_store_url: str) -> None:
    """An older build does not touch what it does not know."""
    store = PostgresStore(postgres_store_url)
    await store.open()
    await store.close()
    url, _, schema = postgres_store_url.partition("?schema=")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"UPDATE {schema}.schema_version SET version = 1000".encode())
    with pytest.raises(SchemaVersionError, match="1000"):
        await store.open()


async def test_a_role_that_may_not_make_the_schema_says_who_may(postgres_url: str) -> None:
    """Only the owner's first opening makes it."""
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS weak_one")
        admin.execute("CREATE ROLE weak_one LOGIN")
    with pytest.raises(StoreError, match="open the store once as the role that owns"):
        await PostgresStore(postgres_url.replace("postgres@", "weak_one@")).open()
