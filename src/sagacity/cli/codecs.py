"""From `--codec MODULE:NAME` to what a store is opened with.

The name comes from who types the command, as that of a saga does, and never from data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from sagacity.ports.codec import Codecs

_NAME: Final = "sagacity.codec"
_TYPED: Final = "sagacity.codec.typed"


def keep_codec(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Remember what was asked for, until a store is opened."""
    ctx.meta[_NAME] = value
    source = ctx.get_parameter_source(parameter.name or "")
    ctx.meta[_TYPED] = source is ParameterSource.COMMANDLINE


def codec_words() -> list[str]:
    """Return the option as it was typed, for a command that goes on with this one."""
    ctx = click.get_current_context(silent=True)
    return ["--codec", ctx.meta[_NAME]] if ctx is not None and ctx.meta.get(_TYPED) else []


def chosen_codec() -> Codecs | None:
    """Return the codec that was asked for, if one was.

    Raises:
        click.ClickException: there is no such module or name, or it is no codec.
    """
    ctx = click.get_current_context(silent=True)
    target: str | None = None if ctx is None else ctx.meta.get(_NAME)
    if not target:
        return None
    from sagacity.cli.loading import load_module  # noqa: PLC0415 - only who has one waits for it

    module_name, colon, name = target.partition(":")
    if not colon or not module_name or not name:
        raise click.ClickException(f"{target!r:.100} is not MODULE:NAME, like keys:codec")
    found: Any = getattr(load_module(module_name), name, None)
    if callable(found) and not isinstance(found, type) and not _is_codec(found):
        found = found()
    codecs: list[Any] = [*cast("list[Any]", found)] if isinstance(found, list | tuple) else [found]
    if not codecs or not all(map(_is_codec, codecs)):
        raise click.ClickException(
            f"--codec {target}: a codec has a name, encode(bytes) and decode(bytes); give one, a "
            "list of them, or a function that makes it"
        )
    return cast("Codecs", codecs)


def _is_codec(found: Any) -> bool:
    return callable(getattr(found, "encode", None)) and callable(getattr(found, "decode", None))
