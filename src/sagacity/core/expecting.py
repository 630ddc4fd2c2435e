"""How long an attempt may take before it counts as hung, and what runs now and since when.

Judged by the node's own expected time, never by the age of the saga. What its author has
declared stands in the log with each attempt. Where nothing is declared, it is learned from
attempts of the same action that succeeded, in sagas of the same name that have ended.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeAlias

from sagacity.core.events import Started, Succeeded, UndoFinished, UndoStarted
from sagacity.core.immutable import Immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sagacity.core.codec import LoggedEvent
    from sagacity.core.dag import Dag

What: TypeAlias = tuple[str, bool]
"""The name of an action, and whether its undo is meant."""

LEARNED_FACTOR: Final = 3
"""An attempt is hung when it takes so many times what most of them took."""
LEARNED_SHARE: Final = 0.95
"""The share of the attempts that are "most of them"."""
LEARNED_LEAST_MS: Final = 60_000
"""What is learned is at least this: what mostly takes no time may take some."""
FEWEST: Final = 3
"""From fewer attempts nothing is learned."""


class Attempt(Immutable):
    """An attempt of a node that has begun; `expected_ms` is what is declared, 0: nothing."""

    node: int
    undo: bool
    number: int
    begun_ms: int
    expected_ms: int = 0


def attempts_begun(log: Iterable[LoggedEvent]) -> dict[int, Attempt]:
    """Return the last attempt of each node, whether or not it has ended."""
    begun: dict[int, Attempt] = {}
    for logged in log:
        event = logged.event
        if isinstance(event, Started | UndoStarted):
            undo = isinstance(event, UndoStarted)
            begun[event.node] = Attempt(
                event.node, undo, event.attempt, logged.time_ms, event.expected_ms
            )
    return begun


def durations(dag: Dag, log: Iterable[LoggedEvent]) -> list[tuple[What, int]]:
    """Return how long each attempt took that succeeded, in milliseconds."""
    begun: dict[int, int] = {}
    taken: list[tuple[What, int]] = []
    for logged in log:
        event = logged.event
        if isinstance(event, Started | UndoStarted):
            begun[event.node] = logged.time_ms
        elif isinstance(event, Succeeded | UndoFinished):
            since_ms = begun.pop(event.node, None)
            action = dag.nodes[event.node].action
            if since_ms is not None and action:
                what = (action, isinstance(event, UndoFinished))
                taken.append((what, logged.time_ms - since_ms))
    return taken


def learned(taken: Iterable[tuple[What, int]]) -> dict[What, int]:
    """Return after how many milliseconds an attempt of each action (or undo) is hung."""
    by_action: dict[What, list[int]] = {}
    for what, took_ms in taken:
        by_action.setdefault(what, []).append(took_ms)
    return {
        what: max(LEARNED_FACTOR * _most(each), LEARNED_LEAST_MS)
        for what, each in by_action.items()
        if len(each) >= FEWEST
    }


def _most(taken: Sequence[int]) -> int:
    return sorted(taken)[math.ceil(LEARNED_SHARE * len(taken)) - 1]


def hung_at_ms(dag: Dag, attempt: Attempt, expected: Mapping[What, int]) -> int | None:
    """Return when `attempt` counts as hung, if it has not ended; None: nothing is known."""
    patience_ms = attempt.expected_ms or expected.get(
        (dag.nodes[attempt.node].action, attempt.undo), 0
    )
    return attempt.begun_ms + patience_ms if patience_ms else None
