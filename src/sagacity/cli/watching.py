"""`watch`: a saga that others drive, until it ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import click

from sagacity.cli.ending import Followed, command_line, report
from sagacity.cli.following import FromOutside, display_for, follow
from sagacity.cli.going_on import at_rest, lines_for_saga
from sagacity.cli.interruption import interruptible, unless_interrupted
from sagacity.cli.options import json_option, store_option
from sagacity.cli.output import note
from sagacity.cli.stores import find_saga, reading

if TYPE_CHECKING:
    from uuid import UUID

    from sagacity.cli.following import Display
    from sagacity.cli.interruption import Interruption
    from sagacity.core.views import SagaView
    from sagacity.runtime import Client


@click.command()
@click.argument("saga_id", metavar="ID")
@store_option
@json_option
@click.option("--quiet", "-q", is_flag=True, help="Show no progress; only wait.")
def watch(*, saga_id: str, store: str, as_json: bool, quiet: bool) -> int:
    """Follow a saga until it ends, whoever drives it.

    ID is a UUID, or the beginning of one. Prints and exits as `run` does; Ctrl-C stops
    the watching only. Where no coordinator drives the saga, it says how to go on.
    """
    with interruptible("Stopped watching.") as interruption, display_for(quiet=quiet) as display:
        followed = asyncio.run(_watch(saga_id, store, display, interruption))
    return report(followed, store, as_json=as_json)


async def _watch(text: str, store: str, display: Display, interruption: Interruption) -> Followed:
    async with reading(store) as client:
        saga_id = await find_saga(client, text)
        watched = _Attended(client, saga_id, store)
        view = await unless_interrupted(interruption, follow(watched, display))
        if view is not None:
            return Followed(view, coordinator=watched.coordinator)
        return Followed(
            await watched.view(),
            interrupted=True,
            coordinator=watched.coordinator,
            told="The saga is not harmed by it; watch it again with:",
            command=command_line("watch", str(saga_id), "--store", store),
        )


class _Attended(FromOutside):
    """A saga that others drive; says so, once each time, when nobody does."""

    def __init__(self, client: Client, saga_id: UUID, store: str) -> None:
        super().__init__(client, saga_id)
        self._has_coordinator: Final = client.has_coordinator
        self._store: Final = store
        self._told = False
        self.coordinator: bool | None = None

    async def view(self) -> SagaView:
        self.coordinator = await self._has_coordinator()
        view = await super().view()
        if self.coordinator:
            self._told = False
            return view
        if not self._told:
            lines = lines_for_saga(view, self._store)
            for line in lines:
                note(line)
            self._told = bool(lines)
        return at_rest(view)
