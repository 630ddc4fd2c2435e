"""The attempts of one saga, from asking for a slot to giving it back.

    wanted -> waits for a slot -> granted -> holds the slot, runs -> landed
    (before: delayed until a retry is due; after: lingering, if it does not stop in time)

An attempt that runs in the saga's own task has no task here. A saga that is over
(ended, lost or cancelled) holds nothing and takes nothing that is granted late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sagacity.core.limits import key_of_inputs
from sagacity.core.planner import RunAction, RunUndo
from sagacity.core.values import NULL
from sagacity.engine.slots import Pass
from sagacity.engine.waits import told

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from uuid import UUID

    from sagacity.core.actions import Action
    from sagacity.core.state import SagaState
    from sagacity.engine.clock import Alarm
    from sagacity.engine.slots import Gate, Slots

Call: TypeAlias = RunAction | RunUndo
"""A command that calls the user's code."""


class Flight(Pass):
    """The pass of one call, from when the call has to wait or has a gate."""

    __slots__ = ("action", "call")

    def __init__(
        self,
        group: int,
        grant: Callable[[Pass], None],
        gate: Gate | None,
        call: Call,
        action: Action,
    ) -> None:
        """`group`: the id of the saga, as a number."""
        super().__init__(group, grant, gate, undoes=type(call) is RunUndo)
        self.call: Final = call
        self.action: Final = action


class Flights:
    """Who waits for a slot, who holds one, and which tasks run."""

    __slots__ = ("_cut_short", "_group", "_is_over", "_passes", "_slots", "_state", "_wake_up",
                 "delayed", "granted", "held", "lingering", "parked", "tasks")  # fmt: skip

    def __init__(
        self, slots: Slots, saga_id: UUID, state: SagaState, wake_up: Callable[[], None]
    ) -> None:
        """`wake_up` is called when a slot was granted."""
        self._slots: Final = slots
        self._group: Final = saga_id.int  # hashed for each that waits: of a UUID that is slow
        self._state: Final = state
        self._wake_up = wake_up
        self._is_over = False
        self._cut_short: set[int] = set()
        self.parked: dict[int, Flight] | None = None
        """Those that wait for a slot, by node, from the first one on."""
        self._passes: dict[int, Pass] | None = None
        """What those in `held` hold, if it is more than a plain slot."""
        self.granted: list[Flight] = []
        self.held: dict[int, Action] = {}
        """The actions of the nodes that run, each with a slot."""
        self.tasks: dict[int, asyncio.Task[None]] = {}
        """Of the nodes that run apart."""
        self.lingering: dict[int, asyncio.Future[Any]] = {}
        """The ends of attempts that were given up and still run: they keep their slots."""
        self.delayed: dict[int, Alarm] = {}
        """What tells when the times of retries have come; of past ones too."""

    def admit(self, call: Call, action: Action) -> bool:
        """Take a slot for `call`; False when it has to wait, and will be granted one."""
        node, undoes, gate = call.node, type(call) is RunUndo, None
        if action.limit is not None:
            gate = self._gate(node, action, action.limit, undoes=undoes)
        elif not undoes and self._slots.take():  # the commonest: it needs no pass
            self.held[node] = action
            return True
        if self.parked and node in self.parked:  # for what is not to be done any more
            self._slots.leave(self.parked.pop(node))
        flight = Flight(self._group, self._grant, gate, call, action)
        if self._slots.enter(flight):
            self.accept(flight)
            return True
        if self.parked is None:
            self.parked = {}
        self.parked[node] = flight
        return False

    def _gate(self, node: int, action: Action, limit: int, *, undoes: bool) -> Gate:
        path, key, about = action.limit_key, b"", ""
        if path is not None:
            about = ".".join(map(str, path))
            try:
                key = key_of_inputs(self._state.inputs(node), path)
            except LookupError:  # the attempt itself will tell
                key = NULL
        return self._slots.gate(action.name, key, limit, undoes=undoes, about=about)

    def _grant(self, flight: Pass) -> None:
        assert isinstance(flight, Flight)
        if self.parked:
            del self.parked[flight.call.node]
        self.granted.append(flight)
        self._wake_up()

    def waits_for(self) -> dict[int, str]:
        """Return what nodes wait for before they can begin, besides the time of a retry."""
        waits = dict.fromkeys(
            self.lingering, "an earlier attempt, which was given up and still runs"
        )
        for node, pass_ in (self.parked or {}).items():
            waits[node] = told(pass_, self._slots)
        return waits

    def take_granted(self) -> list[Flight]:
        """Return those that have a slot now, once."""
        granted, self.granted = self.granted, []
        return granted

    def accept(self, granted: Flight) -> None:
        """Make use of a slot that was granted."""
        node = granted.call.node
        self.held[node] = granted.action
        if granted.gate is None and not granted.undoes:
            return  # it has come to a plain slot, as those that did not wait
        if self._passes is None:
            self._passes = {}
        self._passes[node] = granted

    def decline(self, granted: Flight) -> None:
        """Give back a slot that was granted too late to be of use."""
        self._slots.leave(granted)

    def delay(self, node: int, alarm: Alarm) -> None:
        """Keep what will tell that the time of a retry has come (or that of the saga: -1)."""
        earlier = self.delayed.pop(node, None)
        if earlier is not None:
            earlier.cancel()
        self.delayed[node] = alarm

    def linger(self, node: int, end: asyncio.Future[Any]) -> None:
        """The attempt of `node` is given up before it has ended."""
        self.lingering[node] = end

    def land(self, node: int) -> None:
        """The attempt of `node` has an outcome: give its slot back when nothing of it runs."""
        if self.tasks:
            self.tasks.pop(node, None)
        del self.held[node]
        pass_ = self._passes.pop(node, None) if self._passes else None
        end = self.lingering.get(node) if self.lingering else None
        if end is not None:
            end.add_done_callback(lambda _: self._bury(node, pass_))
        elif pass_ is None:
            self._slots.give_back()
        else:
            self._slots.leave(pass_)

    def _bury(self, node: int, pass_: Pass | None) -> None:
        del self.lingering[node]
        self._release(pass_)
        self._wake_up()

    def _release(self, pass_: Pass | None) -> None:
        if pass_ is None:
            self._slots.give_back()
        else:
            self._slots.leave(pass_)

    def cut_short(self) -> None:
        """Cancel what may be cancelled: what is atomic or runs in a thread is waited for."""
        for node, task in self.tasks.items():
            action = self.held[node]
            in_thread = action.do_blocks and not action.isolated
            if not (action.atomic or in_thread or task.done()):
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
        self._wake_up = _nobody  # who holds us: only the cyclic collector would free either
        if not (self.held or self.tasks or self.delayed or self.parked or self.granted):
            return  # the commonest: the saga has ended
        for task in self.tasks.values():
            task.cancel()
        self.tasks.clear()
        for alarm in self.delayed.values():
            alarm.cancel()
        self.delayed.clear()
        if self.parked:
            for pass_ in list(self.parked.values()):
                self._slots.leave(pass_)
            self.parked = None
        for node in self.held:
            self._release(self._passes.get(node) if self._passes else None)
        self.held.clear()
        for granted in self.take_granted():
            self.decline(granted)


def _nobody() -> None:
    """Be woken up in place of a saga that is over."""
