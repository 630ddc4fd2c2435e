"""A coordinator in miniature that can be led: every choice that chance makes is asked for.

It plans and applies as the engine does, calls nothing, and asks `choose` which attempt
in flight ends next, how, and whether a second outcome joins the same append.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, cast

from sagacity.core.agenda import Direction
from sagacity.core.dag import Dag, Siblings
from sagacity.core.events import (
    Adopted,
    AttemptFailed,
    Created,
    Effect,
    ErrorKind,
    ErrorRecord,
    Event,
    Failed,
    Finished,
    Heartbeat,
    How,
    Started,
    StartRequested,
    Succeeded,
    UndoAttemptFailed,
    UndoFailed,
    UndoFinished,
    UndoStarted,
    Unwinding,
)
from sagacity.core.folding import replay
from sagacity.core.planner import (
    Command,
    Conclude,
    ConcludeUndo,
    Finish,
    GiveUp,
    RunAction,
    RunUndo,
    is_current,
    plan,
)
from sagacity.core.state import SagaState
from sagacity.core.transitions import NodeStatus
from sagacity.core.values import NULL

BROKEN: Final = ErrorRecord(ErrorKind.ACTION_FAILED, "broken")
CUT: Final = ErrorRecord(ErrorKind.CANCELLED, "cut short")
TOO_MANY_STEPS: Final = 100_000

Choose = Callable[[int], int]
"""Given the number of ways to go on, which one to take."""


class Do(Enum):
    """How the do of a node ends."""

    OK = "ok"
    NONE = "fails without effect"
    POSSIBLE = "fails, with an effect possible"


@dataclass(frozen=True)
class Script:
    """How each node behaves, each time it runs: those not named do what they should."""

    dos: dict[int, Do] = field(default_factory=dict[int, Do])
    bad_undos: frozenset[int] = frozenset()
    tries: dict[int, tuple[Effect, ...]] = field(default_factory=dict[int, tuple[Effect, ...]])
    """The effects of attempts that fail and are retried, before the do ends as it does."""
    undo_tries: dict[int, int] = field(default_factory=dict[int, int])
    """How many attempts of the undo fail and are retried first."""
    beating: frozenset[int] = frozenset()
    """Nodes whose attempts tell something before they end."""


def first(_ways: int) -> int:
    """Choose what comes first, always."""
    return 0


class Walker:
    """Drives one saga from where its log is."""

    def __init__(
        self,
        dag: Dag,
        script: Script,
        choose: Choose = first,
        *,
        log: Sequence[Event] = (),
        limit: int | None = None,
        joins: bool = False,
    ) -> None:
        self.dag: Final = dag
        self.script: Final = script
        self.state: Final = replay(dag, NULL, log)
        self.log: Final = list(log)
        self.boundaries: Final = {len(log)}
        """Lengths of the log after which an append ended."""
        self._choose: Final = choose
        self._limit: Final = limit
        self._joins: Final = joins
        self._parked: list[RunAction | RunUndo] = []

    # -- what a coordinator does ---------------------------------------------------

    def create(self) -> None:
        self.record(Created("first"))
        self.boundaries.add(len(self.log))
        self.record(StartRequested())

    def adopt(self) -> None:
        self.record(Adopted(f"owner {len(self.log)}"))
        if not self.state.started:
            self.record(StartRequested())

    def record(self, event: Event) -> None:
        turned = self.state.direction
        self.state.apply(event)
        self.log.append(event)
        if turned is not self.state.direction and isinstance(event, Failed):
            self.record(Unwinding("a node failed"))

    def decide(self) -> None:
        """Begin all that can begin, and log what needs no call."""
        concluded = True
        while concluded:
            concluded = False
            for command in plan(self.state):
                if isinstance(command, Finish):
                    self.record(Finished(command.outcome))
                elif isinstance(command, RunAction | RunUndo):
                    self._parked.append(command)
                elif is_current(self.state, command):
                    self._conclude(command)
                    concluded = True
        waiting, self._parked = self._parked, []
        for command in waiting:
            if not is_current(self.state, command):
                continue
            if self._limit is not None and len(self.state.in_flight) >= self._limit:
                self._parked.append(command)
            else:
                started = Started if isinstance(command, RunAction) else UndoStarted
                self.record(started(command.node, command.attempt))
        self.boundaries.add(len(self.log))

    def _conclude(self, command: Command) -> None:
        assert isinstance(command, Conclude | ConcludeUndo | GiveUp)
        node = command.node
        if isinstance(command, GiveUp):
            effect = Effect.POSSIBLE if node in self.state.tainted else Effect.NONE
            retrying = self.state.retrying.get(node)
            self.record(Failed(node, CUT if retrying is None else retrying.error, effect))
            return
        if isinstance(command, Conclude):
            self.record(Started(node, command.attempt))
            if self.script.dos.get(node, Do.OK) is Do.OK:
                self.record(Succeeded(node, b"1"))
            else:
                self.record(Failed(node, BROKEN, Effect.NONE))
        elif node in self.script.bad_undos:
            self.record(UndoStarted(node, self.state.undo_attempts.get(node, 0) + 1))
            self.record(UndoFailed(node, BROKEN))
        else:
            self.record(UndoFinished(node, How.NOTHING))

    def end(self, node: int, *, cut: bool = False) -> None:
        """End the attempt of `node` that is in flight, as the script says."""
        before = self.failed(node)
        if node in self.script.beating:
            self.record(Heartbeat(node, b"%d" % node))
        if self.state.status[node] is NodeStatus.UNDO_STARTED:
            if before < self.script.undo_tries.get(node, 0):
                self.record(UndoAttemptFailed(node, BROKEN, 100 + before))
                return
            failed = node in self.script.bad_undos
            self.record(UndoFailed(node, BROKEN) if failed else UndoFinished(node, How.UNDONE))
            return
        how = self.script.dos.get(node, Do.OK)
        tries = self.script.tries.get(node, ())
        if before < len(tries) and not cut:
            self.record(AttemptFailed(node, BROKEN, tries[before], 1 + before))
        elif cut:
            self.record(Failed(node, CUT, Effect.POSSIBLE))
        elif how is Do.OK:
            self.record(Succeeded(node, b"%d" % node))
        else:
            again = node in self.state.tainted and not self.dag.nodes[node].atomic
            possible = how is Do.POSSIBLE or again
            self.record(Failed(node, BROKEN, Effect.POSSIBLE if possible else Effect.NONE))

    def failed(self, node: int) -> int:
        """Return how many attempts of what `node` is at have failed."""
        retrying = self.state.retrying.get(node)
        return 0 if retrying is None else retrying.failed

    # -- from here to the end ----------------------------------------------------------

    def run(self) -> None:
        """Go on until nothing can go on, taking the way that `choose` says."""
        for _ in range(TOO_MANY_STEPS):
            self.decide()
            if not self.state.in_flight:
                return
            self._end_one()
            while self._joins and self.state.in_flight and self._choose(2):
                self._end_one()
        raise AssertionError("this saga does not end")

    def _end_one(self) -> None:
        in_flight = sorted(self.state.in_flight)
        node = in_flight[self._choose(len(in_flight))]
        cut = (
            self.dag.siblings is Siblings.CANCEL
            and self.state.direction is Direction.UNWINDING
            and self.state.status[node] is NodeStatus.STARTED
            and not self.dag.nodes[node].atomic
            and self._choose(2) == 0
        )
        self.end(node, cut=cut)

    def run_in_order_of(self, model: Model) -> None:
        """Go on to the end; attempts end in the order, and in the groups, of `model`."""
        for _ in range(TOO_MANY_STEPS):
            self.decide()
            group: int | None = None
            while self.state.in_flight:
                place, node = min((model.place(self, node), node) for node in self.state.in_flight)
                if group not in (None, model.groups[place]):
                    break
                group = model.groups[place]
                self.end(node)
            if group is None:
                return
        raise AssertionError("this saga does not end")

    def kind(self) -> str:
        """Say how it ended."""
        if self.state.finished is not None:
            return self.state.finished.value
        assert self.state.stuck is not None, "neither ended nor stuck"
        return "stuck"


class Model:
    """A log to follow: in which order outcomes came, and which shared an append."""

    def __init__(self, log: Sequence[Event], boundaries: AbstractSet[int] | None = None) -> None:
        self._order: Final[dict[tuple[int, bool, int], int]] = {}
        failed: Counter[tuple[int, bool]] = Counter()
        self.groups: Final = [0]
        for place, event in enumerate(log):
            if isinstance(event, AttemptFailed | Succeeded | Failed):
                self._order[event.node, False, failed[event.node, False]] = place
                failed[event.node, False] += isinstance(event, AttemptFailed)
            elif isinstance(event, UndoAttemptFailed | UndoFinished | UndoFailed):
                self._order[event.node, True, failed[event.node, True]] = place
                failed[event.node, True] += isinstance(event, UndoAttemptFailed)
            ends = boundaries is None or place + 1 in boundaries
            self.groups.append(self.groups[-1] + ends)

    def place(self, walker: Walker, node: int) -> int:
        """Return where the attempt of `node` that is in flight ended; at the end if nowhere."""
        undo = walker.state.status[node] is NodeStatus.UNDO_STARTED
        return self._order.get((node, undo, walker.failed(node)), len(self.groups) - 1)


class Odometer:
    """Leads a walk through every combination of choices, one after the other."""

    def __init__(self) -> None:
        self._digits: list[int] = []
        self._ways: list[int] = []
        self._place = 0

    def choose(self, ways: int) -> int:
        if self._place == len(self._digits):
            self._digits.append(0)
            self._ways.append(ways)
        self._place += 1
        return self._digits[self._place - 1]

    def advance(self) -> bool:
        """Go to the next combination; False after the last."""
        del self._digits[self._place :], self._ways[self._place :]
        self._place = 0
        while self._digits:
            self._digits[-1] += 1
            if self._digits[-1] < self._ways[-1]:
                return True
            self._digits.pop()
            self._ways.pop()
        return False


def walk(
    dag: Dag,
    script: Script,
    choose: Choose = first,
    *,
    limit: int | None = None,
    joins: bool = False,
) -> Walker:
    """Create, start and run a saga to its end."""
    walker = Walker(dag, script, choose, limit=limit, joins=joins)
    walker.create()
    walker.run()
    return walker


def recovered(model: Walker, length: int) -> Walker:
    """Adopt a saga with the first `length` events of `model`, and run it to the end as it did."""
    walker = Walker(model.dag, model.script, log=model.log[:length])
    if not length:
        walker.create()
    elif walker.state.finished is None:
        walker.adopt()
    walker.run_in_order_of(Model(model.log, model.boundaries))
    return walker


_NOT_COMPARED: Final = {"agenda", "dag"}


def _copied(value: Any) -> object:
    if type(value) is dict:
        return [*cast("dict[object, object]", value).items()]
    return value.copy() if type(value) in {list, set} else value


def snapshot(state: SagaState, *, without: Iterable[str] = ()) -> dict[str, object]:
    """Return all that a state consists of, except what its planner has taken already."""
    slots = {slot for kind in type(state).__mro__ for slot in getattr(kind, "__slots__", ())}
    taken: dict[str, object] = {}
    for slot in slots - _NOT_COMPARED - set(without):
        value = getattr(state, slot)
        # Dicts are compared with their order: it decides what a coordinator does first.
        taken[slot] = _copied(value)
    return taken
