"""A saga and what is known around it; what becomes of each of its nodes now."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from sagacity.core.expecting import attempts_begun, hung_at_ms
from sagacity.core.transitions import NodeStatus
from sagacity.core.why import CurrentNode, Doing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sagacity.core.expecting import Attempt, What
    from sagacity.core.state import SagaState
    from sagacity.core.views import SagaView
    from sagacity.core.why import Rival

UNPARKED: Final = frozenset({"queued", "running"})
"""States in which its owner has, or had, the code for it."""


@dataclass(frozen=True)
class Known:
    """A saga, and what is known around it."""

    view: SagaView
    state: SagaState
    now_ms: int
    alive: Collection[str]
    """The coordinators that are alive."""
    expected: Mapping[What, int] = field(default_factory=dict["What", int])
    """What was learned: see `expecting.learned`."""
    rivals: Sequence[Rival] = ()
    """Who runs the actions that this saga waits for."""

    @cached_property
    def owned(self) -> bool:
        """Whether its owner is alive."""
        return self.view.owner in self.alive

    @cached_property
    def goes_on(self) -> bool:
        """Whether there is something to do that no person has to decide about first."""
        state = self.state
        unfinished = state.started and state.finished is None
        return unfinished and not state.paused and state.stuck is None

    @property
    def orphaned(self) -> bool:
        """Whether there is something to do, and nobody alive owns it."""
        return self.goes_on and not self.owned

    @cached_property
    def attempts(self) -> Mapping[int, Attempt]:
        """The last attempt of each node."""
        return attempts_begun(self.view.log)

    @cached_property
    def nodes(self) -> tuple[CurrentNode, ...]:
        """The nodes that something is to be done about."""
        state = self.state
        if state.finished is not None:
            return ()
        current = sorted({*state.in_flight, *state.waiting, *state.stuck_on})
        return tuple(_node(self, node) for node in current if not state.dag.markers[node])

    def that(self, doing: Doing) -> list[CurrentNode]:
        """Return the nodes of which this is true."""
        return [node for node in self.nodes if node.doing is doing]

    def action_of(self, node: CurrentNode) -> str:
        """Return the name of the node's action."""
        return self.state.dag.nodes[self.state.dag.find(node.path)].action


def _node(known: Known, node: int) -> CurrentNode:
    state, attempt = known.state, known.attempts.get(node)
    retrying = state.retrying.get(node)
    undo = state.status[node] in (NodeStatus.UNDO_STARTED, NodeStatus.UNDO_FAILED)
    of_this = attempt is not None and attempt.undo is undo
    doing = _doing(known, node)
    return CurrentNode(
        path=state.dag.paths[node],
        doing=doing,
        undo=undo,
        attempt=(state.undo_attempts if undo else state.attempts).get(node, 0),
        since_ms=attempt.begun_ms if of_this and attempt else None,
        hung_at_ms=_hung_at(known, node) if doing in (Doing.RUNNING, Doing.HUNG) else None,
        next_at_ms=retrying.at_ms if retrying is not None and node in state.waiting else None,
        deadline_ms=state.deadlines.get(node),
    )


def _doing(known: Known, node: int) -> Doing:
    state = known.state
    if node in state.stuck_on:
        return Doing.STUCK
    if node in state.in_flight:
        if not known.owned:
            return Doing.INTERRUPTED
        hung_ms = _hung_at(known, node)
        return Doing.HUNG if hung_ms is not None and hung_ms <= known.now_ms else Doing.RUNNING
    if not state.started:
        return Doing.READY
    if state.paused and node not in state.stepped:
        return Doing.PAUSED
    if state.halted:
        return Doing.HALTED
    retrying = state.retrying.get(node)
    if retrying is not None and retrying.at_ms > known.now_ms:
        return Doing.RETRY
    if not known.owned:
        return Doing.ORPHANED
    if state.missing and known.view.state not in UNPARKED:
        return Doing.CODE
    waits_for_place = not state.attempts and not known.rivals
    return Doing.PLACE if waits_for_place else Doing.SLOT


def _hung_at(known: Known, node: int) -> int | None:
    attempt = known.attempts.get(node)
    return None if attempt is None else hung_at_ms(known.state.dag, attempt, known.expected)
