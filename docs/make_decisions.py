"""Writes the table of `docs/operations.md`: what each decision does in each state, from the code.

    python docs/make_decisions.py

A test fails when the page is out of date.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sagacity import Dag, DagBuilder, Node
from sagacity.core.actions import ActionFunc
from sagacity.core.breakpoints import At
from sagacity.core.decisions import NO_NODE, OF_NODES, Verb, judge_decision
from sagacity.core.events import (
    Adopted,
    AttemptFailed,
    Created,
    Decided,
    Effect,
    ErrorKind,
    ErrorRecord,
    Failed,
    FinalState,
    Finished,
    How,
    Started,
    StartRequested,
    Succeeded,
    UndoAttemptFailed,
    UndoFailed,
    UndoFinished,
    UndoStarted,
)
from sagacity.core.folding import replay
from sagacity.core.poison import MOST_DEATHS
from sagacity.core.values import NULL, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagacity.core.events import Event

PAGE = Path(__file__).with_name("operations.md")


async def _nothing(_ctx: object) -> None: ...


ACTIONS: Final = (
    ActionFunc("nothing", _nothing, _nothing),
    ActionFunc("asks", _nothing, no_undo="ask"),
    ActionFunc("commits", _nothing, no_undo="pivot"),
)


def _dag(first: ActionFunc) -> Dag:
    builder = DagBuilder("two")
    for name, action in (("a", first), ("b", ACTIONS[0])):
        builder.append(Node.action(name, "", action))
    return builder.build()


PLAIN, ASKS, PIVOT = (_dag(action) for action in ACTIONS)


_ERROR: Final = ErrorRecord(ErrorKind.EXCEPTION, "no")
_BEGUN: Final = (Created("me"), StartRequested())
_B_RUNS: Final = (*_BEGUN, Started(0, 1), Succeeded(0, NULL), Started(1, 1))
_UNWINDS: Final = (*_B_RUNS, Failed(1, _ERROR, Effect.NONE), UndoStarted(0, 1))
_PAUSE: Final = Decided(Verb.PAUSE, NO_NODE, "", "", "first")
_DEATHS: Final = [
    event for n in range(2, MOST_DEATHS + 1) for event in (Adopted("me"), Started(1, n))
]
_BREAKPOINT: Final = Decided(Verb.SET_BREAKPOINT, 0, "", "", "second", encode(At.AFTER_UNDO.value))

CASES: Final[Sequence[tuple[str, int, Sequence[Event]]]] = (
    ("ready", 0, (Created("me"),)),
    ("queued", 0, _BEGUN),
    ("running", 1, _B_RUNS),
    ("running, waits for a retry", 1, (*_B_RUNS, AttemptFailed(1, _ERROR, Effect.NONE, 0))),
    ("paused", 0, (*_BEGUN, _PAUSE)),
    ("paused, with the breakpoint", 0, (*_BEGUN, _PAUSE, _BREAKPOINT)),
    ("waiting for code", 0, (*_BEGUN, Adopted("me", ("no action",)))),
    ("unwinding", 0, _UNWINDS),
    (
        "unwinding, waits for a retry",
        0,
        (*_UNWINDS, UndoAttemptFailed(0, _ERROR, 0)),
    ),
    ("stuck: undo_failed", 0, (*_UNWINDS, UndoFailed(0, _ERROR))),
    ("stuck: outcome_unknown", 1, (*_B_RUNS, Failed(1, _ERROR, Effect.POSSIBLE))),
    ("stuck: asks", 0, (*_B_RUNS, Failed(1, _ERROR, Effect.NONE))),
    ("stuck: forward_failed", 1, (*_B_RUNS, Failed(1, _ERROR, Effect.NONE))),
    ("stuck: poison", 1, (*_B_RUNS, *_DEATHS, Adopted("me"))),
    (
        "succeeded",
        0,
        (*_B_RUNS, Succeeded(1, NULL), Finished(FinalState.SUCCEEDED)),
    ),
    ("unwound", 0, (*_UNWINDS, UndoFinished(0, How.UNDONE), Finished(FinalState.UNWOUND))),
    ("abandoned", 0, (*_BEGUN, Finished(FinalState.ABANDONED))),
)
"""A name, the node that verbs of nodes are asked about, and a log that ends in that state."""
DAGS: Final = {"stuck: asks": ASKS, "stuck: forward_failed": PIVOT}
"""Of what the states are, if not of two plain nodes, one after the other."""


_AT: Final = {Verb.SET_BREAKPOINT: encode(At.AFTER_UNDO.value)}


def table() -> str:
    """Return a row for each state, a column for each verb."""
    verbs = list(Verb)
    lines = [
        f"| state | {' | '.join(f'`{verb.value}`' for verb in verbs)} |",
        f"|---|{'---|' * len(verbs)}",
    ]
    for name, node, log in CASES:
        state = replay(DAGS.get(name, PLAIN), NULL, log)
        answers = [
            judge_decision(
                state, verb, node if verb in OF_NODES else NO_NODE, _AT.get(verb)
            ).answer.value
            for verb in verbs
        ]
        lines.append(f"| {name} | {' | '.join(answers)} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """Return the page with its table made anew."""
    text, count = re.subn(
        r"(<!-- decisions: made by make_decisions.py -->\n).*?(<!-- end -->)",
        lambda match: f"{match[1]}{table()}{match[2]}",
        PAGE.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    assert count == 1, "the page has no place for the table"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
