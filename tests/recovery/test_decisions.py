"""Decisions of people, at every place of every log: what they promise holds, and is recovered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final

import pytest

from sagacity.core.agenda import Direction
from sagacity.core.breakpoints import At
from sagacity.core.dag import Dag
from sagacity.core.decisions import (
    NO_NODE,
    OF_NODES,
    Answer,
    Verb,
    judge_decision,
)
from sagacity.core.events import Decided, Event, FinalState, Finished, Unwinding
from sagacity.core.folding import replay
from sagacity.core.forecast import forecast
from sagacity.core.holding import left_behind
from sagacity.core.planner import Finish, RunAction, RunUndo, plan
from sagacity.core.state import SagaState
from sagacity.core.values import NULL, Json, encode
from sagacity.errors import LogCorrupt
from sagacity.testing.checkers import judge
from tests.recovery.shapes import named
from tests.recovery.test_every_prefix import Case, cases, ordinary, storable
from tests.recovery.walker import Script, Walker, snapshot, walk

MOST_PAUSES: Final = 3
EVERY: Final = 7
"""One saga in so many of each shape is tried: there are thousands."""


def some(name: str) -> Iterator[Case]:
    yield from list(filter(storable, cases(named()[name])))[::EVERY]


def decision(verb: Verb, node: int = NO_NODE, value: Json | None = None) -> Decided:
    value = b"7" if verb is Verb.SET_OUTPUT else value
    return Decided(verb, node, "ann", "why", f"{verb} {node} {value!r}", value)


def ways(walker: Walker) -> Iterator[Decided]:
    """Yield each decision, about each node; and the pause of a hold."""
    yield Decided(Verb.PAUSE, NO_NODE, "ann", "why", "held", b'"a hold"')
    for verb in Verb:
        if verb is Verb.SET_BREAKPOINT:
            for node, at in product(ordinary(walker.dag), At):
                yield decision(verb, node, encode(at.value))
            yield decision(verb, NO_NODE, encode(At.FAILURE.value))
        elif verb in OF_NODES:
            yield from (decision(verb, node) for node in ordinary(walker.dag))
        if verb not in OF_NODES or verb in (Verb.RETRY, Verb.STEP):
            yield decision(verb)


def events_of(state: SagaState, decided: Decided) -> list[Event]:
    if decided.verb == Verb.ABANDON:
        return [decided, Finished(FinalState.ABANDONED)]
    if decided.verb in (Verb.ABORT, Verb.SKIP) and state.direction is Direction.FORWARD:
        return [decided, Unwinding("aborted")]
    return [decided]


def gone_on(walker: Walker, length: int, decided: Decided, script: Script) -> Walker:
    """Take over a saga, decide, unpause, and run it to its end."""
    log = list(walker.log[:length])
    again = Walker(walker.dag, script, log=log)
    again.adopt()
    for event in events_of(again.state, decided):
        again.record(event)
    if again.state.paused and not again.state.stepped:
        assert plan(again.state) in ([], [Finish(FinalState.SUCCEEDED)])
    again.run()
    for _ in range(MOST_PAUSES):
        if again.state.finished is not None or not again.state.paused:
            return again
        again.record(Decided(Verb.UNPAUSE, NO_NODE, "ann", "", f"go on at {len(again.log)}"))
        again.run()
    raise AssertionError("it pauses again and again")


@pytest.mark.parametrize("name", named())
def test_a_decision_anywhere_is_recovered_and_breaks_no_promise(name: str) -> None:
    """A fold of the log is the live state; the saga ends, and the judge finds nothing amiss."""
    counts: Counter[str] = Counter()
    for dag, script in some(name):
        walker = walk(dag, script)
        for length in sorted(walker.boundaries):
            if not length:
                continue
            before = replay(dag, NULL, walker.log[:length])
            for decided in ways(walker):
                if before.in_flight and decided.verb == Verb.ABANDON:
                    continue
                answer = judge_decision(
                    before, Verb(decided.verb), decided.node, decided.value
                ).answer
                if before.finished is not None or answer is not Answer.ALLOWED:
                    counts["refused"] += 1
                    continue
                again = gone_on(walker, length, decided, script)
                counts[again.kind()] += 1
                assert judge(dag, again.log) == [], again.log
                assert snapshot(replay(dag, NULL, again.log)) == snapshot(again.state)
                if decided.verb == Verb.ABORT:
                    assert again.state.finished is not FinalState.SUCCEEDED, again.log
    assert counts["refused"]
    assert counts["unwound"]
    assert counts["abandoned"]


@pytest.mark.parametrize("name", named())
def test_what_is_refused_is_no_log(name: str) -> None:
    """No engine of ours can have written it."""
    for dag, script in some(name):
        walker = walk(dag, script)
        for decided in ways(walker):
            state = replay(dag, NULL, walker.log)
            verdict = judge_decision(state, Verb(decided.verb), decided.node, decided.value)
            if verdict.answer is Answer.REFUSED:
                assert verdict.why
                with pytest.raises(LogCorrupt):
                    state.apply(decided)


def test_a_paused_saga_plans_nothing() -> None:
    """Whatever waits; and what was handed out before does not stand any more."""
    dag = named()["diamond"]
    state = replay(dag, NULL, walk(dag, Script()).log[:2])
    handed_out = plan(state)
    assert any(isinstance(each, RunAction | RunUndo) for each in handed_out)
    state.apply(decision(Verb.PAUSE))
    assert plan(state) == []
    state.apply(decision(Verb.UNPAUSE))
    assert plan(state) == handed_out


@pytest.mark.parametrize("name", named())
def test_a_forecast_anywhere_comes_to_an_end_and_is_what_the_engine_may_do(name: str) -> None:
    """No call twice, each after what it waits for; the fold refuses what no engine would log."""
    for dag, script in some(name):
        walker = walk(dag, script)
        for length in sorted(walker.boundaries)[1:]:
            for decided in ways(walker):
                state = decided_on(dag, walker.log[:length], decided)
                if state is None:
                    continue
                calls = forecast(state)
                assert len({(call.node, call.undo) for call in calls}) == len(calls)
                assert [call.step for call in calls] == sorted(call.step for call in calls)
                assert state.finished or state.stuck or state.paused or not state.started
                if state.finished == FinalState.UNWOUND:
                    assert not left_behind(state)


def decided_on(dag: Dag, log: Sequence[Event], decided: Decided) -> SagaState | None:
    """Return the state behind a log and a decision; None if that is refused."""
    state = replay(dag, NULL, log)
    verdict = judge_decision(state, Verb(decided.verb), decided.node, decided.value)
    if state.finished is not None or verdict.answer is Answer.REFUSED:
        return None
    for event in events_of(state, decided):
        state.apply(event)
    return state
