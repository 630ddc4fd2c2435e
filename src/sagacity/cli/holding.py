"""`pause` and `unpause` of many sagas, and `holds`: what stands still by name, by label, or all."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from sagacity.cli.json_documents import HoldDocument, HoldsDocument, MatchingDocument
from sagacity.cli.options import json_option, label_options, read_labels, store_option
from sagacity.cli.output import emit, note
from sagacity.cli.stores import reading
from sagacity.cli.text import ago, counted, safe
from sagacity.engine.system import wall_ms
from sagacity.ports.store import DRIVEN, MAX_PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from sagacity.runtime import Client, Hold


@dataclass(frozen=True, slots=True)
class Scope:
    """Which sagas are meant, as typed."""

    name: str | None
    labels: Mapping[str, str]
    everything: bool

    def __bool__(self) -> bool:
        """Whether anything was said."""
        return self.name is not None or bool(self.labels) or self.everything

    def __str__(self) -> str:
        """Say it in words."""
        name = "sagas" if self.name is None else f'sagas "{safe(self.name)}"'
        labels = ", ".join(safe(f"{key}={value}") for key, value in self.labels.items())
        return f"all {name} with {labels}" if labels else f"all {name}"


def scope_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which sagas, as one `scope`."""

    @functools.wraps(function)
    def command(
        *, name: str | None, labels: tuple[str, ...], everything: bool, **options: Any
    ) -> None:
        scope = Scope(name, read_labels(labels), everything)
        if everything and (name is not None or labels):
            raise click.UsageError("--all is on every saga: give no --name and no --label with it")
        function(scope=scope, **options)

    for option in (
        click.option("--all", "everything", is_flag=True, help="All sagas of the store."),
        label_options("All sagas with this label; can be given more than once."),
        click.option("--name", metavar="NAME", help="All sagas of this name."),
    ):
        command = option(command)
    return command


def place_hold(scope: Scope, options: Mapping[str, Any]) -> bool:
    """Place the hold that `pause` asks for; False if it is about one saga."""
    if not scope:
        return False
    _no_id(options)
    if options["dry_run"]:
        _count(scope, options)
        return True

    async def place() -> Hold:
        async with reading(options["store"]) as client:
            return await client.pause(
                name=scope.name,
                labels=scope.labels,
                everything=scope.everything,
                reason=options["reason"],
                by=options["by"],
                request_id=options["request_id"],
            )

    hold = _said(place)
    if options["as_json"]:
        emit(hold_document(hold))
    else:
        click.echo(f"{scope} stand still, and those that come; hold {hold.id}")
    return True


def lift_holds(scope: Scope, hold: UUID | None, options: Mapping[str, Any]) -> bool:
    """Lift the holds that `unpause` is about; False if it is about one saga."""
    if not scope and hold is None:
        return False
    _no_id(options)
    if scope and hold is not None:
        raise click.UsageError("--hold names one hold: give nothing else that says which")

    async def lift() -> tuple[Hold, ...]:
        async with reading(options["store"]) as client:
            if options["dry_run"]:
                return tuple(each for each in await client.holds() if _is_meant(each, scope, hold))
            return await client.unpause(
                hold=hold,
                name=scope.name,
                labels=scope.labels,
                everything=scope.everything,
                reason=options["reason"],
                by=options["by"],
            )

    over = _said(lift)
    if options["as_json"]:
        emit(HoldsDocument([hold_document(each) for each in over]))
        return True
    for each in over:
        what = "would be lifted" if options["dry_run"] else "is lifted"
        click.echo(f"hold {each.id} {what}: {_scope_of(each)}")
    if not over:
        click.echo("nothing to do: there is no such hold (see: sagacity holds)")
    return True


@click.command()
@store_option
@json_option
def holds(*, store: str, as_json: bool) -> None:
    """List what stands still by name, by label, or all.

    `pause --name`, `--label` or `--all` places a hold, and `unpause` lifts it.
    """

    async def fetch() -> tuple[Hold, ...]:
        async with reading(store) as client:
            return await client.holds()

    found = asyncio.run(fetch())
    if as_json:
        emit(HoldsDocument([hold_document(each) for each in found]))
        return
    for each in found:
        reason = f": {safe(each.reason)}" if each.reason else ""
        when = ago(wall_ms() - each.since_ms)
        click.echo(f"{each.id}  {_scope_of(each)}  by {safe(each.by)}, {when}{reason}")
    if not found:
        note("no holds")


def hold_document(hold: Hold) -> HoldDocument:
    """Return a hold as a document."""
    return HoldDocument(
        str(hold.id), hold.name, dict(hold.labels), hold.everything, hold.by, hold.reason,
        hold.since_ms,
    )  # fmt: skip


def _scope_of(hold: Hold) -> Scope:
    return Scope(hold.name, hold.labels, hold.everything)


def _is_meant(each: Hold, scope: Scope, hold: UUID | None) -> bool:
    return each.id == hold if hold is not None else _scope_of(each) == scope


def _no_id(options: Mapping[str, Any]) -> None:
    if options["saga_id"]:
        raise click.UsageError("give an ID, or what says which sagas; not both")


def _said(work: Callable[[], Any]) -> Any:
    try:
        return asyncio.run(work())
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _count(scope: Scope, options: Mapping[str, Any]) -> None:
    async def count() -> Counter[str]:
        async with reading(options["store"]) as client:
            return Counter({state.value: await _count_of(client, scope, state) for state in DRIVEN})

    found = +asyncio.run(count())
    if options["as_json"]:
        emit(MatchingDocument("pause", found.total(), dict(found)))
        return
    told = ", ".join(f"{number:,} {state}" for state, number in sorted(found.items()))
    click.echo(
        f"{counted(found.total(), 'saga')} would stand still" + (f": {told}" if told else "")
    )


async def _count_of(client: Client, scope: Scope, state: str) -> int:
    count, after = 0, None
    while True:
        page = await client.list(
            state=state, name=scope.name, labels=scope.labels, after=after, limit=MAX_PAGE - 1
        )
        count, after = count + len(page.items), page.next
        if after is None:
            return count
