"""Closing a coordinator whose lease is gone and cannot be had again."""

from __future__ import annotations

import asyncio

import pytest

from sagacity import CoordinatorClosed, Sec
from sagacity.errors import StoreError
from tests.engine.world import World, dag_of, registry_of, spawn
from tests.fleet.fleet import Fleet


async def test_who_waits_for_a_lease_hears_that_there_will_be_none(
    fleet: Fleet, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody hangs for ever on a coordinator that has gone."""
    store, refused = fleet.store(lease=1), asyncio.Event()

    async def refuse(owner: str, *, wait: bool) -> int:
        refused.set()
        raise StoreError(f"the server is away, {owner}")

    async with Sec(store, registry_of(world)) as sec:
        monkeypatch.setattr(store, "acquire", refuse)
        fleet.retire(sec._opened().driving.owner)
        await refused.wait()
        running = spawn(sec.run(dag_of("a")))
    with pytest.raises(CoordinatorClosed):
        await running
