"""`list`, `show` and `log`: what is in the store, now. They change nothing, not even a file."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import click

from sagacity.cli.documenting import log_document, saga_document, summary_document
from sagacity.cli.going_on import at_rest, lines_for_list, lines_for_saga, what_to_decide
from sagacity.cli.json_documents import ListDocument
from sagacity.cli.lines import log_line, more_lines
from sagacity.cli.options import (
    json_option,
    label_options,
    read_labels,
    store_option,
    verbose_option,
)
from sagacity.cli.output import emit, note
from sagacity.cli.stores import find_saga, reading
from sagacity.cli.text import safe
from sagacity.core.agenda import Direction
from sagacity.ports.store import MAX_PAGE, SagaStatus

if TYPE_CHECKING:
    from uuid import UUID

    from sagacity.core.views import SagaSummary, SagaView
    from sagacity.core.why import Why

LARGEST_PAGE: Final = MAX_PAGE - 1


@click.command("list")
@store_option
@click.option(
    "--state",
    type=click.Choice([state.value for state in SagaStatus]),
    help="Only sagas in this state.",
)
@click.option(
    "--direction",
    type=click.Choice([direction.value for direction in Direction]),
    help="Only sagas that go this way.",
)
@click.option("--name", metavar="NAME", help="Only sagas of this name.")
@label_options("Only sagas with this label; can be given more than once.")
@click.option("--hung", is_flag=True, help="Only sagas that take longer than is expected of them.")
@click.option("--stuck", is_flag=True, help="Only sagas that wait for a person.")
@click.option("--orphaned", is_flag=True, help="Only sagas that nobody alive drives.")
@click.option("--after", type=click.UUID, metavar="UUID", help="Only sagas behind this id.")
@click.option(
    "--limit",
    type=click.IntRange(1, LARGEST_PAGE),
    default=100,
    show_default=True,
    help="How many to list.",
)
@click.option("--all", "everything", is_flag=True, help="List all, not only one page.")
@json_option
def list_command(
    *,
    store: str,
    state: str | None,
    direction: str | None,
    name: str | None,
    labels: tuple[str, ...],
    hung: bool,
    stuck: bool,
    orphaned: bool,
    after: UUID | None,
    limit: int,
    everything: bool,
    as_json: bool,
) -> None:
    """List sagas.

    Ordered by id; ids that sagacity makes sort by time. With --hung, --stuck and
    --orphaned those of which at least one is true.
    """
    wanted = read_labels(labels)
    troubled = hung or stuck or orphaned

    async def fetch() -> tuple[bool, list[SagaSummary], UUID | None]:
        found: list[SagaSummary] = []
        async with reading(store) as client:
            coordinator = await client.has_coordinator()
            behind = after
            while True:
                page = await client.list(
                    state=state, direction=direction, name=name, labels=wanted, hung=hung,
                    stuck=stuck, orphaned=orphaned, after=behind,
                    limit=LARGEST_PAGE if everything else limit - len(found),
                )  # fmt: skip
                found += page.items
                behind = page.next
                # A page of troubled sagas may be short, and not be the last one.
                if behind is None or not (everything or len(found) < limit):
                    return coordinator, found, behind

    coordinator, sagas, following = asyncio.run(fetch())
    if as_json:
        emit(
            ListDocument(
                [summary_document(each) for each in sagas],
                coordinator,
                None if following is None else str(following),
            )
        )
        return
    from sagacity.cli.table import print_table  # noqa: PLC0415 - rich takes long to import

    print_table(sagas)
    if not sagas:
        some = state or direction or name or wanted or troubled
        note("no such sagas" if some else "no sagas")
    if following is not None:
        note(f"there are more: --after {following}, or --all")
    if not coordinator:
        for line in lines_for_list(sagas, store):
            note(line)


@click.command()
@click.argument("saga_id", metavar="ID")
@store_option
@verbose_option
@json_option
def show(*, saga_id: str, store: str, verbose: bool, as_json: bool) -> None:
    """Show a saga as a tree.

    Its nodes, what runs now, what was undone, its errors and its output; and how to go
    on with it, if it has not ended and no coordinator drives it.
    ID is a UUID, or the beginning of one.
    """
    coordinator, view, why = asyncio.run(_explained(store, saga_id))
    if not coordinator:
        view = at_rest(view)
    if as_json:
        emit(saga_document(view, coordinator=coordinator))
        return
    from sagacity.cli.page import saga_page  # noqa: PLC0415 - rich takes long to import
    from sagacity.cli.terminal import Screen  # noqa: PLC0415

    screen = Screen()
    screen.print(saga_page(view, screen.look(verbose=verbose), why))
    lines = what_to_decide(view, store) or ([] if coordinator else lines_for_saga(view, store))
    if lines:
        screen.print(["", *lines])


@click.command()
@click.argument("saga_id", metavar="ID")
@store_option
@verbose_option
@json_option
def log(*, saga_id: str, store: str, verbose: bool, as_json: bool) -> None:
    """Show the log of a saga.

    Every event, in order: its sequence, its time, the epoch of who wrote it.
    ID is a UUID, or the beginning of one.
    """
    _, view = asyncio.run(_get(store, saga_id))
    if as_json:
        emit(log_document(view))
        return
    note(f"saga {view.id}: {safe(view.name)}")
    for event in view.events:
        click.echo(log_line(event))
        for line in more_lines(event) if verbose else ():
            click.echo(f"       {line}")


async def _explained(store: str, text: str) -> tuple[bool, SagaView, Why]:
    async with reading(store) as client:
        saga_id = await find_saga(client, text)
        coordinator = await client.has_coordinator()
        return coordinator, await client.get(saga_id), await client.why(saga_id)


async def _get(store: str, text: str) -> tuple[bool, SagaView]:
    """Return whether a coordinator is alive, and the saga."""
    async with reading(store) as client:
        saga_id = await find_saga(client, text)
        return await client.has_coordinator(), await client.get(saga_id)
