"""`demo`: a saga that succeeds, then one that fails and is taken back, to be looked at."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final
from urllib.parse import quote

import click

from sagacity.cli import demo_saga
from sagacity.cli.documenting import saga_document
from sagacity.cli.ending import Followed, command_line
from sagacity.cli.exit_codes import INTERRUPTED, SUCCEEDED
from sagacity.cli.json_documents import DemoDocument
from sagacity.cli.loading import code_of
from sagacity.cli.one_saga import Request, run_saga
from sagacity.cli.options import json_option
from sagacity.cli.output import emit, note, standard_output_kept
from sagacity.engine.system import new_saga_id

STEPS: Final = (
    (
        "A server is provisioned: what does not depend on each other\nruns at the same time.",
        "",
    ),
    (
        "Another one, and the disk fails: what was done is taken\nback, last first.",
        "create_disk",
    ),
)
"""What is said before each saga, in lines for a terminal of 60 columns, and what fails in it."""


@click.command()
@click.option("--store", metavar="URL", help="Keep the sagas here; else they are gone at the end.")
@click.option(
    "--pace",
    type=click.FloatRange(0, 60),
    default=0.4,
    show_default=True,
    help="How slow it is, in seconds for a step.",
)
@json_option
def demo(*, store: str | None, pace: float, as_json: bool) -> int:
    """Show a saga that succeeds and one that unwinds.

    It takes a few seconds.

    Needs nothing and leaves nothing behind, unless --store says where to keep it.
    """
    with ExitStack() as stack:
        stack.enter_context(standard_output_kept())
        if store is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sagacity-demo-"))
            url = f"sqlite:///{quote(str(Path(folder) / 'demo.db'))}"
        else:
            url = store
        followed = _run_all(url, pace)
    interrupted = followed[-1].interrupted
    if as_json:
        views = [each.view for each in followed if each.view is not None]
        emit(DemoDocument(url, [saga_document(view) for view in views]))
    elif store is not None:
        note(f"They are kept; see them with:\n  {command_line('list', '--store', store)}")
    return INTERRUPTED if interrupted else SUCCEEDED


def _run_all(url: str, pace: float) -> list[Followed]:
    code = code_of([demo_saga])
    followed: list[Followed] = []
    for told, broken in STEPS:
        note(told)
        request = Request(
            saga=demo_saga.provision,
            code=code,
            store=url,
            id=new_saga_id(),
            params={"server": "moon", "broken": broken, "pace": pace},
            labels={"demo": "yes"},
        )
        followed.append(run_saga(request, quiet=False))
        note("")
        if followed[-1].interrupted:
            break
    return followed
