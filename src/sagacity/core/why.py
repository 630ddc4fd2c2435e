"""What `why` says of a saga: the seven questions of who is on call, each with its answer.

1. What is it?               `id`, `name`, `version`, `labels`, `created_ms`
2. Is it moving?             `moving`, `last_event`, `direction`, `turned`, `nodes`
3. Why not?                  `causes`, `error`
4. Who has it?               `owner`, `epoch`, `owned`, `owners`
5. What has it touched?      `held`
6. What may I do?            `choices`
7. What did others do?       `acts`

Plain data; `explaining` finds the answers. Times are milliseconds since the Unix epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sagacity.core.agenda import Direction
    from sagacity.core.decisions import Answer, Verb
    from sagacity.core.outcome import NodeError
    from sagacity.core.views import EventView


class Doing(StrEnum):
    """What becomes of a node now; the same words are the kinds of causes."""

    RUNNING = "running"
    HUNG = "hung"
    INTERRUPTED = "interrupted"
    RETRY = "waits for a retry"
    SLOT = "waits for a slot"
    PLACE = "waits for a place"
    CODE = "waits for code"
    PAUSED = "paused"
    HALTED = "halted"
    STUCK = "stuck"
    ORPHANED = "orphaned"
    READY = "ready"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class CurrentNode:
    """A node that something is to be done about now.

    `since_ms` is when its last attempt began, `hung_at_ms` when that counts as hung (None:
    nobody knows what to expect), `next_at_ms` when the next attempt is due, `deadline_ms`
    until when others may begin.
    """

    path: str
    doing: Doing
    undo: bool
    attempt: int
    since_ms: int | None = None
    hung_at_ms: int | None = None
    next_at_ms: int | None = None
    deadline_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why it does not go on, as a word and as a sentence."""

    kind: Doing
    text: str
    node: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who had it, from when until when (None: still; or since when is not in the log)."""

    owner: str
    epoch: int
    since_ms: int | None
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Held:
    """What a node has done that is not undone. `certain`: it has; else it may have."""

    node: str
    output: Any
    certain: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person may decide, and what that would do; or why it is refused."""

    verb: Verb
    node: str
    answer: Answer
    text: str


@dataclass(frozen=True, slots=True)
class Act:
    """What a person decided."""

    time_ms: int
    verb: str
    node: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rival:
    """A node of another saga that runs what this saga waits for.

    That is the same action; or, if `suspected`, a node that is tried alone for the coordinators
    that have died while it ran.
    """

    saga_id: UUID
    saga_name: str
    action: str
    node: str
    since_ms: int
    suspected: bool = False


@dataclass(frozen=True, slots=True)
class Why:
    """A saga, explained, as of `seen_ms`."""

    id: UUID
    name: str
    version: str
    labels: Mapping[str, str]
    state: str
    direction: Direction
    created_ms: int
    created_by: str
    """Who asked for it: a person, or the coordinator in whose process it was created."""
    deadline_ms: int | None
    """When it is taken back if it goes forward still."""
    seen_ms: int
    moving: bool
    hung: bool
    orphaned: bool
    last_event: EventView | None
    turned: str
    nodes: tuple[CurrentNode, ...]
    causes: tuple[Cause, ...]
    error: NodeError | None
    owner: str
    epoch: int
    owned: bool
    owners: tuple[Ownership, ...]
    held: tuple[Held, ...]
    choices: tuple[Choice, ...]
    acts: tuple[Act, ...]
