"""`coordinators`: who is alive on a store, and how much each has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from sagacity.cli.json_documents import CoordinatorDocument, CoordinatorsDocument
from sagacity.cli.options import json_option, store_option
from sagacity.cli.output import emit, note
from sagacity.cli.stores import reading
from sagacity.cli.text import safe
from sagacity.engine.counting import MAX_COUNTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagacity.engine.counting import FleetView


@click.command()
@store_option
@json_option
def coordinators(*, store: str, as_json: bool) -> None:
    """List who drives sagas of the store.

    Each coordinator that is alive, oldest first: its identity, its epoch, and how many
    unfinished sagas it owns, by state; then those that nobody alive owns.
    """
    fleet = asyncio.run(_fleet(store))
    if as_json:
        emit(
            CoordinatorsDocument(
                [
                    CoordinatorDocument(each.owner, each.epoch, dict(each.sagas))
                    for each in fleet.coordinators
                ],
                dict(fleet.unowned),
                fleet.complete,
            )
        )
        return
    for each in fleet.coordinators:
        click.echo(f"{safe(each.owner)}  epoch {each.epoch}  {_counted(each.sagas)}")
    if not fleet.coordinators:
        note("no coordinator is alive on this store")
    if fleet.unowned:
        click.echo(f"nobody  {_counted(fleet.unowned)}")
    if not fleet.complete:
        note(f"only the first {MAX_COUNTED:,} unfinished sagas were counted")


async def _fleet(store: str) -> FleetView:
    async with reading(store) as client:
        return await client.coordinators()


def _counted(sagas: Mapping[str, int]) -> str:
    told = ", ".join(f"{count} {state}" for state, count in sorted(sagas.items()))
    return told or "no sagas"
