"""The command line of the example: run, resume, down, check; the demo; and Steno's."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import click

from examples.provision import demo as story
from examples.provision import show
from examples.provision.checker import check as look
from examples.provision.mischief import Mischief, Strike, parse
from examples.provision.model import Request
from examples.provision.running import NODES, TEARDOWN_NODES, Place, exit_code, runner
from examples.provision.steno_demo import steno_demo

F = TypeVar("F", bound=Callable[..., Any])

DIRECTORY = Path("provision-state")


def say(text: str) -> None:
    """Print at once: what follows may be a kill."""
    print(text, flush=True)


def strikes(nodes: Iterable[str], *, kills: bool) -> Callable[..., tuple[Strike, ...]]:
    """Return a callback that reads the values of `--fail` or `--kill-at`, at one of `nodes`."""

    def read(
        context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
    ) -> tuple[Strike, ...]:
        try:
            found = tuple(parse(value, kills=kills) for value in values)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
        for strike in found:
            if strike.node not in nodes:
                raise click.BadParameter(f"no node {strike.node!r}; there are {', '.join(nodes)}")
        return found

    return read


def at_place(command: F) -> F:
    """Give a command its `--dir`."""
    option = click.option(
        "--dir",
        "directory",
        type=click.Path(file_okay=False, path_type=Path),
        default=DIRECTORY,
        show_default=True,
        help="Where the machine and the sagas are.",
    )
    return option(command)


@click.group(invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Provision a virtual machine, for real, in a directory. Without a command: the demo."""
    if context.invoked_subcommand is None:
        context.invoke(demo)


@main.command()
@at_place
def demo(directory: Path) -> None:
    """Show it all: an instance that answers, one that fails and is taken back, and the end."""
    try:
        asyncio.run(story.tell(Place(directory), say))
    except story.StoryError as error:
        raise click.ClickException(str(error)) from error


@main.command()
@at_place
@click.option("--name", default="web", show_default=True, help="The name of the instance.")
@click.option(
    "--volume-mib",
    type=click.IntRange(1, 1024),
    default=4,
    show_default=True,
    help="The size of its volume. No server has room for more than 64.",
)
@click.option(
    "--fail",
    metavar="NODE[:N]",
    callback=strikes(NODES, kills=False),
    multiple=True,
    help="Let this node fail half done (at its change number N).",
)
@click.option(
    "--kill-at",
    metavar="[undo:]NODE[:N]",
    callback=strikes(NODES, kills=True),
    multiple=True,
    help="Kill this program (-9) in the middle of this node, or of its undo.",
)
@click.option(
    "--id",
    "saga_id",
    type=click.UUID,
    help="The saga's id, so that this command can be repeated and makes one instance.",
)
def run(
    *,
    directory: Path,
    name: str,
    volume_mib: int,
    saga_id: UUID | None,
    fail: tuple[Strike, ...],
    kill_at: tuple[Strike, ...],
) -> None:
    """Make an instance; or go on, if an earlier run was killed."""

    async def act(place: Place) -> int:
        mischief = Mischief((*fail, *kill_at), say)
        async with runner(place, mischief=mischief, say=say, display=show.display(say)) as sagas:
            ended = await sagas.finish_unfinished()
            if ended:
                say("went on with what an earlier run left unfinished")
            if saga_id is not None or not ended:
                ended = [await sagas.provision(Request(name, volume_mib), saga_id)]
        for view in ended:
            say(show.ending(view))
        return max(exit_code(view) for view in ended)

    sys.exit(asyncio.run(act(Place(directory))))


@main.command()
@at_place
def resume(directory: Path) -> None:
    """Go on with what an earlier run left unfinished, and with nothing else."""

    async def act(place: Place) -> int:
        async with runner(place, say=say, display=show.display(say)) as sagas:
            ended = await sagas.finish_unfinished()
        for view in ended:
            say(show.ending(view))
        if not ended:
            say("nothing is unfinished")
        return max((exit_code(view) for view in ended), default=0)

    sys.exit(asyncio.run(act(Place(directory))))


@main.command()
@at_place
@click.argument("name", required=False)
@click.option(
    "--kill-at",
    metavar="NODE[:N]",
    callback=strikes(TEARDOWN_NODES, kills=True),
    multiple=True,
    help="Kill this program (-9) in the middle of this node.",
)
def down(directory: Path, name: str | None, kill_at: tuple[Strike, ...]) -> None:
    """Take down the instances called NAME, or all: a saga for each."""

    async def act(place: Place) -> int:
        mischief = Mischief(kill_at, say)
        async with runner(place, mischief=mischief, say=say, display=show.display(say)) as sagas:
            unfinished = await sagas.finish_unfinished()
            ended = [
                await sagas.tear_down(made_of)
                for made_of in place.machine.configurations()
                if name in (None, made_of.instance.name, made_of.instance.id)
            ]
        for view in (*unfinished, *ended):
            say(show.ending(view))
        if not unfinished and not ended:
            say("there is none")
        return max((exit_code(view) for view in ended), default=0)

    sys.exit(asyncio.run(act(Place(directory))))


@main.command()
@at_place
def check(directory: Path) -> None:
    """Say what is on the machine, from the machine alone; fails if anything is not whole."""
    report = look(Place(directory).machine)
    say(show.machine(report))
    sys.exit(0 if report.is_clean else 1)


main.add_command(steno_demo)
