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
    params = _read_json(text)
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


def _read_json(text: str | None) -> Json:
    if text is None:
        return NULL
    try:
        if text == "-":
            return canonical(sys.stdin.read())
        if text.startswith("@"):
            return canonical(Path(text[1:]).read_bytes())
        return canonical(text)
    except (OSError, UnicodeError, ValueNotStorable) as error:
        raise click.ClickException(f"--params: {error}") from error
