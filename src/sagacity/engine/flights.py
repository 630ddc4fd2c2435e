"""The attempts of one saga, from asking for a slot to giving it back.

    wanted -> waits for a slot -> granted -> holds the slot, runs -> landed
    (before: delayed until a retry is due; after: lingering, if it does not stop in time)

An attempt that runs in the saga's own task has no task here. A saga that is over
(ended, lost or cancelled) holds nothing and takes nothing that is granted late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sagacity.core.planner import RunAction, RunUndo

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sagacity.core.actions import Action
    from sagacity.engine.clock import Alarm
    from sagacity.engine.slots import Slots

Call: TypeAlias = RunAction | RunUndo
"""A command that calls the user's code."""


class Flights:
    """Who waits for a slot, who holds one, and which tasks run."""

    __slots__ = ("_cut_short", "_delayed", "_is_over", "_slots", "_wake_up", "granted", "held",
                 "lingering", "parked", "tasks")  # fmt: skip

    def __init__(self, slots: Slots, wake_up: Callable[[], None]) -> None:
        """`wake_up` is called when a slot was granted."""
        self._slots: Final = slots
        self._wake_up: Final = wake_up
        self._is_over = False
        self._cut_short: set[int] = set()
        self.parked = 0
        """How many wait for a slot."""
        self.granted: list[tuple[Call, Action]] = []
        """Those that waited and have one now."""
        self.held: dict[int, Action] = {}
        """The actions of the nodes that run, each with a slot."""
        self.tasks: dict[int, asyncio.Task[None]] = {}
        """Of the nodes that run apart."""
        self.lingering: dict[int, asyncio.Future[Any]] = {}
        """The ends of attempts that were given up and still run: they keep their slots."""
        self._delayed: dict[int, Alarm] = {}

    def admit(self, call: Call, action: Action) -> bool:
        """Take a slot for `call`; False when it has to wait, and will be granted one."""
        if self._slots.try_acquire(action):
            self.held[call.node] = action
            return True
        self.parked += 1
        self._slots.wait(action, lambda: self._grant(call, action))
        return False

    def _grant(self, call: Call, action: Action) -> None:
        if self._is_over:
            self._slots.release(action)
            return
        self.parked -= 1
        self.granted.append((call, action))
        self._wake_up()

    def take_granted(self) -> list[tuple[Call, Action]]:
        """Return those that have a slot now, once."""
        granted, self.granted = self.granted, []
        return granted

    def decline(self, action: Action) -> None:
        """Give back a slot that was granted too late to be of use."""
        self._slots.release(action)

    def delay(self, call: Call, alarm: Alarm) -> None:
        """Keep what will tell that the time of a retry has come."""
        earlier = self._delayed.pop(call.node, None)
        if earlier is not None:
            earlier.cancel()
        self._delayed[call.node] = alarm

    def linger(self, node: int, end: asyncio.Future[Any]) -> None:
        """The attempt of `node` is given up before it has ended."""
        self.lingering[node] = end

    def land(self, node: int) -> None:
        """The attempt of `node` has an outcome: give its slot back when nothing of it runs."""
        if self.tasks:
            self.tasks.pop(node, None)
        action = self.held.pop(node)
        end = self.lingering.get(node) if self.lingering else None
        if end is None:
            self._slots.release(action)
        else:
            end.add_done_callback(lambda _: self._bury(node, action))

    def _bury(self, node: int, action: Action) -> None:
        del self.lingering[node]
        self._slots.release(action)
        self._wake_up()

    def cut_short(self) -> None:
        """Cancel what may be cancelled: what is atomic or runs in a thread is waited for."""
        for node, task in self.tasks.items():
            action = self.held[node]
            if not (action.atomic or action.do_blocks or task.done()):
                self._cut_short.add(node)
                task.cancel()

    def has_cancelled(self, node: int) -> bool:
        """Whether the attempt of `node` was cancelled by us."""
        return self._is_over or node in self._cut_short

    def was_cut_short(self, node: int) -> bool:
        """Whether `cut_short` cancelled the attempt of `node`; asked when it has ended."""
        if node in self._cut_short:
            self._cut_short.discard(node)
            return True
        return False

    def give_up(self) -> None:
        """Let go of everything."""
        self._is_over = True
        for task in self.tasks.values():
            task.cancel()
        self.tasks.clear()
        for alarm in self._delayed.values():
            alarm.cancel()
        self._delayed.clear()
        for action in self.held.values():
            self._slots.release(action)
        self.held.clear()
        for _, action in self.take_granted():
            self._slots.release(action)
