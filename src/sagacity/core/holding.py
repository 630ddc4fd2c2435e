"""Which nodes hold something: an effect, certain or possible, that nobody has taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.core.nodes import NodeKind, Undoing
from sagacity.core.transitions import NodeStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagacity.core.state import SagaState

_HOLDING: Final = frozenset(
    {
        NodeStatus.STARTED,
        NodeStatus.SUCCEEDED,
        NodeStatus.UNKNOWN,
        NodeStatus.UNDO_STARTED,
        NodeStatus.UNDO_FAILED,
    }
)


def left_behind(state: SagaState) -> Sequence[int]:
    """Return the nodes that may have left something; those with nothing to undo have not."""
    return [
        node
        for node, what in enumerate(state.dag.nodes)
        if what.kind is NodeKind.ACTION
        and what.undoing is not Undoing.NOTHING
        and state.status[node] in _HOLDING
    ]
