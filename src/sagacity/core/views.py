"""Read models for people: a saga as `get`, the command line and exports show it.

What they are made from, and how, is in `viewing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sagacity.core.agenda import Direction
    from sagacity.core.codec import LoggedEvent
    from sagacity.core.dag import Dag
    from sagacity.core.events import EventKind
    from sagacity.core.nodes import NodeKind
    from sagacity.core.outcome import NodeError, Outcome
    from sagacity.core.transitions import NodeStatus


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node. Times are milliseconds since the Unix epoch, None where it did not happen.

    `running` says that its owner has an attempt of it (or of its undo) in flight. While
    it waits for a retry, `retry_at_ms` says when that is due, and the error is the last one.
    `waits_for` is what it waits for in the coordinator (a slot, a limit, an attempt that
    lingers), in words; only the coordinator's own process knows.
    `heartbeat` is the last detail that its attempts have told, and `heartbeat_ms` when the last
    heartbeat was that is in the log.
    """

    path: str
    name: str
    label: str
    kind: NodeKind
    status: NodeStatus
    attempt: int
    undo_attempt: int
    output: Any
    error: NodeError | None
    undo_error: NodeError | None
    running: bool
    depends_on: tuple[str, ...]
    started_ms: int | None = None
    ended_ms: int | None = None
    undo_started_ms: int | None = None
    undo_ended_ms: int | None = None
    retry_at_ms: int | None = None
    waits_for: str = ""
    heartbeat: Any = None
    heartbeat_ms: int | None = None


@dataclass(frozen=True, slots=True)
class EventView:
    """One event of the log, readable."""

    sequence: int
    time_ms: int
    kind: EventKind
    node: str | None
    attempt: int | None
    data: Any
    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class BreakpointView:
    """Where a saga pauses by itself; `node` is the path of a node, None for any."""

    at: str
    node: str | None


@dataclass(frozen=True, slots=True)
class SagaView:
    """A saga, whole, as of one moment.

    `waits_for` is what it waits for in the coordinator (a place, a limit, its next retry),
    in words; only the coordinator's own process knows.

    No secret is in it: what is a `Secret` in the saga is `***` here, in `log` too.
    """

    id: UUID
    name: str
    version: str
    state: str
    direction: Direction
    params: Any
    labels: Mapping[str, str]
    nodes: tuple[NodeView, ...]
    events: tuple[EventView, ...]
    errors: tuple[NodeError, ...]
    outcome: Outcome | None
    owner: str
    epoch: int
    created_ms: int
    updated_ms: int
    fingerprint: str
    breakpoints: tuple[BreakpointView, ...]
    """Those that it has not come to."""
    stopped_at: BreakpointView | None
    """The one that has paused it."""
    dag: Dag
    log: tuple[LoggedEvent, ...]
    waits_for: str = ""
    masked: bool = False
    """Whether there are secrets in the saga."""
    priority: int = 0
    """A point of it counts as a minute of age in the line for a coordinator."""

    def node(self, path: str) -> NodeView:
        """Return the node at `path`.

        Raises:
            NoSuchNode: there is none.
        """
        self.dag.find(path)
        return next(node for node in self.nodes if node.path == path)


@dataclass(frozen=True, slots=True)
class SagaSummary:
    """A saga as a list shows it.

    `orphaned`: it has something to do, and nobody alive owns it. `hung`: an attempt takes
    longer than is expected of it; None unless the list was asked to find that out.
    """

    id: UUID
    name: str
    state: str
    direction: Direction
    labels: Mapping[str, str]
    owner: str
    epoch: int
    created_ms: int
    updated_ms: int
    orphaned: bool = False
    hung: bool | None = None
    priority: int = 0
