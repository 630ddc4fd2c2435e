"""`check`: what is wrong with the sagas of a module, all of it at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from sagacity.authoring import Saga, collecting_mistakes
from sagacity.cli.documenting import graph_document
from sagacity.cli.exit_codes import FAILED, SUCCEEDED
from sagacity.cli.graphs.failures import failure_lines
from sagacity.cli.graphs.outline import outline_lines
from sagacity.cli.json_documents import (
    CheckDocument,
    CheckedSagaDocument,
    ConsequencesDocument,
)
from sagacity.cli.loading import Code, code_of, has_code, load_module
from sagacity.cli.options import json_option
from sagacity.cli.output import emit, standard_output_kept
from sagacity.cli.text import counted, safe, safe_lines
from sagacity.cli.unfinished import cannot_run
from sagacity.core.actions import ActionRegistry
from sagacity.core.consequences import consequences_of
from sagacity.errors import DagError, TraceError

if TYPE_CHECKING:
    from types import ModuleType

    from sagacity.cli.loading import Target


@click.command()
@click.argument("modules", metavar="MODULE...", nargs=-1, required=True)
@click.option(
    "--store",
    metavar="URL",
    help="Also look which unfinished sagas of this store the code cannot run, and why.",
)
@json_option
def check(*, modules: tuple[str, ...], store: str | None, as_json: bool) -> int:
    """Check the DAG of every saga of a module.

    Lists the nodes of each saga, what they wait for and how they are undone, what a
    failure of each leads to, and all mistakes of all sagas; that a module has no saga is one.
    Exit code 1 if there are any, or if --store has unfinished sagas that this code cannot run.
    """
    with standard_output_kept():
        code, mistakes = _collected(modules)
        unfinished = [] if store is None else asyncio.run(cannot_run(store, code))
    sagas = [_checked(saga) for saga in code.sagas]
    told = {mistake for saga in sagas for mistake in saga.mistakes}
    document = CheckDocument(
        ok=not mistakes and not told and not unfinished,
        sagas=sagas,
        mistakes=[mistake for mistake in mistakes if mistake not in told],
        unfinished=unfinished,
    )
    if as_json:
        emit(document)
    else:
        _print(document, code)
    return SUCCEEDED if document.ok else FAILED


def _collected(modules: tuple[str, ...]) -> tuple[Code, list[str]]:
    """Import modules, and go on after each mistake."""
    loaded: list[ModuleType] = []
    with collecting_mistakes() as found:
        for name in modules:
            try:
                loaded.append(load_module(name))
            except DagError as error:  # raised by something else than a saga, such as a builder
                found.append(error)
    mistakes = [mistake for error in found for mistake in error.mistakes]
    mistakes += [
        f"module {module.__name__} has no saga: is @saga forgotten?"
        for module in loaded
        if not has_code(module)
    ]
    try:
        return code_of(loaded), mistakes
    except DagError as error:
        mistakes += error.mistakes
        return Code((), ActionRegistry()), mistakes


def _checked(saga: Target) -> CheckedSagaDocument:
    mistakes: list[str] = []
    dag = None
    try:
        dag = saga.dag if isinstance(saga, Saga) else saga
    except DagError as error:
        mistakes += error.mistakes
    except TraceError:
        pass  # dynamic: it has no DAG before it has params
    return CheckedSagaDocument(
        name=saga.name,
        version=saga.version,
        dynamic=isinstance(saga, Saga) and saga.is_dynamic,
        nodes=None if dag is None else graph_document(dag, None).nodes,
        failures=None
        if dag is None
        else [
            ConsequencesDocument(each.path, each.failed.value, each.unknown.value, list(each.asks))
            for each in consequences_of(dag)
        ],
        mistakes=mistakes,
    )


def _print(document: CheckDocument, code: Code) -> None:
    for checked, saga in zip(document.sagas, code.sagas, strict=True):
        if checked.mistakes:
            click.echo(f"{safe(checked.name)}: {counted(len(checked.mistakes), 'mistake')}")
            _print_list(checked.mistakes)
        elif checked.dynamic:
            click.echo(f"{safe(checked.name)}, version {safe(checked.version)}, dynamic")
            click.echo("  its DAG depends on its params: sagacity graph --params shows one")
        else:
            dag = saga.dag if isinstance(saga, Saga) else saga
            click.echo("\n".join(outline_lines(dag)))
            click.echo("\n".join(failure_lines(dag)))
        click.echo()
    _print_list(document.mistakes)
    for each in document.unfinished:
        states = ", ".join(f"{count} {state}" for state, count in sorted(each.states.items()))
        click.echo(f"cannot run {safe(each.name)}, version {safe(each.version)} ({states}):")
        _print_list(each.missing)
        click.echo(f"    one of them: {each.id}")
    count = len(document.mistakes) + sum(len(saga.mistakes) for saga in document.sagas)
    told = [counted(len(document.sagas), "saga"), counted(count, "mistake")]
    if document.unfinished:
        found = sum(each.count for each in document.unfinished)
        told.append(counted(found, "unfinished saga") + " without code")
    click.echo(", ".join(told))


def _print_list(texts: list[str]) -> None:
    for text in texts:
        first, *rest = safe_lines(text)
        click.echo(f"  - {first}")
        for line in rest:
            click.echo(f"    {line}")
