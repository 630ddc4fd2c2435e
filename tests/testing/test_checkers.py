"""The judge: silent about what is right, and able to tell each wrong from the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from sagacity.core.agenda import Direction
from sagacity.core.codec import LoggedEvent, encode_record
from sagacity.core.dag import Dag, OnStuck
from sagacity.core.definition import constants_of, definition_of
from sagacity.core.events import (
    Adopted,
    Created,
    Effect,
    ErrorKind,
    ErrorRecord,
    Event,
    Failed,
    FinalState,
    Finished,
    Heartbeat,
    How,
    Started,
    StartRequested,
    Succeeded,
    UndoFailed,
    UndoFinished,
    UndoStarted,
    Unwinding,
)
from sagacity.core.folding import replay
from sagacity.core.values import NULL
from sagacity.errors import LogCorrupt
from sagacity.ports.store import SagaHead, SagaStatus, StoredSaga
from sagacity.testing.checkers import judge, judge_stored
from sagacity.testing.promises import PROMISES, Violation
from sagacity.testing.strategies import dags, event_lists
from tests.recovery.shapes import HARMLESS, STENO, TYPED, named, with_contracts
from tests.recovery.walker import Do, Script, walk

DIAMOND = named()["diamond"]
A, B, C, D = (DIAMOND.find(name) for name in "abcd")
JOINED = named()["stages with joins"]
BROKEN = ErrorRecord(ErrorKind.ACTION_FAILED, "broken")
NONE, POSSIBLE = Effect.NONE, Effect.POSSIBLE

BEGUN: tuple[Event, ...] = (Created("me"), StartRequested())
A_DONE = (*BEGUN, Started(A, 1), Succeeded(A, b"1"))
B_AND_C = (*A_DONE, Started(B, 1), Started(C, 1))
B_FAILED = (*B_AND_C, Failed(B, BROKEN, NONE))
C_LATE = (*B_FAILED, Succeeded(C, b"3"))
C_BACK = (*C_LATE, UndoStarted(C, 1), UndoFinished(C, How.UNDONE))
A_BACK = (*C_BACK, UndoStarted(A, 1), UndoFinished(A, How.UNDONE))
ALL_DONE = (
    *B_AND_C, Succeeded(B, b"2"), Succeeded(C, b"3"), Started(D, 1), Succeeded(D, b"4"),
)  # fmt: skip


def promises(log: Sequence[Event], dag: Dag = DIAMOND) -> list[int]:
    return [violation.promise for violation in judge(dag, log)]


@pytest.mark.parametrize(
    "log",
    [
        [], BEGUN, A_DONE, B_AND_C, B_FAILED, C_LATE, C_BACK, A_BACK, ALL_DONE,
        [*ALL_DONE, Finished(FinalState.SUCCEEDED)], [*A_BACK, Finished(FinalState.UNWOUND)],
        [*A_DONE, Finished(FinalState.ABANDONED)], [*B_AND_C, Adopted("you"), Started(B, 2)],
        [*B_FAILED, Adopted("you"), Started(C, 2), Succeeded(C, b"3"), UndoStarted(C, 1)],
    ],
    ids=str,
)  # fmt: skip
def test_what_is_right_is_passed_in_silence(log: Sequence[Event]) -> None:
    """Whole or cut off."""
    assert promises(log) == []


WRONG: Sequence[tuple[int, str, Sequence[Event]]] = (
    (0, "started before the saga was created", [Started(A, 1)]),
    (0, "started of node 99, which does not exist", [*BEGUN, Started(99, 1)]),
    (0, "succeeded without an attempt in flight", [*BEGUN, Succeeded(A, b"1")]),
    (0, "started counts 2, not 1", [*BEGUN, Started(A, 2)]),
    (0, "it starts while an attempt of it is in flight", [*BEGUN, Started(A, 1), Started(A, 2)]),
    (0, "it starts again after it had failed for good",
     [*BEGUN, Started(A, 1), Adopted("you"), Started(A, 2), Failed(A, BROKEN, NONE), Started(A, 3)]),
    (0, "undo_started counts 2, not 1", [*C_LATE, UndoStarted(C, 2)]),
    (0, "its undo finished without an attempt in flight", [*C_LATE, UndoFinished(C, How.UNDONE)]),
    (0, "its undo failed without an attempt in flight", [*C_LATE, UndoFailed(C, BROKEN)]),
    (0, "its undo cannot meet an unknown outcome",
     [*B_AND_C, Failed(B, BROKEN, POSSIBLE), UndoStarted(B, 1)]),
    (10, "a heartbeat without an attempt in flight", [*BEGUN, Heartbeat(A)]),
    (10, "a heartbeat without an attempt in flight",
     [*BEGUN, Started(A, 1), Heartbeat(A), Adopted("you"), Heartbeat(A, b"1")]),
    (3, "it starts before all it depends on have succeeded", [*BEGUN, Started(B, 1)]),
    (3, "it starts before all it depends on have succeeded",
     [*B_AND_C, Succeeded(B, b"2"), Started(D, 1)]),
    (3, "it starts before all it depends on have succeeded",
     [*B_AND_C, Succeeded(B, b"2"), Started(D, 1), Succeeded(C, b"3")]),
    (4, "it is undone while the saga goes forward", [*A_DONE, UndoStarted(A, 1)]),
    (4, "it is undone before what depends on it is settled", [*C_LATE, UndoStarted(A, 1)]),
    (4, "it is undone before what depends on it is settled",
     [*C_LATE, UndoStarted(C, 1), UndoStarted(A, 1), UndoFinished(C, How.UNDONE)]),
    (4, "it is undone while an attempt of it is in flight",
     [*C_LATE, UndoStarted(C, 1), UndoStarted(C, 2)]),
    (5, "it is undone, and never started", [*A_BACK, UndoStarted(D, 1)]),
    (5, "it is undone, and failed without effect", [*C_BACK, UndoStarted(B, 1)]),
    (5, "it is undone twice", [*C_BACK, UndoStarted(C, 2), UndoFinished(C, How.UNDONE)]),
    (6, "it starts while the saga unwinds",
     [*A_DONE, Started(B, 1), Failed(B, BROKEN, NONE), Started(C, 1)]),
    (6, "it starts while the saga unwinds",
     [*A_DONE, Started(B, 1), Unwinding("asked"), Started(C, 1)]),
    (7, "unwound, and it is not undone", [*C_BACK, Finished(FinalState.UNWOUND)]),
    (7, "unwound, and it is not undone",
     [*BEGUN, Started(A, 1), Adopted("you"), Unwinding("asked"), Finished(FinalState.UNWOUND)]),
    (7, "unwound, and nothing had failed", [*BEGUN, Finished(FinalState.UNWOUND)]),
    (7, "it was passed over, and has an undo", [*C_LATE, UndoFinished(C, How.NOTHING)]),
    (8, "the saga succeeded, and it has not", [*A_DONE, Finished(FinalState.SUCCEEDED)]),
    (8, "succeeded, and it had begun to unwind",
     [*ALL_DONE, Unwinding("asked"), Finished(FinalState.SUCCEEDED)]),
    (8, "it succeeded twice", [*A_DONE, Succeeded(A, b"1")]),
    (8, "it starts again after it had succeeded", [*A_DONE, Started(A, 2)]),
    (9, "started after the saga abandoned", [*BEGUN, Finished(FinalState.ABANDONED), Started(A, 1)]),
    (9, "finished after the saga succeeded",
     [*ALL_DONE, Finished(FinalState.SUCCEEDED), Finished(FinalState.SUCCEEDED)]),
    (9, "in flight when the saga abandoned",
     [*BEGUN, Started(A, 1), Finished(FinalState.ABANDONED)]),
    (10, "an outcome of an attempt of the owner before",
     [*BEGUN, Started(A, 1), Adopted("you"), Succeeded(A, b"1")]),
    (12, "created twice", [*BEGUN, Created("me")]),
    (12, "start_requested twice", [*BEGUN, StartRequested()]),
)  # fmt: skip


@pytest.mark.parametrize(("promise", "sentence", "log"), WRONG)
def test_each_wrong_is_told(promise: int, sentence: str, log: Sequence[Event]) -> None:
    """With the number of the promise that is broken, and a sentence."""
    found = judge(DIAMOND, log)
    assert (promise, sentence) in {(each.promise, each.sentence) for each in found}


def test_every_promise_of_a_log_has_its_wrong() -> None:
    """Nothing is claimed to be judged that no log has been judged for."""
    assert {promise for promise, _, _ in WRONG} | {1, 2, 16} == set(PROMISES)


def test_markers_carry_order_but_have_no_events() -> None:
    """A join stands between; who is behind it waits for all before it."""
    a, b, c = (JOINED.find(name) for name in "abc")
    log = [*BEGUN, Started(a, 1), Started(b, 1), Succeeded(a, b"1"), Started(c, 1)]
    assert promises(log, JOINED) == [3]
    marker = JOINED.parents[c][0]
    assert promises([*BEGUN, Started(marker, 1)], JOINED) == [0]
    assert promises([Created("elsewhere"), Started(JOINED.roots[0], 1)], JOINED) == []


def test_a_join_is_settled_when_all_behind_it_is() -> None:
    """In the other direction as well."""
    a, b, c, d = (JOINED.find(name) for name in "abcd")
    log = [
        *BEGUN, Started(a, 1), Started(b, 1), Succeeded(a, b"1"), Succeeded(b, b"1"),
        Started(c, 1), Started(d, 1), Succeeded(c, b"1"), Failed(d, BROKEN, NONE),
    ]  # fmt: skip
    assert promises([*log, UndoStarted(a, 1)], JOINED) == [4]
    back = [*log, UndoStarted(c, 1), UndoFinished(c, How.UNDONE), UndoStarted(a, 1)]
    assert promises(back, JOINED) == []


def test_an_attempt_that_was_interrupted_may_have_had_an_effect() -> None:
    """Whatever the next one says, unless the action is atomic."""
    log = [*B_AND_C, Adopted("you"), Started(B, 2), Failed(B, BROKEN, NONE)]
    assert promises(log, with_contracts(DIAMOND, [STENO])) == []
    assert promises(log, with_contracts(DIAMOND, [TYPED])) == [7]


def test_only_an_atomic_action_runs_again_while_unwinding() -> None:
    """Any other is undone with an unknown outcome."""
    log = [*B_FAILED, Adopted("you"), Started(C, 2)]
    assert promises(log, with_contracts(DIAMOND, [STENO])) == []
    assert promises(log, with_contracts(DIAMOND, [TYPED])) == [6]


def test_what_has_nothing_to_take_back_is_settled_without_a_call() -> None:
    """And begins nothing."""
    log = [*C_LATE, UndoFinished(C, How.NOTHING), UndoFinished(A, How.NOTHING)]
    assert promises([*log, Finished(FinalState.UNWOUND)], with_contracts(DIAMOND, [HARMLESS])) == []


def test_a_saga_that_halts_begins_nothing_after_an_undo_failed() -> None:
    """What was begun before may end."""
    dag = with_contracts(named()["roots"], [STENO], on_stuck=OnStuck.HALT)
    a, b, c = (dag.find(name) for name in "abc")
    log = [
        *BEGUN, Started(a, 1), Started(b, 1), Started(c, 1), Succeeded(a, b"1"),
        Succeeded(b, b"1"), Failed(c, BROKEN, NONE), UndoStarted(a, 1),
    ]  # fmt: skip
    begun = [*log, UndoStarted(b, 1), UndoFailed(a, BROKEN), UndoFinished(b, How.UNDONE)]
    assert promises(begun, dag) == []
    assert promises([*log, UndoFailed(a, BROKEN), UndoStarted(b, 1)], dag) == [0]


# -- where an event stands, and who wrote it ------------------------------------------------------


def logged(*events: Event) -> list[LoggedEvent]:
    """Return a log that is in order."""
    owner, epoch, log = "", 0, list[LoggedEvent]()
    for sequence, event in enumerate(events, start=1):
        if isinstance(event, Created | Adopted):
            owner, epoch = event.owner, epoch + 1
        log.append(LoggedEvent(sequence, 1000, epoch, owner, event))
    return log


ADOPTED = logged(*BEGUN, Started(A, 1), Adopted("you"), Started(A, 2), Succeeded(A, b"1"))


def test_a_log_in_order_is_passed() -> None:
    """Sequences, epochs and owners included."""
    assert judge(DIAMOND, ADOPTED) == []


@pytest.mark.parametrize(
    ("place", "change", "promise", "sentence"),
    [
        (2, {"sequence": 4}, 2, "the 3. event has sequence 4"),
        (0, {"sequence": 0}, 2, "the 1. event has sequence 0"),
        (4, {"epoch": 1}, 10, "epoch 1 after epoch 2"),
        (4, {"epoch": 3}, 10, "epoch 3 without an adoption"),
        (4, {"owner": "me"}, 10, 'an event of "me" without an adoption'),
        (2, {"owner": "you"}, 10, 'an event of "you" without an adoption'),
    ],
)
def test_an_event_out_of_place_is_told(
    place: int, change: dict[str, Any], promise: int, sentence: str
) -> None:
    """A hole, an epoch that goes back or changes by itself, a second writer."""
    log = list(ADOPTED)
    log[place] = structs.replace(log[place], **change)
    assert (promise, sentence) in {(each.promise, each.sentence) for each in judge(DIAMOND, log)}


def test_violations_come_in_the_order_of_the_log_and_can_be_read() -> None:
    """With node and event."""
    found = judge(DIAMOND, [*BEGUN, Started(B, 1), Started(A, 1), Started(A, 2)])
    assert [each.sequence for each in found] == [3, 5]
    assert str(found[0]) == (
        'promise 3 at event 3: node "b": it starts before all it depends on have succeeded'
    )
    assert str(Violation(9, 7, "", "started after the saga succeeded")) == (
        "promise 9 at event 7: started after the saga succeeded"
    )


# -- against the fold -----------------------------------------------------------------------------


@given(dags().flatmap(lambda dag: st.tuples(st.just(dag), event_lists(len(dag.nodes)))))
def test_the_judge_and_the_fold_are_of_one_mind(case: tuple[Dag, list[Event]]) -> None:
    """What the fold takes, with plans carried out, the judge passes; and it reads anything."""
    dag, events = case
    taken: list[Event] = [Created("me"), StartRequested()]
    for event in events:
        judge(dag, [*taken, event])
        try:
            replay(dag, NULL, [*taken, event])
        except LogCorrupt:
            continue
        taken.append(event)
    # The fold leaves to the planner and the attempts what the contracts demand of them.
    assert {violation.promise for violation in judge(dag, taken)} <= {0, 6, 7}


@given(st.data())
def test_the_judge_notices_an_event_that_is_lost_or_moved(data: st.DataObject) -> None:
    """What the fold refuses of a damaged log, the judge refuses as well."""
    fails = data.draw(st.sampled_from([None, *"abcd"]))
    log = walk(DIAMOND, Script({} if fails is None else {DIAMOND.find(fails): Do.NONE})).log
    place = data.draw(st.integers(0, len(log) - 1))
    event = log.pop(place)
    if data.draw(st.booleans()):
        log.insert(data.draw(st.integers(0, len(log))), event)
    try:
        replay(DIAMOND, NULL, log)
    except LogCorrupt:
        assert judge(DIAMOND, log) != []


# -- stored sagas -----------------------------------------------------------------------------------


def stored(
    log: Sequence[Event], state: SagaStatus, *, dag: Dag = DIAMOND, sequence: int | None = None
) -> StoredSaga:
    head = SagaHead(
        id=UUID(int=1), name=dag.name, fingerprint="", labels={}, state=state,
        direction=Direction.FORWARD, sequence=len(log) if sequence is None else sequence,
        owner="me", epoch=1, created_ms=0, updated_ms=0,
    )  # fmt: skip
    record = encode_record(log, time_ms=0, epoch=1)
    return StoredSaga(head, definition_of(dag).document, constants_of(dag), b"null", [(1, record)])


SUCCEEDED = [*ALL_DONE, Finished(FinalState.SUCCEEDED)]


def test_a_stored_saga_is_judged_with_its_head() -> None:
    """Which has to say of its log what is true."""
    assert judge_stored(stored(A_DONE, SagaStatus.RUNNING)) == []
    assert judge_stored(stored(SUCCEEDED, SagaStatus.SUCCEEDED)) == []


@pytest.mark.parametrize(
    ("saga", "promise", "sentence"),
    [
        (stored(A_DONE, SagaStatus.RUNNING, sequence=3), 2, "the head says 3, the log 4"),
        (stored(A_DONE, SagaStatus.SUCCEEDED), 1,
         "the head says succeeded, but its log has not ended"),
        (stored(SUCCEEDED, SagaStatus.UNWOUND), 1,
         "the head says unwound, but its log has not ended"),
        (stored(SUCCEEDED, SagaStatus.RUNNING), 9, "it has succeeded, and the head says running"),
    ],
)  # fmt: skip
def test_a_head_that_is_wrong_is_told(saga: StoredSaga, promise: int, sentence: str) -> None:
    """It decides who recovers a saga, if anybody does."""
    (violation,) = judge_stored(saga)
    assert (violation.promise, violation.sentence) == (promise, sentence)


@pytest.mark.parametrize(
    "damage", [{"document": b"x"}, {"constants": b"x"}, {"records": [(1, b"x")]}]
)
def test_a_saga_that_cannot_be_read_is_told(damage: dict[str, Any]) -> None:
    """Whatever the engine stored, a later version reads."""
    (violation,) = judge_stored(dataclasses.replace(stored(A_DONE, SagaStatus.RUNNING), **damage))
    assert violation.promise == 16
    assert violation.sentence.startswith("it cannot be read")
