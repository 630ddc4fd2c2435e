"""What is said at the end of following a saga, and the exit code that goes with it."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sagacity.cli.codecs import codec_words
from sagacity.cli.documenting import saga_document
from sagacity.cli.exit_codes import FAILED, INTERRUPTED, exit_code_of
from sagacity.cli.json_documents import FollowDocument
from sagacity.cli.lines import MESSAGE_CHARS, failure_text
from sagacity.cli.output import emit, note
from sagacity.cli.stores import shown_url
from sagacity.cli.text import cut, safe
from sagacity.core.outcome import Succeeded

if TYPE_CHECKING:
    from sagacity.core.views import SagaView


@dataclass(frozen=True, slots=True)
class Followed:
    """A saga as it was last seen; `interrupted` if somebody stopped us before it ended.

    `command` is what to type then, `told` what became of the saga.
    """

    view: SagaView | None
    interrupted: bool = False
    told: str = ""
    command: str | None = None
    coordinator: bool | None = None
    """Whether a coordinator is alive on the store; None if that was not asked."""
    cut_short: bool = False
    """Whether attempts are still running in threads of this process."""


def command_line(*words: str) -> str:
    """Return a command of ours as a person can type it, here and now; without passwords."""
    by_module = os.path.basename(sys.argv[0]) == "__main__.py"  # noqa: PTH119 - text, no file
    shown = [shown_url(word) if before == "--store" else word for before, word in pairwise(words)]
    program = ("python", "-m", "sagacity") if by_module else ("sagacity",)
    return shlex.join([*program, *words[:1], *shown, *codec_words()])


def report(followed: Followed, store: str, *, as_json: bool) -> int:
    """Print what came of a saga of the store with this URL, and return the exit code."""
    view = followed.view
    if followed.interrupted:
        note(f"Interrupted. {followed.told}")
        if followed.command is not None:
            note(f"  {followed.command}")
    if as_json:
        document = None if view is None else saga_document(view, coordinator=followed.coordinator)
        emit(FollowDocument(document, followed.interrupted, followed.command))
    if followed.interrupted:
        return INTERRUPTED
    if view is None or view.outcome is None:
        return FAILED
    if isinstance(view.outcome, Succeeded):
        if not as_json:
            emit(view.outcome.output)
    else:
        for line in _errors(view, store):
            note(line)
    return exit_code_of(view.outcome)


def _errors(view: SagaView, store: str) -> list[str]:
    told = [f"saga {view.id} ({safe(view.name)}) is {view.state}:"]
    told += [
        f"  {'undo of ' if error.undo else ''}{safe(error.node)}: "
        f"{cut(safe(failure_text(error.kind, error.class_name, error.message)), MESSAGE_CHARS)}"
        for error in view.errors[:20]
    ]
    if not store.startswith("memory:"):
        told += ["all of it:", f"  {command_line('show', str(view.id), '-v', '--store', store)}"]
    return told
