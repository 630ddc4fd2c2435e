"""`--log-format`: structured logs of a coordinator, on standard error."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import click

from sagacity.engine.logs import JsonFormatter, LogObserver

if TYPE_CHECKING:
    from sagacity.ports.observer import Observer

log_format_option: Final = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="Log to standard error all that happens, a line each with saga, node and attempt, "
    "and no data of yours; json: one JSON object a line.",
)


def observers_for(log_format: str | None) -> tuple[Observer, ...]:
    """Let the process log in this format, and return who writes what happens to sagas."""
    if log_format is None:
        return ()
    logging.getLogger("sagacity").setLevel(logging.INFO)
    with_time = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonFormatter() if log_format == "json" else with_time)
    return (LogObserver(),)
