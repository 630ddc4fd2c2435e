"""`run`: what it takes and what it prints; the running itself is `one_saga`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sagacity.cli.ending import command_line, report
from sagacity.cli.interruption import leave_at_once
from sagacity.cli.loading import code_for, load_saga
from sagacity.cli.one_saga import Request, run_saga
from sagacity.cli.options import (
    deps_option,
    json_option,
    label_options,
    params_option,
    read_labels,
    store_option,
)
from sagacity.cli.output import note, standard_output_kept
from sagacity.cli.params import read_params
from sagacity.cli.stores import is_shared
from sagacity.cli.text import safe_lines
from sagacity.engine.system import new_saga_id
from sagacity.ports.store import MOST_PRIORITY

if TYPE_CHECKING:
    from uuid import UUID


@click.command()
@click.argument("target", metavar="MODULE:SAGA")
@params_option
@store_option
@click.option(
    "--id",
    "saga_id",
    type=click.UUID,
    metavar="UUID",
    help="The id to run under. If the saga exists, it is gone on with.",
)
@label_options("A label for the saga; can be given more than once.")
@click.option(
    "--priority",
    type=click.IntRange(-MOST_PRIORITY, MOST_PRIORITY),
    default=0,
    show_default=True,
    help="How urgent it is where coordinators take turns; a point counts as a minute of age.",
)
@click.option(
    "--inject-error",
    "errors",
    metavar="NODE",
    multiple=True,
    help="Let the node at this path fail; can be given more than once.",
)
@click.option(
    "--inject-undo-error",
    "undo_errors",
    metavar="NODE",
    multiple=True,
    help="Let the undo of this node fail; can be given more than once.",
)
@deps_option
@json_option
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
def run(
    *,
    target: str,
    params: str | None,
    store: str,
    saga_id: UUID | None,
    labels: tuple[str, ...],
    priority: int,
    errors: tuple[str, ...],
    undo_errors: tuple[str, ...],
    deps: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Run one saga and wait for its end.

    MODULE is imported with the working directory in Python's path; SAGA is the
    variable, or the name, of a saga in it. Progress goes to standard error, the
    output of the saga to standard output.

    With a live coordinator on the store (a worker, another run) the saga is handed to
    it; else this process drives it, and no other. A saga that is not taken there waits:
    where there is one coordinator at a time (SQLite) for that one to end or to have the
    code, else for a moment. Ctrl-C stops and says how to go on.

    Exit codes: 0 succeeded, 1 error, 3 unwound, 4 stuck, 5 abandoned, 130 interrupted.
    """
    with standard_output_kept():
        saga, module = load_saga(target)
        code = code_for(saga, module, transactions=is_shared(store))
        for mistake in code.left_out:
            note("\n".join(safe_lines(f"left out of module {module.__name__}: {mistake}")))
        chosen_id = saga_id or new_saga_id()
        where = ["--store", store]
        again = ["run", target, *where, "--id", str(chosen_id), *(["--deps", deps] if deps else [])]
        in_memory = store.startswith("memory:")
        request = Request(
            saga=saga,
            code=code,
            store=store,
            id=chosen_id,
            attach=saga_id is not None,
            # An existing saga has its params; they are not asked for once more.
            params=read_params(params, saga) if saga_id is None or params is not None else None,
            params_given=params is not None or saga_id is None,
            labels=read_labels(labels),
            priority=priority,
            deps=deps,
            errors=errors,
            undo_errors=undo_errors,
            resume_command=None if in_memory else command_line(*again),
            watch_command=None if in_memory else command_line("watch", str(chosen_id), *where),
        )
        followed = run_saga(request, quiet=quiet)
    exit_code = report(followed, store, as_json=as_json)
    if followed.cut_short:
        leave_at_once(exit_code)
    return exit_code
