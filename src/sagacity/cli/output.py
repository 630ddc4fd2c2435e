"""Standard output: one JSON document, or the result, and nothing that other code prints.

Actions are users' code and print what they like; so do modules while they are
imported. It goes to standard error, so that standard output can be piped.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

import click
import orjson

if TYPE_CHECKING:
    from collections.abc import Generator


def emit(document: Any) -> None:
    """Print one JSON document."""
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def note(text: str) -> None:
    """Tell a person something that is not the result."""
    click.echo(text, err=True)


@contextmanager
def standard_output_kept() -> Generator[None]:
    """Send to standard error what is printed meanwhile, by Python or by a child process."""
    sys.stdout.flush()
    saved = _replaced_stdout()
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if saved is not None:
            os.dup2(saved, 1)
            os.close(saved)


def _replaced_stdout() -> int | None:
    """Point file descriptor 1 to standard error; None where it is not ours (a test's)."""
    try:
        if (sys.stdout.fileno(), sys.stderr.fileno()) != (1, 2):
            return None
        saved = os.dup(1)
    except (OSError, ValueError):
        return None
    os.dup2(2, 1)
    return saved
