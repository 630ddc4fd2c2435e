"""The command `sagacity`: which commands there are, and what becomes of errors.

A command is imported when it is called, so that `sagacity --version` does not wait
for what only `run` needs. Every error that a person can do something about ends
here as one line on standard error and exit code 1, never as a traceback.
"""

from __future__ import annotations

import functools
import logging
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from sagacity.cli.error_kinds import kind_of
from sagacity.cli.exit_codes import FAILED, INTERRUPTED, SUCCEEDED
from sagacity.cli.output import emit, note
from sagacity.cli.streams import outlive_readers
from sagacity.cli.text import safe_lines
from sagacity.errors import SagacityError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

COMMANDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "demo": ("demo:demo", "Show a saga that succeeds and one that unwinds."),
        "run": ("running:run", "Run one saga and wait for its end."),
        "list": ("looking:list_command", "List sagas."),
        "show": ("looking:show", "Show a saga as a tree."),
        "why": ("why:why", "Say why a saga does not go on, and what to do."),
        "log": ("looking:log", "Show the log of a saga."),
        "watch": ("watching:watch", "Follow a saga until it ends, whoever drives it."),
        "graph": ("graphing:graph", "Draw the DAG of a saga."),
        "check": ("checking:check", "Check the DAG of every saga of a module."),
        "worker": ("working:worker", "Be the coordinator of a store."),
        "coordinators": ("fleet:coordinators", "List who drives sagas of the store."),
        "pause": ("deciding:pause", "Let nothing new begin in a saga, or in many."),
        "unpause": ("deciding:unpause", "Let a paused saga go on, or lift a hold."),
        "holds": ("holding:holds", "List what stands still by name, by label, or all."),
        "step": ("deciding:step", "Let one node of a saga pass, and hold the rest."),
        "set-breakpoint": (
            "deciding:set_breakpoint",
            "Let a saga pause by itself at a node, once.",
        ),
        "clear-breakpoint": (
            "deciding:clear_breakpoint",
            "Take breakpoints back: at a place, all of a node, or all.",
        ),
        "abort": ("deciding:abort", "Take a saga back: undo all that it has done."),
        "retry": ("deciding:retry", "Try again what is stuck or waits for a retry."),
        "skip": ("deciding:skip", "Take a stuck node as undone."),
        "set-output": ("deciding:set_output", "Take a node as succeeded."),
        "abandon": ("deciding:abandon", "End a saga as it is."),
        "bulk": (
            "bulking:bulk",
            "Go on with a decision about many sagas, or list those that there were.",
        ),
        "export": ("exporting:export_command", "Write sagas to a file."),
        "import": ("importing:import_command", "Bring exported sagas into a store."),
        "gc": ("pruning:gc", "Remove sagas that ended long ago."),
    }
)
"""Where each command is, below `sagacity.cli`, and its help in a line; in the order of the help."""


class Commands(click.Group):
    """A group that imports its commands late and turns errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None when there is none of this name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(f"sagacity.cli.{module}"), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of the commands without importing any of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in COMMANDS.items()])

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run a command and leave the process with its exit code."""
        arguments = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
        command = functools.partial(super().main, arguments, prog_name, **extra)
        sys.exit(_code_of(command, arguments))


def _code_of(command: Callable[[], Any], arguments: Sequence[str]) -> int:
    try:
        code = command()
    except click.exceptions.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return _told(error, error.format_message(), arguments)
    except (SagacityError, OSError) as error:
        message = "\n".join(safe_lines(_message_of(error)))
        note(f"Error: {message}")
        return _told(error, message, arguments)
    except Exception as error:  # noqa: BLE001 - the border: what gets here is our mistake
        note("".join(traceback.format_exception(error)))
        note("This is a bug in sagacity, or in a module of yours that it called.")
        return _told(error, str(error), arguments)
    return code if isinstance(code, int) else SUCCEEDED


def _message_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _told(error: Exception, message: str, arguments: Sequence[str]) -> int:
    if "--json" in arguments:
        with suppress(OSError):  # there may be no room for this either; it was told above
            emit({"error": {"kind": kind_of(error), "message": message}})
    return FAILED


class _EchoHandler(logging.Handler):
    """Warnings of the engine and of actions, to standard error as it is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record, escaped."""
        note("\n".join(safe_lines(self.format(record))))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sagacity", prog_name="sagacity")
def cli() -> None:
    """Run sagas, and look at them.

    A store holds the sagas: --store URL, or SAGACITY_STORE, or sagacity.db in the
    working directory. Any command works from any process on the same store.
    """
    root = logging.getLogger()
    if not root.handlers:
        handler = _EchoHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        root.addHandler(handler)


def main() -> NoReturn:
    """Be the command `sagacity`."""
    outlive_readers()
    cli.main()
