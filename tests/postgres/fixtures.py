"""What tests on PostgreSQL are given: a server for the whole run, and databases in it.

`SAGACITY_TEST_POSTGRES` names another server to use, as a URL of a superuser.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tests.postgres.keeper import KeptServer

VARIABLE: Final = "SAGACITY_TEST_POSTGRES"

_NUMBERS: Final = count(1)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server, as its superuser: one for all processes of the run."""
    given = os.environ.get(VARIABLE)
    if given:
        yield given
        return
    folder = tmp_path_factory.getbasetemp()
    kept = KeptServer(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder)
    yield kept.url
    kept.close()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of a database that is new and empty."""
    with _new_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def shared_database(postgres_server: str) -> Iterator[str]:
    """The URL of a database that the tests of this process share."""
    with _new_database(postgres_server) as url:
        yield url


@pytest.fixture
def postgres_store_url(shared_database: str) -> Iterator[str]:
    """The URL of a store that is new and empty: ten times quicker than a new database."""
    schema = f"store_{next(_NUMBERS)}"
    yield f"{shared_database}?schema={schema}"
    with psycopg.connect(shared_database, autocommit=True) as connection:
        connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE'.encode())


@contextmanager
def _new_database(server: str) -> Generator[str]:
    name = f"sagacity_test_{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
