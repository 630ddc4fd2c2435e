"""Observers: told of what was made durable, for logs, metrics and test signals."""

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


class Observer(Protocol):
    """Called on the event loop, so it must not block. What it raises is logged and ignored."""

    def recorded(self, what: Recorded) -> None:
        """Events became durable."""
        ...

    def trouble(self, saga_id: UUID | None, error: Exception) -> None:
        """The engine met an error that it will try to get over (a store that fails, say)."""
        ...
