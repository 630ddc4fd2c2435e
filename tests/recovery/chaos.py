"""A saga to which everything happens: failures, retries, decisions, crashes, in any order.

It plans, parks, delays and drops commands as the engine does, and all that chance decides
comes from one seed. Wherever it stands, what it knows must be what the log alone says.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Final

from sagacity.core.agenda import Direction
from sagacity.core.breakpoints import At
from sagacity.core.dag import Dag, OnStuck, Siblings
from sagacity.core.decisions import NO_NODE, OF_NODES, Answer, Verb, judge_decision
from sagacity.core.events import (
    Adopted,
    AttemptFailed,
    Created,
    Decided,
    Effect,
    Event,
    Failed,
    Finished,
    Heartbeat,
    How,
    Released,
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
    Expire,
    Finish,
    GiveUp,
    RunAction,
    RunUndo,
    is_current,
    plan,
)
from sagacity.core.poison import MOST_DEATHS
from sagacity.core.state import SagaState
from sagacity.core.transitions import NodeStatus
from sagacity.core.values import NULL, encode
from sagacity.engine.control import events_of
from tests.recovery.shapes import PATTERNS, named, with_contracts, with_pivot
from tests.recovery.walker import BROKEN, CUT


def any_dag(chance: random.Random) -> Dag:
    """Return a saga of any shape, with any contracts: with points of no return, too."""
    shapes = named()
    dag = shapes[chance.choice(sorted(shapes))]
    match chance.randrange(3):
        case 0:
            pivots = list(with_pivot(dag, chance.randrange(6), atomic=frozenset()))
            dag = pivots[0] if pivots else with_contracts(dag, chance.choice(PATTERNS))
        case 1:
            dag = with_contracts(dag, chance.choice(PATTERNS))
        case _:
            dag = replace(with_contracts(dag, chance.choice(PATTERNS)),
                          forward_only=chance.random() < 0.3)  # fmt: skip
    return replace(
        dag,
        siblings=chance.choice(list(Siblings)),
        on_stuck=chance.choice(list(OnStuck)),
        deadline=chance.choice((None, 1.0)),
    )


class Chaos:
    """One saga, and all that can happen to it."""

    def __init__(self, seed: int) -> None:
        """Begin with a saga that is created."""
        self.chance: Final = random.Random(seed)
        self.dag: Final = any_dag(self.chance)
        self.state = SagaState(self.dag, NULL)
        self.log: Final[list[Event]] = []
        self._waiting: list[Command] = []
        """For a slot, or for their time."""
        self._cut: set[int] = set()
        self._requests = 0
        self.record(Created("first"))

    def record(self, event: Event) -> None:
        """Take an event; what turns the saga is followed by its saying so."""
        turned = self.state.direction
        self.state.apply(event)
        self.log.append(event)
        if turned is not self.state.direction and isinstance(event, Failed):
            self.unwind()

    def unwind(self) -> None:
        self.record(Unwinding("it failed, or is late"))
        self._cut_short()

    def _cut_short(self) -> None:
        if self.dag.siblings is Siblings.CANCEL:
            self._cut |= {
                node
                for node in self.state.in_flight
                if self.state.status[node] is NodeStatus.STARTED and not self.dag.nodes[node].atomic
            }

    # -- what a coordinator does ---------------------------------------------------

    def decide(self) -> None:
        """Take what is planned: conclude what needs no call, let the rest wait."""
        concluded = True
        while concluded:
            concluded = False
            for command in plan(self.state):
                match command:
                    case Finish(outcome):
                        self.record(Finished(outcome))
                    case RunAction() | RunUndo() | Expire():
                        self._waiting.append(command)
                    case _:
                        if is_current(self.state, command):
                            self._conclude(command)
                            concluded = True

    def _conclude(self, command: Conclude | ConcludeUndo | GiveUp) -> None:
        node, state = command.node, self.state
        match command:
            case GiveUp():
                effect = Effect.POSSIBLE if node in state.tainted else Effect.NONE
                self.record(Failed(node, CUT, effect))
            case Conclude():
                self.record(Started(node, command.attempt))
                failed = self.chance.random() < 0.03
                self.record(Failed(node, BROKEN, Effect.NONE) if failed else Succeeded(node, b"1"))
            case _:
                self.record(UndoFinished(node, How.NOTHING))

    def current(self) -> list[Command]:
        """Return what waits and still stands."""
        return [each for each in self._waiting if is_current(self.state, each)]

    def begin(self) -> None:
        """Let one of those that wait begin; it is dropped if it does not stand any more."""
        command = self._waiting.pop(self.chance.randrange(len(self._waiting)))
        if not is_current(self.state, command):
            return
        match command:
            case RunAction(node, attempt):
                self.record(Started(node, attempt))
            case RunUndo(node, attempt):
                self.record(UndoStarted(node, attempt))
            case _:
                self.unwind()

    def end(self, node: int) -> None:
        """End an attempt in flight, in any way it can."""
        chance, state, what = self.chance, self.state, self.dag.nodes[node]
        if node in self._cut:
            self._cut.discard(node)
            self.record(Failed(node, CUT, Effect.POSSIBLE))
            return
        roll = chance.random()
        if roll < 0.1:
            self.record(Heartbeat(node, b"1"))
            return
        if state.status[node] is NodeStatus.UNDO_STARTED:
            if roll < 0.25:
                self.record(UndoAttemptFailed(node, BROKEN, 1))
            elif roll < 0.35:
                self.record(UndoFailed(node, BROKEN))
            else:
                self.record(UndoFinished(node, How.UNDONE))
            return
        known = what.atomic or node not in state.tainted
        effect = Effect.NONE if known and chance.random() < 0.5 else Effect.POSSIBLE
        if roll < 0.25:
            self.record(AttemptFailed(node, BROKEN, effect, 1))
        elif roll < 0.32:
            self.record(Failed(node, BROKEN, effect))
        else:
            self.record(Succeeded(node, b"1"))

    # -- what happens to it ----------------------------------------------------------

    def start(self) -> None:
        self.record(StartRequested(self.dag.expires_ms(0)))

    def crash(self) -> None:
        """Let another coordinator take over what the log says; the one before may say goodbye."""
        if self.chance.random() < 0.3 and self.state.in_flight:
            self.record(Released())
        if self.state.finished is not None:
            return
        self.state = replay(self.dag, NULL, self.log)
        self._waiting.clear()
        self._cut.clear()
        self.record(Adopted(f"owner {len(self.log)}"))

    def kill(self) -> None:
        """Let one coordinator after the other die of whatever they begin."""
        for _ in range(MOST_DEATHS):
            self.decide()
            while self._waiting:
                self.begin()
            self.crash()
            if self.state.finished is not None:
                return

    def choices(self) -> list[Decided]:
        """Return all that a person may decide now."""
        return [
            each
            for each in self._conceivable()
            if judge_decision(self.state, Verb(each.verb), each.node, each.value).answer
            is Answer.ALLOWED
        ]

    def _conceivable(self) -> Iterator[Decided]:
        nodes = [index for index, marker in enumerate(self.dag.markers) if not marker]
        for verb in Verb:
            places: Sequence[tuple[int, bytes | None]] = [(NO_NODE, None)]
            if verb is Verb.SET_BREAKPOINT:
                places = [(node, encode(at.value)) for node, at in product(nodes, At)]
            elif verb in OF_NODES:
                value = b"7" if verb is Verb.SET_OUTPUT else None
                places = [(node, value) for node in nodes]
                if verb in (Verb.RETRY, Verb.STEP, Verb.CLEAR_BREAKPOINT):
                    places.append((NO_NODE, None))
            elif verb is Verb.PAUSE:
                places = [(NO_NODE, None), (NO_NODE, b'"hold"')]
            for node, value in places:
                yield Decided(verb, node, "ann", "why", f"{self._requests}", value)

    def decision(self, *, unpause: bool = False) -> None:
        """Let a person decide something that is allowed."""
        self._requests += 1
        by_verb: dict[str, list[Decided]] = {}
        for each in self.choices():
            by_verb.setdefault(each.verb, []).append(each)
        for rare, share in ((Verb.ABANDON, 0.97), (Verb.ABORT, 0.7)):
            if self.chance.random() < share:
                by_verb.pop(rare, None)
        verb = Verb.UNPAUSE if unpause else self.chance.choice([*by_verb, Verb.UNPAUSE])
        if verb in by_verb:
            decided = self.chance.choice(by_verb[verb])
            for event in events_of(self.state, decided):
                self.record(event)
            if verb is Verb.ABORT:
                self._cut_short()

    # -- all of it -----------------------------------------------------------------------

    def step(self) -> None:
        """Let one thing happen."""
        roll, state = self.chance.random(), self.state
        if not state.started and roll < 0.8:
            self.start()
        elif roll < 0.08:
            self.decision()
        elif roll < 0.2:
            self.crash()
        elif roll < 0.22:
            self.kill()
        elif roll < 0.5 and self._waiting:
            self.begin()
        elif state.in_flight:
            self.end(self.chance.choice(sorted(state.in_flight)))
        elif self._waiting:
            self.begin()
        else:
            self.decision(unpause=state.paused and roll < 0.6)

    def check_standing(self) -> None:
        """Hold what this coordinator still means to do against what the next one would."""
        state = self.state
        if state.finished is not None or not state.started:
            return
        mine = self.current()
        fresh = replay(self.dag, NULL, self.log)
        fresh.plan_anew()
        theirs = [each for each in plan(fresh) if is_current(fresh, each)]
        assert len(set(theirs)) == len(theirs), theirs
        assert set(mine) == set(theirs), (mine, theirs, self.log)
        if not (state.in_flight or mine):
            assert state.paused or state.stuck is not None, self.log
        if state.forward_only:
            assert state.direction is Direction.FORWARD

    def run(self, most: int) -> None:
        """Let at most so much happen, and look at it all the time."""
        for _ in range(most):
            self.decide()
            if self.state.finished is not None:
                return
            self.check_standing()
            self.step()
