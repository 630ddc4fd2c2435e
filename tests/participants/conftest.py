"""Facts about turns hold on each database, and the whole of a turn on each driver."""

from pathlib import Path
from typing import Any

import pytest

from tests.participants.services import OnAsyncpg, OnPsycopg, OnPsycopgAsync, OnSqlite, Service


@pytest.fixture(params=[OnSqlite, OnPsycopg])
async def service(request: pytest.FixtureRequest, tmp_path: Path) -> Service[Any]:
    """A service with its tables."""
    kind: type[Service[Any]] = request.param
    place = str(tmp_path / "service.db")
    service = kind(place if kind is OnSqlite else request.getfixturevalue("postgres_url"))
    await service.create()
    return service


@pytest.fixture(params=[OnPsycopgAsync, OnAsyncpg])
async def other_driver(request: pytest.FixtureRequest, postgres_url: str) -> Service[Any]:
    """The same on a driver that differs in nothing but how it is spoken to."""
    kind: type[Service[Any]] = request.param
    service = kind(postgres_url)
    await service.create()
    return service
