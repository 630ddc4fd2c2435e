"""The saga log's events: what happened, in the order it was made durable.

Node events name their node by its index in the DAG. Errors and outputs are
canonical JSON. `codec` turns events into stored records and back.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

from sagacity.core.immutable import Immutable

if TYPE_CHECKING:
    from sagacity.core.values import Json

MAX_MESSAGE_CHARS: Final = 4_000
MAX_TRACEBACK_CHARS: Final = 16_000
MAX_DETAIL_BYTES: Final = 16 * 1024


class EventKind(StrEnum):
    """What an event says; the words of the log."""

    CREATED = "created"
    START_REQUESTED = "start_requested"
    STARTED = "started"
    HEARTBEAT = "heartbeat"
    ATTEMPT_FAILED = "attempt_failed"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNDO_STARTED = "undo_started"
    UNDO_ATTEMPT_FAILED = "undo_attempt_failed"
    UNDO_FINISHED = "undo_finished"
    UNDO_FAILED = "undo_failed"
    UNWINDING = "unwinding"
    ADOPTED = "adopted"
    RELEASED = "released"
    DECIDED = "decided"
    FINISHED = "finished"


class Effect(StrEnum):
    """What a failed attempt may have left behind."""

    NONE = "none"
    POSSIBLE = "possible"


class ErrorKind(StrEnum):
    """Where an error comes from."""

    ACTION_FAILED = "action_failed"  # the action (or undo) said so itself
    EXCEPTION = "exception"  # anything else that it raised
    INJECTED = "injected"  # a person or a test asked for it
    INPUT = "input"  # an input did not fit; the body was not called
    OUTPUT = "output"  # the result cannot be stored
    CANCELLED = "cancelled"  # the attempt was cut short
    TIMED_OUT = "timed_out"  # the attempt took longer than it may
    PROCESS_DIED = "process_died"  # the process of the attempt ended without an answer
    HEARTBEAT_LOST = "heartbeat_lost"  # the attempt was silent for longer than it may
    DIED = "died"  # its coordinator died again and again while it ran


class How(StrEnum):
    """How an undo finished."""

    UNDONE = "undone"
    NOTHING = "nothing"  # there was nothing to take back
    GONE = "gone"  # what it would take back exists no more


class FinalState(StrEnum):
    """The states that absorb."""

    SUCCEEDED = "succeeded"
    UNWOUND = "unwound"
    ABANDONED = "abandoned"


class ErrorRecord(Immutable):
    """An error as stored: enough to tell a person, and to rebuild nothing from."""

    kind: ErrorKind
    message: str
    class_name: str = ""
    data: Json | None = None
    traceback: str = ""


class Created(Immutable):
    """The saga exists; `owner` drives it (empty: nobody yet, and `by` says who asked for it)."""

    owner: str
    by: str = ""
    kind: ClassVar[EventKind] = EventKind.CREATED


class StartRequested(Immutable):
    """It shall run; at `deadline_ms` (Unix epoch, UTC; 0: never) it is taken back."""

    deadline_ms: int = 0
    kind: ClassVar[EventKind] = EventKind.START_REQUESTED


class Adopted(Immutable):
    """Another coordinator drives it now: what was in flight is interrupted.

    `missing` is what it lacks to go on, as texts: then the saga waits for code.
    """

    owner: str
    missing: tuple[str, ...] = ()
    kind: ClassVar[EventKind] = EventKind.ADOPTED


class Released(Immutable):
    """Its coordinator closes, and has cut short what was in flight: that is interrupted.

    Where it is missing and an attempt was in flight, the coordinator has died.
    """

    kind: ClassVar[EventKind] = EventKind.RELEASED


class Unwinding(Immutable):
    """It is being taken back. The direction itself turns with the first `Failed`."""

    reason: str
    kind: ClassVar[EventKind] = EventKind.UNWINDING


class Decided(Immutable):
    """A person decided: see `decisions`. `node` is -1 where it is about no single one."""

    verb: str
    node: int
    by: str
    reason: str
    request: str
    value: Json | None = None
    kind: ClassVar[EventKind] = EventKind.DECIDED


class Finished(Immutable):
    """It ended for good."""

    outcome: FinalState
    kind: ClassVar[EventKind] = EventKind.FINISHED


class Started(Immutable):
    """The action is about to be called for the `attempt`-th time.

    The first attempt says until when (Unix epoch, UTC) there may be others; 0: no limit.
    Each says how long its author expects it to take, in milliseconds; 0: that is not said.
    """

    node: int
    attempt: int
    deadline_ms: int = 0
    expected_ms: int = 0
    kind: ClassVar[EventKind] = EventKind.STARTED


class Heartbeat(Immutable):
    """The attempt in flight is alive; `detail` is for the next one, and the last one counts.

    Not each heartbeat is in the log: of several within some seconds, the last.
    """

    node: int
    detail: Json | None = None
    kind: ClassVar[EventKind] = EventKind.HEARTBEAT


class AttemptFailed(Immutable):
    """The attempt failed, and another follows: not before `retry_at_ms` (Unix epoch, UTC)."""

    node: int
    error: ErrorRecord
    effect: Effect
    retry_at_ms: int
    kind: ClassVar[EventKind] = EventKind.ATTEMPT_FAILED


class Succeeded(Immutable):
    """The action returned."""

    node: int
    output: Json
    kind: ClassVar[EventKind] = EventKind.SUCCEEDED


class Failed(Immutable):
    """The action failed for good; the saga unwinds."""

    node: int
    error: ErrorRecord
    effect: Effect
    kind: ClassVar[EventKind] = EventKind.FAILED


class UndoStarted(Immutable):
    """The undo is about to be called for the `attempt`-th time; as `Started`."""

    node: int
    attempt: int
    deadline_ms: int = 0
    expected_ms: int = 0
    kind: ClassVar[EventKind] = EventKind.UNDO_STARTED


class UndoAttemptFailed(Immutable):
    """The undo failed this time, and is tried again: not before `retry_at_ms`."""

    node: int
    error: ErrorRecord
    retry_at_ms: int
    kind: ClassVar[EventKind] = EventKind.UNDO_ATTEMPT_FAILED


class UndoFinished(Immutable):
    """The node is taken back."""

    node: int
    how: How
    kind: ClassVar[EventKind] = EventKind.UNDO_FINISHED


class UndoFailed(Immutable):
    """The undo failed for good; a person must decide."""

    node: int
    error: ErrorRecord
    kind: ClassVar[EventKind] = EventKind.UNDO_FAILED


NodeEvent: TypeAlias = (
    Started
    | Heartbeat
    | AttemptFailed
    | Succeeded
    | Failed
    | UndoStarted
    | UndoAttemptFailed
    | UndoFinished
    | UndoFailed
)
SagaEvent: TypeAlias = (
    Created | StartRequested | Adopted | Released | Unwinding | Decided | Finished
)
Event: TypeAlias = NodeEvent | SagaEvent
