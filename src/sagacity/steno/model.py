"""Steno's serialized saga as typed values: what `document` reads and writes.

Each node class is one of Steno's node variants: its name is the tag in the JSON, its
fields are the members, in Steno's order. Values are canonical JSON. Nothing here is
checked beyond its form: whether a graph or a log can be is for `graph` and `loading`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from sagacity.core.events import ErrorRecord, EventKind
from sagacity.core.values import Json

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class Start:
    """Where the saga begins; it holds the saga's params."""

    params: Json


@dataclass(frozen=True, slots=True)
class End:
    """Where the saga ends; its one parent's output is the saga's."""


@dataclass(frozen=True, slots=True)
class Action:
    """A call of the action registered as `action_name`."""

    name: str
    label: str
    action_name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A value."""

    name: str
    value: Json


@dataclass(frozen=True, slots=True)
class SubsagaStart:
    """Where a subsaga begins; its params are the output of `params_node_name`."""

    saga_name: str
    params_node_name: str


@dataclass(frozen=True, slots=True)
class SubsagaEnd:
    """Where a subsaga ends: it has the subsaga's name in the saga, and its output."""

    name: str


VERSION: Final = "1"
"""The version that our side gives to actions of Steno's, which have none."""

StenoNode: TypeAlias = Start | End | Action | Constant | SubsagaStart | SubsagaEnd


@dataclass(frozen=True, slots=True)
class StenoDag:
    """A DAG as Steno has it; the order of the edges decides Steno's order of execution."""

    saga_name: str
    nodes: tuple[StenoNode, ...]
    edges: tuple[tuple[int, int], ...]
    start_node: int
    end_node: int


EVENT_KINDS: Final = (
    EventKind.STARTED,
    EventKind.SUCCEEDED,
    EventKind.FAILED,
    EventKind.UNDO_STARTED,
    EventKind.UNDO_FINISHED,
    EventKind.UNDO_FAILED,
)
"""What Steno logs, in the order in which it sorts a log before reading it."""


@dataclass(frozen=True, slots=True)
class StenoEvent:
    """One event: of `succeeded` the payload is the output, of the failures the error."""

    node: int
    kind: EventKind
    payload: Json | ErrorRecord | None = None


@dataclass(frozen=True, slots=True)
class StenoDocument:
    """A whole serialized saga."""

    saga_id: UUID
    dag: StenoDag
    events: tuple[StenoEvent, ...]
