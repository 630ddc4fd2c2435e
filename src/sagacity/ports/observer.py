"""Observers: told of what happens, for logs, metrics, paging and test signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sagacity.core.immutable import Immutable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sagacity.core.dag import Dag
    from sagacity.core.events import Event


class Recorded(Immutable):
    """Events of one saga that have just become durable, `sequence` that of the last one."""

    saga_id: UUID
    saga_name: str
    dag: Dag
    events: Sequence[Event]
    sequence: int
    owner: str = ""
    epoch: int = 0


class Notice(Immutable):
    """What an observer is told about a saga, or about an attempt of one of its nodes.

    Ids and words only: no params, no outputs, no data and no text of an error, because
    those may hold what must not stand in a log. What is empty does not apply.
    """

    event: str
    """The name of the method that is told."""
    saga_id: UUID
    saga_name: str
    owner: str
    epoch: int
    node: str = ""
    action: str = ""
    attempt: int = 0
    detail: str = ""
    """How an attempt ended, why a saga is stuck or unwinds, how it ended, a verb."""
    error_kind: str = ""
    error_class: str = ""
    took_ms: int | None = None
    by: str = ""
    reason: str = ""


class Listener(Protocol):
    """The least that an observer has; `Observer` has more, and nothing that must be written."""

    def recorded(self, what: Recorded) -> None:
        """Events became durable."""
        ...

    def trouble(self, saga_id: UUID | None, error: Exception) -> None:
        """The engine met an error that it will try to get over (a store that fails, say)."""
        ...


class Observer:
    """Told of everything that happens to the sagas of a coordinator. Override what you need.

    Called on the event loop, so no method may block; what one raises is logged, and harms
    nothing. Each is called when what it tells is durable: `before_attempt` right before the
    action is called, `after_attempt` when its outcome is in the log (not for an attempt that a
    shutdown cut short). A coordinator that dies between the log and the call does not call:
    for what must not be missed, look at the store (`list(stuck=True)`).
    """

    def recorded(self, what: Recorded) -> None:
        """Events became durable: all of them, payloads included, before they are told apart."""

    def trouble(self, saga_id: UUID | None, error: Exception) -> None:
        """The engine met an error that it will try to get over (a store that fails, say)."""

    def before_attempt(self, notice: Notice) -> None:
        """An action is about to be called."""

    def after_attempt(self, notice: Notice) -> None:
        """It ended: `detail` is `succeeded`, `attempt_failed` (another follows) or `failed`."""

    def before_undo(self, notice: Notice) -> None:
        """An undo is about to be called."""

    def after_undo(self, notice: Notice) -> None:
        """It ended: `detail` is `undo_finished`, `undo_attempt_failed` or `undo_failed`."""

    def adopted(self, notice: Notice) -> None:
        """This coordinator took the saga over; `detail`: the code for it that is missing."""

    def released(self, notice: Notice) -> None:
        """This coordinator lets go of an unfinished saga: `detail` is `drained` or `lost`."""

    def decided(self, notice: Notice) -> None:
        """A person decided: `detail` is the verb, `by` who, `reason` why."""

    def stuck(self, notice: Notice) -> None:
        """It waits for a person; `detail` says why."""

    def hung(self, notice: Notice) -> None:
        """An attempt takes longer than is expected of it; told once for each attempt."""

    def unwinding(self, notice: Notice) -> None:
        """It begins to be taken back; `detail` says why."""

    def finished(self, notice: Notice) -> None:
        """It ended: `detail` is `succeeded`, `unwound` or `abandoned`."""
