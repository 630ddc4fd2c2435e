"""`gc`: removes sagas that ended long ago; whole sagas, never one that can still go on."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

import click

from sagacity.cli.json_documents import GcDocument
from sagacity.cli.options import json_option, store_option
from sagacity.cli.output import emit
from sagacity.cli.stores import known_store, opened
from sagacity.cli.text import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, counted
from sagacity.engine.system import wall_ms
from sagacity.ports.store import FINAL, MAX_PAGE, SagaQuery, SagaStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sagacity.ports.store import SagaStore

UNITS_MS: Final = {
    "s": SECOND_MS,
    "m": MINUTE_MS,
    "h": HOUR_MS,
    "d": DAY_MS,
    "w": 7 * DAY_MS,
}
_FINAL_STATES: Final = sorted(state.value for state in FINAL)


class Age(click.ParamType[int]):
    """An age such as 30d, in milliseconds."""

    name = "age"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return milliseconds."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,9})([smhdw])", value)
        if match is None:
            self.fail(f"{value!r} is not an age like 30d, 12h, 90m, 45s or 2w", param, ctx)
        return int(match[1]) * UNITS_MS[match[2]]


@click.command()
@click.option(
    "--older-than",
    "age_ms",
    type=Age(),
    required=True,
    metavar="AGE",
    help="Remove what ended at least so long ago: 30d, 12h, 90m, 45s, 2w.",
)
@click.option(
    "--state",
    "states",
    type=click.Choice(_FINAL_STATES),
    multiple=True,
    help="Only sagas in this state; can be given more than once.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed; remove nothing.")
@store_option
@json_option
def gc(*, age_ms: int, states: tuple[str, ...], dry_run: bool, store: str, as_json: bool) -> None:
    """Remove sagas that ended long ago.

    Only sagas that have succeeded, unwound or been abandoned; a stuck one waits for a
    person, however long. Once a saga is removed its id is free again.
    """
    chosen = [SagaStatus(state) for state in states or _FINAL_STATES]
    removed = asyncio.run(_remove(store, chosen, wall_ms() - age_ms, dry_run=dry_run))
    if as_json:
        emit(GcDocument(dry_run, removed.total(), dict(removed)))
        return
    told = ", ".join(f"{count:,} {state}" for state, count in sorted(removed.items()))
    what = "would remove" if dry_run else "removed"
    click.echo(f"{what} {counted(removed.total(), 'saga')}" + (f": {told}" if told else ""))


async def _remove(
    url: str, states: Sequence[SagaStatus], before_ms: int, *, dry_run: bool
) -> Counter[str]:
    removed: Counter[str] = Counter()
    async with opened(known_store(url)) as (store, _):
        for state in states:
            removed[state.value] = await _remove_of(store, state, before_ms, dry_run=dry_run)
    return +removed


async def _remove_of(store: SagaStore, state: SagaStatus, before_ms: int, *, dry_run: bool) -> int:
    count = 0
    after: UUID | None = None
    while heads := await store.list(SagaQuery(state=state, after=after, limit=MAX_PAGE)):
        old = [head.id for head in heads if head.updated_ms <= before_ms]
        if old:
            count += len(old) if dry_run else await store.delete(old)
        after = heads[-1].id
    return count
