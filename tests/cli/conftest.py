"""A working directory with a module of sagas in it, and the command line at hand."""

import asyncio
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import orjson
import pytest
from click.testing import CliRunner, Result

from sagacity.cli.app import cli
from sagacity.runtime import Client, open_store
from tests.cli.processes import Gate
from tests.cli.trips import Trip, one_step

READY = "0190a3de-0000-7000-8000-000000000003"
TRIPS = Path(__file__).with_name("trips.py")

Sagacity: TypeAlias = Callable[..., Result]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, with `trips.py` in it and no store."""
    shutil.copy(TRIPS, tmp_path / "trips.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "trips", raising=False)
    monkeypatch.delenv("SAGACITY_STORE", raising=False)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


@pytest.fixture
def sagacity(here: Path) -> Sagacity:
    """Return what runs a command in this process, in `here`."""

    def run(*words: str, text: str | bytes | None = None) -> Result:
        return CliRunner().invoke(cli, words, input=text, catch_exceptions=False)

    return run


@pytest.fixture
def document(sagacity: Sagacity) -> Callable[..., Any]:
    """Return what runs a command with `--json` and gives the one document that it printed."""

    def run(*words: str, exit_code: int = 0, text: str | bytes | None = None) -> Any:
        result = sagacity(*words, "--json", text=text)
        assert result.exit_code == exit_code, result.output
        return orjson.loads(result.stdout)

    return run


@pytest.fixture
def ready(here: Path) -> str:
    """Return the id of a `one_step` that was created and never started."""

    async def create() -> UUID:
        async with Client(open_store("sqlite:///sagacity.db")) as client:
            return (await client.create(one_step, Trip("me"), id=UUID(READY))).id

    return str(asyncio.run(create()))


@pytest.fixture
def gate(here: Path) -> Iterator[Gate]:
    with Gate() as gate:
        yield gate
