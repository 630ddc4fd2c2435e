"""Limits on what runs at once: in the whole coordinator, and for each action.

First come, first served. Who gets no slot is called back when one is free. A slot
of the action is taken before one of the coordinator, so that a crowded action
never holds places that others could use.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from sagacity.core.actions import Action

    Grant = Callable[[], None]


class Slots:
    """Counts attempts in flight."""

    def __init__(self, max_actions: int) -> None:
        """Allow `max_actions` attempts at once."""
        self._max: Final = max_actions
        self._used = 0
        self._granting = False
        self._queue: deque[Grant] = deque()
        self._used_by: dict[str, int] = {}
        self._queues: dict[str, deque[Grant]] = {}

    def try_acquire(self, action: Action) -> bool:
        """Take a slot if there is one now."""
        if self._used >= self._max:
            return False
        limit = action.limit
        if limit is not None:
            used = self._used_by.get(action.name, 0)
            if used >= limit:
                return False
            self._used_by[action.name] = used + 1
        self._used += 1
        return True

    def wait(self, action: Action, grant: Grant) -> None:
        """Have `grant` called once, with a slot taken, when it is the turn of this one."""
        limit = action.limit
        if limit is not None:
            used = self._used_by.get(action.name, 0)
            if used >= limit:
                self._queues.setdefault(action.name, deque()).append(grant)
                return
            self._used_by[action.name] = used + 1
        self._queue.append(grant)

    def release(self, action: Action) -> None:
        """Give a slot back; whoever waited longest gets it."""
        self._used -= 1
        if action.limit is not None:
            waiting = self._queues.get(action.name)
            if waiting:
                self._queue.append(waiting.popleft())
            else:
                self._used_by[action.name] -= 1
        if self._granting:
            return  # called by a grant that wants none any more: the loop below goes on
        self._granting = True
        try:
            while self._queue and self._used < self._max:
                self._used += 1
                self._queue.popleft()()
        finally:
            self._granting = False
