import asyncio
import sys

import pytest
import uvloop

from sagacity.cli import event_loop


async def loop_class() -> type:
    return type(asyncio.get_running_loop())


def test_sagas_run_on_uvloop_where_it_is_installed() -> None:
    """A worker is a program of ours, so the loop is ours to choose."""
    assert event_loop.run(loop_class()) is uvloop.Loop


def test_sagas_run_without_uvloop_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert event_loop.run(loop_class()) is not uvloop.Loop
