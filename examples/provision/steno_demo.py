"""Steno's demo, command for command: `dot`, `info`, `print-log`, `run`.

What they print is what Steno's own example prints, to the letter: status, log and graph
come from `sagacity.steno`, the few lines around them are told here. A saga that fails is
no failure of the command, as with Steno.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import click

from examples.provision.steno_saga import PARAMS, REGISTRY, SAGA_ID, provision_dag, undo
from sagacity import (
    ActionFunc,
    ActionRegistry,
    SagacityError,
    SagaView,
    Sec,
    Stuck,
    Succeeded,
    open_store,
    steno,
)


@click.group("steno")
def steno_demo() -> None:
    """Steno's own demo: its DAG, its toy actions, its formats and texts."""


@steno_demo.command()
def dot() -> None:
    """Print the graph for graphviz."""
    click.echo(steno.dot(provision_dag(), PARAMS))


@steno_demo.command()
def info() -> None:
    """Print the graph, and the status before the start."""
    _run(_info())


@steno_demo.command("print-log")
@click.argument("file")
def print_log(file: str) -> None:
    """Print the log of a saga that `run --dump-to` (or Steno) has written; - is standard input."""
    _run(_print_log(file))


@steno_demo.command()
@click.option("--inject-error", metavar="NODE", multiple=True, help="Let this node fail.")
@click.option("--inject-undo-error", metavar="NODE", multiple=True, help="Let its undo fail.")
@click.option("--quiet", is_flag=True, help="Do not say how it goes.")
@click.option("--dump-to", metavar="FILE", help="Write the saga there at the end; - is stdout.")
@click.option("--recover-from", metavar="FILE", help="Go on with this saga; - is stdin.")
def run(
    inject_error: tuple[str, ...],
    inject_undo_error: tuple[str, ...],
    *,
    quiet: bool,
    dump_to: str | None,
    recover_from: str | None,
) -> None:
    """Run the saga."""

    def tell(text: str) -> None:
        if not quiet:
            click.echo(text)

    async def act() -> None:
        async with Sec(open_store("memory://"), REGISTRY) as sec:
            if recover_from is None:
                handle = await sec.create(provision_dag(), PARAMS, id=SAGA_ID)
            else:
                tell(f"recovering from log: {recover_from}")
                handle = await sec.resume(steno.load(_read(recover_from)))
                tell("recovered state")
                tell(f"{steno.status_text(await handle.view())}\n")
            for node in inject_error:
                await handle.inject_error(_path_of(node))
                tell(f'will inject error at node "{node}"')
            for node in inject_undo_error:
                await handle.inject_undo_error(_path_of(node))
                tell(f'will inject error at node "{node}" undo action')
            tell("*** running saga ***")
            await handle.start()
            await handle.wait()
            view = await handle.view()
        tell("*** finished saga ***\n")
        tell("*** final state ***")
        tell(steno.status_text(view))
        for line in _result(view):
            tell(line)
        if dump_to is not None:
            _write(dump_to, json.dumps(steno.dump(view), indent=2))
            tell(f"dumped log to {'stdout' if dump_to == '-' else json.dumps(dump_to)}")

    _run(act())


async def _info() -> None:
    click.echo("*** saga dag definition ***")
    click.echo("saga graph: ")
    click.echo(steno.dot(provision_dag(), PARAMS))
    click.echo("*** initial state ***")
    async with Sec(open_store("memory://"), REGISTRY) as sec:
        handle = await sec.create(provision_dag(), PARAMS, id=SAGA_ID)
        click.echo(steno.status_text(await handle.view()))


async def _print_log(file: str) -> None:
    saga = steno.load(_read(file))
    # To look at a log takes no code of its actions, whatever they are.
    stand_ins = ActionRegistry()
    for name in {node.action for node in saga.dag.nodes if node.action}:
        stand_ins.register(ActionFunc(name, undo, undo))
    async with Sec(open_store("memory://"), stand_ins) as sec:
        handle = await sec.resume(saga)
        click.echo(steno.log_text(await handle.view()))


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except (SagacityError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _read(file: str) -> str:
    return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")


def _write(file: str, text: str) -> None:
    if file == "-":
        click.echo(text, nl=False)
    else:
        Path(file).write_text(text, encoding="utf-8")


def _path_of(node: str) -> str:
    """Return the path of a node that is given by its name alone, as Steno takes it."""
    return next((path for path in provision_dag().paths if path.split("/")[-1] == node), node)


def _result(view: SagaView) -> Iterator[str]:
    if isinstance(view.outcome, Succeeded):
        yield "result: SUCCESS"
        yield f"final output: {json.dumps(view.outcome.output)}"
        return
    yield "result: ACTION FAILURE"
    yield from _failure(view, "failed")
    if isinstance(view.outcome, Stuck):
        yield "FOLLOWED BY UNDO ACTION FAILURE"
        yield from _failure(view, "undo_failed")


def _failure(view: SagaView, kind: str) -> Iterator[str]:
    """Tell one failure as Steno does: of several, that of the lowest node."""
    failures: list[tuple[int, Any]] = [
        (event["node_id"], event["event_type"][kind])
        for event in steno.dump(view)["events"]
        if kind in event["event_type"] and isinstance(event["event_type"], dict)
    ]
    index, error = min(failures, key=lambda failure: failure[0])
    yield f'failed at node:    "{view.dag.nodes[index].name}"'
    yield f"failed with error: {_in_words(error)}"


def _in_words(error: Any) -> str:
    match error:
        case "InjectedError":
            return "error injected"
        case {"ActionFailed": _}:
            return "action failed"
        case {"PermanentFailure": {"source_error": source}}:
            return f"undo action failed permanently: {json.dumps(source, indent=2)}"
        case {"DeserializeFailed": {"message": message}}:
            return f"deserialize failed: {message}"
        case _:
            return json.dumps(error)
