"""Options that several commands share, each said once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from sagacity.cli.codecs import keep_codec
from sagacity.cli.stores import DEFAULT_URL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

F = TypeVar("F", bound="Callable[..., Any]")

_url_option: Final = click.option(
    "--store",
    metavar="URL",
    envvar="SAGACITY_STORE",
    default=DEFAULT_URL,
    show_default=True,
    show_envvar=True,
    help="Where the sagas are.",
)
_codec_option: Final = click.option(
    "--codec",
    metavar="MODULE:NAME",
    envvar="SAGACITY_CODEC",
    show_envvar=True,
    expose_value=False,
    callback=keep_codec,
    help="What the payloads in the store are encoded with: a codec, a list of them, or a "
    "function that makes it.",
)


def store_option(function: F) -> F:
    """Give a command the options that say which store, and how what it holds is read."""
    return _url_option(_codec_option(function))


json_option: Final = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document to standard output."
)
deps_option: Final = click.option(
    "--deps",
    metavar="MODULE:NAME",
    help="What actions get as ctx.deps: an object, or a function that makes it "
    "(it may be async, or give an async context manager).",
)
params_option: Final = click.option(
    "--params",
    metavar="JSON|@FILE|-",
    help="The params: JSON, @FILE to read a file, - to read standard input.",
)
verbose_option: Final = click.option(
    "--verbose", "-v", is_flag=True, help="Show tracebacks, and all of what is shortened."
)


def label_options(help_text: str) -> Callable[[F], F]:
    """Return the option `--label key=value`, to be given any number of times."""
    return click.option("--label", "labels", metavar="K=V", multiple=True, help=help_text)


def read_labels(texts: tuple[str, ...]) -> Mapping[str, str]:
    """Return labels from `key=value` texts.

    Raises:
        click.BadParameter: one is none, or one key has two values.
    """
    labels: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{text!r:.80} is not key=value", param_hint="'--label'")
        if labels.setdefault(key, value) != value:
            raise click.BadParameter(f"{key!r:.80} has two values", param_hint="'--label'")
    return labels
