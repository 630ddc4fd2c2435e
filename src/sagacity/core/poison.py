"""What to think of a node in whose middle coordinators die.

One death is an accident: a deploy, a full memory, a power cut; whatever was in flight runs
again, all at once. What was in the middle when the next one died too is under suspicion,
and such nodes are tried one at a time. What goes on killing is poison: a person decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sagacity.core.state import SagaState

SUSPECT_DEATHS: Final = 2
"""So many deaths in a row, and a node is tried alone."""
MOST_DEATHS: Final = SUSPECT_DEATHS + 3
"""So many, the last three of them alone, and it is not tried any more."""


def is_suspect(state: SagaState, node: int) -> bool:
    """Whether `node` is to be tried alone."""
    return state.deaths.get(node, 0) >= SUSPECT_DEATHS
