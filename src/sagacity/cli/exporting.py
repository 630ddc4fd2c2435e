"""`export`: sagas out of a store, whole, in a format of our own or in Steno's."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import contextmanager
from errno import EISDIR
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click
import orjson

from sagacity.cli.archive import line_of
from sagacity.cli.json_documents import ExportDocument
from sagacity.cli.options import json_option, store_option
from sagacity.cli.output import emit, note
from sagacity.cli.stores import find_saga, known_store, opened
from sagacity.cli.text import counted
from sagacity.ports.store import MAX_PAGE, SagaQuery
from sagacity.steno import dump

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from uuid import UUID

    from sagacity.ports.store import SagaStore
    from sagacity.runtime import Client


@click.command("export")
@click.argument("saga_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Export every saga of the store.")
@click.option(
    "--output",
    "-o",
    metavar="FILE|-",
    default="-",
    show_default=True,
    help="Where to write; a file that is there is overwritten.",
)
@click.option("--steno", is_flag=True, help="Write one saga in Steno's own format.")
@store_option
@json_option
def export_command(
    *,
    saga_ids: tuple[str, ...],
    everything: bool,
    output: str,
    steno: bool,
    store: str,
    as_json: bool,
) -> None:
    """Write sagas to a file.

    Whole, with definition, params and log; of a saga that is running, the log as it
    is at that moment. ID is a UUID, or the beginning of one. The format is JSON lines,
    one saga each; with --steno it is Steno's, for a saga that Steno could have run.
    """
    if everything == bool(saga_ids):
        raise click.UsageError("give IDs, or --all")
    if steno and len(saga_ids) != 1:
        raise click.UsageError("--steno writes one saga: give one ID")
    if as_json and output == "-":
        raise click.UsageError("--json needs -o FILE: standard output has room for one of the two")
    with _written(output) as stream:
        ids = asyncio.run(_export(store, saga_ids, stream, steno=steno))
    if as_json:
        emit(ExportDocument(output, [str(each) for each in ids]))
    else:
        note(f"exported {counted(len(ids), 'saga')}")


@contextmanager
def _written(output: str) -> Generator[IO[bytes]]:
    """Give standard output, or a file that is there under its name only when it is whole."""
    if output == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(output)
    if path.is_dir():
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), str(path))
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("xb") as stream:
            yield stream
        partial.replace(path)
    except OSError as error:
        if error.filename == str(partial):  # a name that nobody has given
            error.filename = output
        raise
    finally:
        partial.unlink(missing_ok=True)


async def _export(
    store: str, texts: tuple[str, ...], stream: IO[bytes], *, steno: bool
) -> list[UUID]:
    async with opened(known_store(store)) as (whole, client):
        if steno:
            view = await client.get(await find_saga(client, texts[0]))
            stream.write(orjson.dumps(dump(view), option=orjson.OPT_APPEND_NEWLINE))
            return [view.id]
        exported: list[UUID] = []
        chosen = _every_id(whole) if not texts else _ids_of(client, texts)
        async for saga_id in chosen:
            stream.write(line_of(await whole.read(saga_id)) + b"\n")
            exported.append(saga_id)
        return exported


async def _ids_of(client: Client, texts: tuple[str, ...]) -> AsyncGenerator[UUID]:
    for text in texts:
        yield await find_saga(client, text)


async def _every_id(store: SagaStore) -> AsyncGenerator[UUID]:
    after: UUID | None = None
    while heads := await store.list(SagaQuery(after=after, limit=MAX_PAGE)):
        for head in heads:
            yield head.id
        after = heads[-1].id
