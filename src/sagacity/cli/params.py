"""From `--params` to what a saga takes, or one clear error that names the field."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sagacity.authoring import Saga
from sagacity.core.values import NULL, canonical, decode
from sagacity.errors import ValueNotStorable

if TYPE_CHECKING:
    from sagacity.cli.loading import Target
    from sagacity.core.values import Json


def read_params(text: str | None, saga: Target) -> Any:
    """Return the params for `saga` that `--params` says.

    Raises:
        click.ClickException: not JSON, or not what the saga takes.
    """
    params = NULL if text is None else read_json(text, "--params")
    if not isinstance(saga, Saga):
        return decode(params)
    try:
        return saga.read_params(params)
    except ValueNotStorable as error:
        if text is None:
            message = f'saga "{saga.name}" takes params: give --params JSON ({error})'
        else:
            message = f'--params do not fit saga "{saga.name}": {error}'
        raise click.ClickException(message) from error


def read_json(text: str, option: str) -> Json:
    """Return the JSON that an option says: JSON, @FILE to read a file, - for standard input.

    Raises:
        click.ClickException: it is none.
    """
    try:
        if text == "-":
            return canonical(sys.stdin.read())
        if text.startswith("@"):
            return canonical(Path(text[1:]).read_bytes())
        return canonical(text)
    except (OSError, UnicodeError, ValueNotStorable) as error:
        raise click.ClickException(f"{option}: {error}") from error
