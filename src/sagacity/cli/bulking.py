"""One decision about many sagas, and `bulk`: how far such decisions have come, and going on."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

import click

from sagacity.cli.holding import scope_options
from sagacity.cli.json_documents import BulkDocument, BulksDocument, MatchingDocument
from sagacity.cli.options import json_option, store_option
from sagacity.cli.output import emit, note
from sagacity.cli.planning import plan_lines
from sagacity.cli.pruning import Age
from sagacity.cli.stores import reading
from sagacity.cli.text import SECOND_MS, counted, safe
from sagacity.core.values import decode
from sagacity.engine.requests import new_request
from sagacity.engine.system import new_request_id, wall_ms
from sagacity.ports.store import FINAL, MAX_PAGE, SagaStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence

    from sagacity.cli.holding import Scope
    from sagacity.core.decisions import Verb
    from sagacity.core.values import Json
    from sagacity.core.views import SagaSummary
    from sagacity.runtime import Bulk, Client

T = TypeVar("T")

SAMPLE: Final = 3
"""How many sagas `--dry-run` plans in full."""
_OPEN: Final = tuple(state.value for state in SagaStatus if state not in FINAL)


@dataclass(frozen=True, slots=True)
class Many:
    """Which sagas are meant, as typed; `yes`: without asking back."""

    scope: Scope
    states: tuple[str, ...]
    age_ms: int
    yes: bool

    def __bool__(self) -> bool:
        """Whether anything says that many are meant."""
        return bool(self.scope) or bool(self.states) or self.age_ms > 0

    def has(self, saga: SagaSummary, now_ms: int) -> bool:
        """Whether a saga of the wanted name and labels is one of them."""
        return saga.state in (self.states or _OPEN) and saga.updated_ms <= now_ms - self.age_ms


def many_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a decision the options that say which of many sagas it is about, as one `many`."""

    @scope_options
    @functools.wraps(function)
    def command(
        *,
        scope: Scope,
        states: tuple[str, ...],
        stuck: bool,
        age_ms: int,
        yes: bool,
        **options: Any,
    ) -> None:
        chosen = (*states, SagaStatus.STUCK.value) if stuck else states
        function(many=Many(scope, chosen, age_ms, yes), **options)

    for option in (
        click.option("--yes", is_flag=True, help="Do not ask back before many are decided about."),
        click.option(
            "--older-than", "age_ms", type=Age(), default=0, metavar="AGE",
            help="All sagas in which nothing happened for so long: 30d, 12h, 90m, 45s, 2w.",
        ),
        click.option("--stuck", is_flag=True, help="All sagas that are stuck."),
        click.option(
            "--state", "states", type=click.Choice(_OPEN), multiple=True,
            help="All sagas in this state; can be given more than once.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def carry_out_many(
    verb: Verb, many: Many, options: Mapping[str, Any], node: str, value: Json | None
) -> None:
    """Decide the same about all that match, or with --dry-run count them and plan a few."""
    if options["dry_run"]:
        asyncio.run(_dry_run(verb, many, options, node, value))
        return
    bulk_id = options["request_id"] or new_request_id()

    async def work(client: Client) -> Bulk:
        if sys.stdin.isatty() and not many.yes:
            count = sum([1 async for _ in _matching(client, many)])
            asked = f"{verb.value} {counted(count, 'saga')}?"
            await asyncio.to_thread(click.confirm, asked, abort=True, err=True)
        note(f"bulk {bulk_id}; if this is stopped, go on with: sagacity bulk {bulk_id}")
        return await client.bulk(
            verb.value,
            node,
            states=many.states,
            name=many.scope.name,
            labels=many.scope.labels,
            everything=many.scope.everything,
            older_than=many.age_ms / SECOND_MS,
            output=None if value is None else decode(value),
            reason=options["reason"],
            by=options["by"],
            id=bulk_id,
            tell=_tell,
        )

    _show([_with_client(options["store"], work)], as_json=options["as_json"])


def _meant(text: str, bulks: Sequence[Bulk]) -> UUID:
    """Return the id of the bulk that `text` means: all of it, or the beginning."""
    digits = text.replace("-", "").lower()
    found = [each.id for each in bulks if each.id.hex.startswith(digits)]
    if len(found) != 1:
        many = "no" if not found else "more than one"
        raise click.ClickException(
            f"{many} bulk begins with {text!r:.60}; `sagacity bulk` lists them"
        )
    return found[0]


@click.command()
@click.argument("text", metavar="[ID]", default="")
@store_option
@json_option
def bulk(*, text: str, store: str, as_json: bool) -> None:
    """Go on with a decision about many sagas, or list those that there were.

    With the ID of one that was stopped it goes on where that was; of one that came to its
    end it tells the counts.
    """

    async def resume(client: Client) -> Bulk:
        return await client.resume_bulk(_meant(text, await client.bulks()), tell=_tell)

    async def fetch(client: Client) -> Sequence[Bulk]:
        return await client.bulks()

    if text:
        _show([_with_client(store, resume)], as_json=as_json)
        return
    found = _with_client(store, fetch)
    if as_json:
        emit(BulksDocument([_document(each) for each in found]))
    else:
        _show(found, as_json=False)
        if not found:
            note("no bulks")


def _with_client(store: str, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        async with reading(store) as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _show(bulks: Sequence[Bulk], *, as_json: bool) -> None:
    for each in bulks:
        if as_json:
            emit(_document(each))
            continue
        what = f"{each.verb.value} {safe(each.node)}".strip()
        click.echo(f"{each.id}  {what}  {_counts(each)}{'' if each.finished else '  (unfinished)'}")
        for why, count in sorted(each.reasons.items()):
            click.echo(f"  {count:,}: {safe(why)}")


def _tell(each: Bulk) -> None:
    if not each.finished:
        note(_counts(each))


def _counts(each: Bulk) -> str:
    return (
        f"{each.done:,} done, {each.no_op:,} with nothing to do, {each.refused:,} refused, "
        f"{each.failed:,} failed"
    )


def _document(each: Bulk) -> BulkDocument:
    return BulkDocument(
        id=str(each.id),
        verb=each.verb.value,
        node=each.node or None,
        states=[state.value for state in each.states],
        name=each.name,
        labels=dict(each.labels),
        by=each.by,
        reason=each.reason,
        began_ms=each.began_ms,
        done=each.done,
        no_op=each.no_op,
        refused=each.refused,
        failed=each.failed,
        reasons=dict(each.reasons),
        finished=each.finished,
    )


async def _matching(client: Client, many: Many) -> AsyncIterator[SagaSummary]:
    after: UUID | None = None
    now_ms = wall_ms()
    while True:
        page = await client.list(
            name=many.scope.name, labels=many.scope.labels, after=after, limit=MAX_PAGE - 1
        )
        for saga in page.items:
            if many.has(saga, now_ms):
                yield saga
        after = page.next
        if after is None:
            return


async def _dry_run(
    verb: Verb, many: Many, options: Mapping[str, Any], node: str, value: Json | None
) -> None:
    async with reading(options["store"]) as client:
        found = [saga async for saga in _matching(client, many)]
        states = Counter(saga.state for saga in found)
        if options["as_json"]:
            emit(MatchingDocument(verb.value, len(found), dict(states)))
            return
        told = ", ".join(f"{number:,} {state}" for state, number in sorted(states.items()))
        click.echo(f"{verb.value} would be asked of {counted(len(found), 'saga')}"
                   + (f": {told}" if told else ""))  # fmt: skip
        for saga in found[:SAMPLE]:
            request = new_request(verb, node, by="", value=value)
            click.echo("\n" + "\n".join(plan_lines(await client.plan(saga.id, request))))
        if len(found) > SAMPLE:
            click.echo(f"\n... and {counted(len(found) - SAMPLE, 'saga')} more")
