"""A saga of ours in Steno's serialized form, if that form can say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from sagacity.core.agenda import Direction
from sagacity.core.decisions import Verb
from sagacity.core.events import Decided, Effect, Failed, FinalState, Finished
from sagacity.core.nodes import Undoing
from sagacity.core.values import encode
from sagacity.steno.document import render
from sagacity.steno.graph_writing import from_dag
from sagacity.steno.history import steno_events
from sagacity.steno.model import StenoDocument

if TYPE_CHECKING:
    from sagacity.core.views import SagaView


def dump(view: SagaView) -> dict[str, Any]:
    """Return the saga as Steno serializes it; `json.dumps` of it is Steno's text.

    What Steno has no words for and can do without is left out: labels, times, owners,
    the number of attempts, the saga's version, `siblings`, and `on_stuck` (Steno always
    halts). A failed undo keeps its message only.

    Raises:
        NotSteno: it would be another saga in Steno's format; with all reasons. Only sagas
            of a `DagBuilder` can be told, with atomic actions that look up their inputs.
    """
    params = encode(view.params)
    dag = from_dag(view.dag, params, besides=_log_reasons(view))
    events = steno_events(view.dag, params, view.log)
    document = render(StenoDocument(view.id, dag, tuple(events)))
    # Steno puts the DAG through a generic JSON value, which sorts its members.
    document["dag"] = orjson.loads(orjson.dumps(document["dag"], option=orjson.OPT_SORT_KEYS))
    return document


def _log_reasons(view: SagaView) -> list[str]:
    reasons: list[str] = []
    failed = False
    for logged in view.log:
        match logged.event:
            case Failed(node, _, Effect.POSSIBLE) if (
                view.dag.nodes[node].undoing is not Undoing.NOTHING
            ):
                failed = True
                reasons.append(
                    f'node "{view.dag.paths[node]}" failed with an unknown outcome; '
                    "to Steno it would have no effect"
                )
            case Failed():
                failed = True
            case Decided(verb=verb) if verb not in (Verb.PAUSE, Verb.UNPAUSE):
                reasons.append(f"a person decided: {verb}; Steno knows no such thing")
            case Finished(FinalState.ABANDONED):
                reasons.append("it was abandoned; Steno would go on with it")
            case _:
                pass
    if view.masked:
        reasons.append("it has secrets, which Steno's format would show")
    if view.direction is Direction.UNWINDING and not failed:
        reasons.append("it is unwound although no node failed; Steno would go forward")
    return reasons
