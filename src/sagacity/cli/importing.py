"""`import`: exported sagas into a store.

An import is all or nothing as far as its file can tell: every line is read and
checked, and every id looked up, before the first saga is written. A saga is written
in the state `ready`, which no coordinator drives, until its last record is in; if
that is cut short, the same import goes on with it.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import click
import orjson

from sagacity.cli.archive import MAX_LINE_BYTES, Archived, read_line
from sagacity.cli.documenting import summary_document
from sagacity.cli.json_documents import ImportDocument
from sagacity.cli.options import json_option, store_option
from sagacity.cli.output import emit, note
from sagacity.cli.stores import new_store, opened
from sagacity.cli.text import counted, safe
from sagacity.core.events import Created
from sagacity.core.state import SagaState
from sagacity.core.values import decode
from sagacity.engine.intake import Intake, new_saga
from sagacity.engine.summaries import listed
from sagacity.engine.system import wall_ms
from sagacity.errors import LogCorrupt, NoSuchSaga, SagaExists
from sagacity.ports.store import FINAL, Append, SagaStatus
from sagacity.steno import load

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from uuid import UUID

    from sagacity.ports.store import NewSaga, SagaHead, SagaStore, StoredSaga

OWNER: Final = "import"
"""The owner of an imported saga, until a coordinator takes it over."""
SPOOL_BYTES: Final = 16 * 1024 * 1024


@click.command("import")
@click.argument("file", metavar="FILE|-")
@click.option("--steno", is_flag=True, help="Read one saga in Steno's own format.")
@store_option
@json_option
def import_command(*, file: str, steno: bool, store: str, as_json: bool) -> None:
    """Bring exported sagas into a store.

    Ids that are in use are refused.

    Everything is read and checked before anything is written. A saga that had not
    ended goes on with the next coordinator of this store: see that it does not go on
    in the other store too. A saga in Steno's format is brought in ready, not started.
    """
    with _read(file) as stream:
        heads = asyncio.run(_import(stream, store, steno=steno))
    if as_json:
        emit(ImportDocument([summary_document(listed(head)) for head in heads]))
        return
    note(f"imported {counted(len(heads), 'saga')}")
    for head in heads:
        if head.state not in FINAL:
            note(f"  {head.id} ({safe(head.name)}) has not ended: {head.state}")


@contextmanager
def _read(file: str) -> Generator[IO[bytes]]:
    """Give a file that can be read twice."""
    if file != "-":
        with Path(file).open("rb") as stream:
            yield stream
        return
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool)
        spool.seek(0)
        yield spool


async def _import(stream: IO[bytes], url: str, *, steno: bool) -> list[SagaHead]:
    if steno:
        saga = _from_steno(stream.read())
        async with opened(new_store(url)) as (store, _):
            if await store.create(saga) is not None:
                raise SagaExists(saga.id, "ids in use are refused")
            return [(await store.read(saga.id)).head]
    lengths: dict[UUID, int] = {}
    for archived in _lines(stream):
        if archived.id in lengths:
            raise click.ClickException(f"saga {archived.id} is in the file twice")
        lengths[archived.id] = archived.event_count
    async with opened(new_store(url)) as (store, _):
        for saga_id, length in lengths.items():
            await _check_free(store, saga_id, length)
        stream.seek(0)
        return [await bring_in(store, archived) for archived in _lines(stream)]


def _from_steno(text: bytes) -> NewSaga:
    saga = load(orjson.loads(text))
    intake = Intake(saga.dag, saga.params, {}, decode)
    state = SagaState(saga.dag, saga.params)
    events = [Created(OWNER), *saga.events]
    for event in events:
        state.apply(event)
    return new_saga(intake, saga.saga_id, state, events, now_ms=wall_ms(), owner=OWNER, epoch=0)


def _lines(stream: IO[bytes]) -> Iterator[Archived]:
    for number, line in enumerate(iter(lambda: stream.readline(MAX_LINE_BYTES), b""), start=1):
        if len(line) == MAX_LINE_BYTES:
            raise click.ClickException(
                f"line {number} is over the limit of {MAX_LINE_BYTES:,} bytes"
            )
        if not line.strip():
            continue
        try:
            yield read_line(line)
        except LogCorrupt as error:
            raise click.ClickException(f"line {number}: {error}") from error


async def _check_free(store: SagaStore, saga_id: UUID, length: int) -> None:
    try:
        head = (await store.read(saga_id)).head
    except NoSuchSaga:
        return
    if not _is_partial(head) or head.sequence >= length:
        raise SagaExists(saga_id, "ids in use are refused; nothing was imported")


def _is_partial(head: SagaHead) -> bool:
    """Whether an import of this saga was cut short."""
    return (head.owner, head.epoch, head.state) == (OWNER, 0, SagaStatus.READY)


async def bring_in(store: SagaStore, archived: Archived) -> SagaHead:
    """Write one saga, or what is missing of it."""
    here = 0
    head = await store.create(archived.beginning(OWNER))
    if head is not None:
        stored = await store.read(archived.id)
        here = len(stored.records)
        if not _is_beginning(stored, archived):
            raise SagaExists(archived.id, "ids in use are refused")
    sequence = sum(count for _, count in archived.records[: max(here, 1)])
    for place in range(max(here, 1), len(archived.records)):
        record, count = archived.records[place]
        last = place == len(archived.records) - 1
        await store.append(
            Append(
                saga_id=archived.id,
                epoch=0,
                expected_sequence=sequence,
                record=record,
                event_count=count,
                # Nobody drives it before its last record is in.
                summary=archived.summary if last else archived.resting,
                updated_ms=archived.updated_ms,
            )
        )
        sequence += count
    return (await store.read(archived.id)).head


def _is_beginning(stored: StoredSaga, archived: Archived) -> bool:
    records = [record for _, record in stored.records]
    return (
        _is_partial(stored.head)
        and stored.head.fingerprint == archived.definition.fingerprint
        and stored.params == archived.params
        and stored.constants == archived.constants
        and records == [record for record, _ in archived.records[: len(records)]]
    )
