"""What happened, as text: the saga as the engine saw it, the ledgers as the services saw it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from examples.trip.checker import Held, Verdict
from examples.trip.ledger import Entry
from sagacity import SagaView


def trip_lines(view: SagaView, verdict: Verdict) -> Iterator[str]:
    """Tell one trip: its nodes, its errors, its ledgers and the verdict."""
    yield f'saga {view.id}, trip "{verdict.trip}": {view.state}'
    for node in view.nodes:
        yield f"  {node.path:<12} {node.status}"
    for error in view.errors:
        effect = f" (effect: {error.effect})" if error.effect else ""
        yield f"  {'undo of ' if error.undo else ''}{error.node}: {error.message}{effect}"
    yield "ledgers"
    for service, entries in verdict.entries.items():
        yield f"  {service:<12} {', '.join(_told(entries)) or '-'}"
    yield f"checker: {'; '.join((verdict.held, *verdict.complaints))}"


def chaos_lines(views: Iterable[SagaView], verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Count how many trips ended how, and name each that is broken."""
    ends = sorted(view.state for view in views)
    yield "sagas:   " + ", ".join(f"{len(list(same))} {state}" for state, same in groupby(ends))
    verdicts = list(verdicts)
    counts = {held: sum(verdict.held is held for verdict in verdicts) for held in Held}
    yield "checker: " + "; ".join(f"{count} {held}" for held, count in counts.items())
    for verdict in verdicts:
        if verdict.complaints:
            yield f'  trip "{verdict.trip}": {"; ".join(verdict.complaints)}'


def _told(entries: Sequence[Entry]) -> Iterator[str]:
    for kind, same in groupby(entry.kind for entry in entries):
        count = len(list(same))
        yield f"{kind} ({count} times)" if count > 1 else kind
