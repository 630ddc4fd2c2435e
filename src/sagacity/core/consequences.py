"""What a failure of each node leads to: the proof that every saga has a legal way to end.

Wherever an action fails, its saga either unwinds, or goes on forward, or stops where a
person decides, with a reason that is known before anything has run.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sagacity.core.immutable import Immutable
from sagacity.core.nodes import NodeKind, Undoing
from sagacity.core.pivots import reached

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagacity.core.dag import Dag

MAX_ASKING: Final = 100
"""How many nodes that ask a person are told of each failure; beyond, the first ones."""


class Leads(StrEnum):
    """What follows when a node has failed for good."""

    UNWINDS = "unwinds"
    UNDOES_ITSELF = "is undone too, and unwinds"
    RUNS_AGAIN = "runs again until that is known"
    OUTCOME_UNKNOWN = "a person decides (outcome_unknown)"
    FORWARD_FAILED = "a person decides (forward_failed)"
    ASKS = "a person decides (asks)"


class Consequences(Immutable):
    """What a final failure of one action leads to; before it, its retries are spent.

    `failed`: it is known to have had no effect. `unknown`: it may have had one. `asks`
    are the other nodes where the unwinding then stops for a person, if they have run.
    """

    path: str
    failed: Leads
    unknown: Leads
    asks: tuple[str, ...]


def consequences_of(dag: Dag) -> tuple[Consequences, ...]:
    """Return the consequences for each action of a DAG, in its order."""
    behind = reached(dag.pivots, dag.children.__getitem__)
    asking = _asking(dag)
    found: list[Consequences] = []
    for index, node in enumerate(dag.nodes):
        if node.kind is not NodeKind.ACTION:
            continue
        path = dag.paths[index]
        if dag.forward_only or index in behind:
            failed = unknown = Leads.FORWARD_FAILED
            asks: tuple[str, ...] = ()
        else:
            failed, unknown = Leads.UNWINDS, _UNKNOWN[node.undoing]
            if node.atomic and node.undoing in (Undoing.KNOWN, Undoing.ANY):
                unknown = Leads.RUNS_AGAIN
            # What depends on a node has never started when that fails.
            asks = tuple(each for each, above in asking.items() if each != path and
                         index not in above)  # fmt: skip
        found.append(Consequences(path, failed, unknown, asks))
    return tuple(found)


_UNKNOWN: Final = {
    Undoing.NOTHING: Leads.UNWINDS,
    Undoing.KNOWN: Leads.OUTCOME_UNKNOWN,
    Undoing.ANY: Leads.UNDOES_ITSELF,
    Undoing.ASK: Leads.ASKS,
    Undoing.PIVOT: Leads.OUTCOME_UNKNOWN,
    Undoing.NEVER: Leads.FORWARD_FAILED,
}


def _asking(dag: Dag) -> Mapping[str, set[int]]:
    """Return the nodes that ask a person, each with what it depends on."""
    nodes = [index for index, node in enumerate(dag.nodes) if node.undoing is Undoing.ASK]
    return {
        dag.paths[index]: reached([index], dag.parents.__getitem__) for index in nodes[:MAX_ASKING]
    }
