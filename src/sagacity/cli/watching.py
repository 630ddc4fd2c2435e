"""`watch`: a saga that others drive, until it ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from sagacity.cli.ending import Followed, command_line, report
from sagacity.cli.following import FromOutside, display_for, follow
from sagacity.cli.interruption import interruptible, unless_interrupted
from sagacity.cli.options import json_option, store_option
from sagacity.cli.stores import find_saga, reading

if TYPE_CHECKING:
    from sagacity.cli.following import Display
    from sagacity.cli.interruption import Interruption


@click.command()
@click.argument("saga_id", metavar="ID")
@store_option
@json_option
@click.option("--quiet", "-q", is_flag=True, help="Show no progress; only wait.")
def watch(*, saga_id: str, store: str, as_json: bool, quiet: bool) -> int:
    """Follow a saga until it ends, whoever drives it.

    ID is a UUID, or the beginning of one. Prints and exits as `run` does; Ctrl-C stops
    the watching only.
    """
    with interruptible("Stopped watching.") as interruption, display_for(quiet=quiet) as display:
        followed = asyncio.run(_watch(saga_id, store, display, interruption))
    return report(followed, as_json=as_json)


async def _watch(text: str, store: str, display: Display, interruption: Interruption) -> Followed:
    async with reading(store) as client:
        saga_id = await find_saga(client, text)
        view = await unless_interrupted(interruption, follow(FromOutside(client, saga_id), display))
        if view is not None:
            return Followed(view)
        return Followed(
            await client.get(saga_id),
            interrupted=True,
            told="The saga is not harmed by it; watch it again with:",
            command=command_line("watch", str(saga_id), "--store", store),
        )
