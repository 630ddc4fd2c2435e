from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagacity.core.agenda import Direction, StuckReason
from sagacity.core.builder import NodeFactory
from sagacity.core.dag import Dag, OnStuck
from sagacity.core.decisions import NO_NODE, Verb
from sagacity.core.events import (
    Adopted,
    Created,
    Decided,
    Effect,
    ErrorKind,
    ErrorRecord,
    Event,
    Failed,
    FinalState,
    Finished,
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
from sagacity.core.nodes import Undoing
from sagacity.core.planner import ConcludeUndo, Finish, plan
from sagacity.core.state import SagaState
from sagacity.core.transitions import NodeStatus
from sagacity.core.values import NULL
from sagacity.errors import LogCorrupt
from sagacity.testing.strategies import dags, event_lists
from tests.recovery.shapes import ATOMIC_ANY, STENO, TYPED, act, named, staged, with_contracts
from tests.recovery.walker import Do, Script, snapshot, walk

DIAMOND = named()["diamond"]
A, B, C, D = (DIAMOND.find(name) for name in "abcd")
START, END = (index for index, marker in enumerate(DIAMOND.markers) if marker)
BROKEN = ErrorRecord(ErrorKind.ACTION_FAILED, "broken")

BEGUN: Sequence[Event] = (Created("me"), StartRequested())
A_DONE = (*BEGUN, Started(A, 1), Succeeded(A, b"1"))
B_AND_C = (*A_DONE, Started(B, 1), Started(C, 1))
B_FAILED = (*B_AND_C, Failed(B, BROKEN, Effect.NONE))
ONLY_A = (*B_FAILED, Failed(C, BROKEN, Effect.NONE))
A_UNDOING = (*ONLY_A, UndoStarted(A, 1))
ALL_DONE = (
    *B_AND_C, Succeeded(B, b"2"), Succeeded(C, b"3"), Started(D, 1), Succeeded(D, b"4"),
)  # fmt: skip


def fold(*events: Event, dag: Dag = DIAMOND) -> SagaState:
    return replay(dag, NULL, events)


# -- what a log cannot say -------------------------------------------------------------------

REFUSED: Sequence[tuple[str, Sequence[Event], Event]] = (
    ("started before the saga was created", (), Started(A, 1)),
    ("created twice", BEGUN, Created("you")),
    ("started twice", BEGUN, StartRequested()),
    ("started of node 99, which does not exist", BEGUN, Started(99, 1)),
    ("started of node -1, which does not exist", BEGUN, Started(-1, 1)),
    ("started of a marker (end)", BEGUN, Started(END, 1)),
    ('node "b" started before what it depends on succeeded', BEGUN, Started(B, 1)),
    ('node "d" started before what it depends on succeeded',
     (*B_AND_C, Succeeded(B, b"1")), Started(D, 1)),
    ('node "a" started again while in flight', (*BEGUN, Started(A, 1)), Started(A, 2)),
    ('node "a": started while succeeded', A_DONE, Started(A, 2)),
    ('node "a": attempt 2 instead of 1', BEGUN, Started(A, 2)),
    ('node "a": attempt 1 instead of 2', (*BEGUN, Started(A, 1), Adopted("you")), Started(A, 1)),
    ('node "a": attempt 3 instead of 2', (*BEGUN, Started(A, 1), Adopted("you")), Started(A, 3)),
    ('node "c" started while unwinding',
     (*A_DONE, Started(B, 1), Failed(B, BROKEN, Effect.NONE)), Started(C, 1)),
    ('node "a": succeeded while never_started', BEGUN, Succeeded(A, b"1")),
    ('node "a": failed while never_started', BEGUN, Failed(A, BROKEN, Effect.NONE)),
    ('node "a": succeeded while succeeded', A_DONE, Succeeded(A, b"1")),
    ('node "b": failed while failed', B_FAILED, Failed(B, BROKEN, Effect.NONE)),
    ('node "a": an outcome of an attempt that was interrupted',
     (*BEGUN, Started(A, 1), Adopted("you")), Succeeded(A, b"1")),
    ('node "a": an outcome of an attempt that was interrupted',
     (*BEGUN, Started(A, 1), Adopted("you")), Failed(A, BROKEN, Effect.NONE)),
    ('node "a": an outcome of an attempt that was interrupted',
     (*A_UNDOING, Adopted("you")), UndoFinished(A, How.UNDONE)),
    ('node "a": an outcome of an attempt that was interrupted',
     (*A_UNDOING, Adopted("you")), UndoFailed(A, BROKEN)),
    ('node "a" undone while going forward', A_DONE, UndoStarted(A, 1)),
    ('node "a" undone while going forward', A_DONE, UndoFinished(A, How.NOTHING)),
    ('node "a" undone before what depends on it', B_FAILED, UndoStarted(A, 1)),
    ('node "a" undone before what depends on it', B_FAILED, UndoFinished(A, How.NOTHING)),
    ('node "c" undone while in flight', B_FAILED, UndoStarted(C, 1)),
    ('node "a" undone while in flight', A_UNDOING, UndoStarted(A, 2)),
    ('node "c" undone while in flight', B_FAILED, UndoFinished(C, How.NOTHING)),
    ('node "a": undo attempt 2 instead of 1', ONLY_A, UndoStarted(A, 2)),
    ('node "a": undo attempt 1 instead of 2', (*A_UNDOING, Adopted("you")), UndoStarted(A, 1)),
    ('node "b": undo_started while failed', ONLY_A, UndoStarted(B, 1)),
    ('node "d": undo_started while never_started', ONLY_A, UndoStarted(D, 1)),
    ('node "a": undo_failed while succeeded', ONLY_A, UndoFailed(A, BROKEN)),
    ('node "a": undo_started while undone',
     (*A_UNDOING, UndoFinished(A, How.UNDONE)), UndoStarted(A, 2)),
    ('node "a": undo_finished while undone',
     (*A_UNDOING, UndoFinished(A, How.UNDONE)), UndoFinished(A, How.UNDONE)),
    ("finished (succeeded) with work left", BEGUN, Finished(FinalState.SUCCEEDED)),
    ("finished (succeeded) with work left",
     (*BEGUN, Started(A, 1)), Finished(FinalState.SUCCEEDED)),
    ("finished (unwound) with work left", ONLY_A, Finished(FinalState.UNWOUND)),
    ("finished (abandoned) with work left",
     (*BEGUN, Started(A, 1)), Finished(FinalState.ABANDONED)),
    ("finished (unwound) while forward", ALL_DONE, Finished(FinalState.UNWOUND)),
    ("finished (succeeded) while unwinding",
     (*A_UNDOING, UndoFinished(A, How.UNDONE)), Finished(FinalState.SUCCEEDED)),
    ("finished (unwound) while unwinding",
     (*A_UNDOING, UndoFailed(A, BROKEN)), Finished(FinalState.UNWOUND)),
    ("adopted after the saga succeeded",
     (*ALL_DONE, Finished(FinalState.SUCCEEDED)), Adopted("you")),
    ("finished after the saga abandoned",
     (*BEGUN, Finished(FinalState.ABANDONED)), Finished(FinalState.ABANDONED)),
)  # fmt: skip


@pytest.mark.parametrize(("why", "before", "event"), REFUSED)
def test_what_no_engine_of_ours_can_have_written_is_refused(
    why: str, before: Sequence[Event], event: Event
) -> None:
    """A damaged log, or two writers: the text names the event, and what is wrong with it."""
    assert fold(*before).sequence == len(before)
    with pytest.raises(LogCorrupt) as caught:
        fold(*before, event)
    assert str(caught.value) == f"event {len(before) + 1}: {why}"


def test_a_marker_is_named_by_its_kind() -> None:
    """It has no path (in a log from elsewhere it can have events before the start)."""
    with pytest.raises(LogCorrupt, match=f"start marker {START}: attempt 2 instead of 1"):
        fold(Created("me"), Started(START, 2))


# -- what a log adds up to -----------------------------------------------------------------


def test_an_empty_log_is_a_saga_that_is_not_there_yet() -> None:
    """Nothing is created, nothing started, nothing planned."""
    state = SagaState(DIAMOND)
    assert (state.created, state.started, state.finished, state.stuck) == (False, False, None, None)
    assert plan(state) == []


def test_markers_pass_by_themselves_in_both_directions() -> None:
    """They have no events of their own once the saga is started."""
    dag = named()["a subsaga"]
    markers = [index for index, marker in enumerate(dag.markers) if marker]
    forward = walk(dag, Script()).state
    assert {forward.status[marker] for marker in markers} == {NodeStatus.SUCCEEDED}
    back = walk(dag, Script({dag.find("c"): Do.NONE})).state
    end = next(marker for marker in markers if not dag.children[marker])
    assert back.status[end] is NodeStatus.NEVER_STARTED
    assert {back.status[marker] for marker in markers if marker != end} == {NodeStatus.UNDONE}


def test_the_direction_turns_with_the_first_failure() -> None:
    """Not with the `unwinding` event, which a crash may swallow."""
    state = fold(*B_FAILED)
    assert state.direction is Direction.UNWINDING
    turned = fold(*B_FAILED, Unwinding("a node failed"))
    assert snapshot(turned, without=["sequence"]) == snapshot(state, without=["sequence"])


def test_unwinding_alone_turns_the_direction() -> None:
    """Nothing new starts, what is in flight ends, and all is undone."""
    state = fold(*B_AND_C, Unwinding("asked for"), Succeeded(B, b"2"))
    assert state.direction is Direction.UNWINDING
    assert list(state.waiting) == [B]
    assert state.in_flight == {C}


def test_a_failure_is_kept_with_its_effect() -> None:
    """In the order of the log."""
    state = fold(*ONLY_A)
    assert state.errors == [(B, BROKEN, Effect.NONE), (C, BROKEN, Effect.NONE)]
    stuck = fold(*A_UNDOING, UndoFailed(A, BROKEN))
    assert (stuck.errors, stuck.undo_errors) == (state.errors, [(A, BROKEN)])


def test_outputs_are_kept_also_of_those_that_end_while_unwinding() -> None:
    """Their undos need them."""
    assert fold(*B_FAILED, Succeeded(C, b'"late"')).outputs == {A: b"1", C: b'"late"'}


def test_adoption_interrupts_what_was_in_flight() -> None:
    """It waits to be done again, do and undo alike; nothing of it can be recorded any more."""
    state = fold(*B_FAILED, Adopted("you"))
    assert state.owner == "you"
    assert (state.in_flight, state.interrupted, list(state.waiting)) == (set(), {C}, [C])
    state = fold(*A_UNDOING, Adopted("you"))
    assert (state.in_flight, state.interrupted, list(state.waiting)) == (set(), {A}, [A])


def test_a_saga_is_stuck_only_when_nothing_of_it_is_in_flight() -> None:
    """Undos in progress end first, and are recorded."""
    dag = named()["roots"]
    a, b, c = (dag.find(name) for name in "abc")
    log = (
        *BEGUN, Started(a, 1), Started(b, 1), Started(c, 1), Succeeded(a, b"1"), Succeeded(b, b"1"),
        Failed(c, BROKEN, Effect.NONE), UndoStarted(a, 1), UndoStarted(b, 1), UndoFailed(a, BROKEN),
    )  # fmt: skip
    assert fold(*log, dag=dag).stuck is None
    assert fold(*log, UndoFinished(b, How.UNDONE), dag=dag).stuck is StuckReason.UNDO_FAILED


def test_other_branches_are_undone_although_one_is_stuck() -> None:
    """Unless the saga says `halt`: then nothing new begins, and it is stuck at once."""
    dag = named()["roots"]
    a, b, c = (dag.find(name) for name in "abc")
    log = (
        *BEGUN, Started(a, 1), Started(b, 1), Started(c, 1), Succeeded(a, b"1"), Succeeded(b, b"1"),
        Failed(c, BROKEN, Effect.NONE), UndoStarted(a, 1), UndoFailed(a, BROKEN),
    )  # fmt: skip
    going_on = fold(*log, dag=dag)
    assert (going_on.stuck, list(going_on.waiting)) == (None, [b])
    halted = fold(*log, dag=with_contracts(dag, [STENO], on_stuck=OnStuck.HALT))
    assert halted.stuck is StuckReason.UNDO_FAILED
    assert plan(halted) == []


def test_an_unknown_outcome_that_the_undo_cannot_meet_is_stuck() -> None:
    """Nobody can tell whether there is anything to undo."""
    assert fold(*B_AND_C, Failed(B, BROKEN, Effect.POSSIBLE)).stuck_on == {
        B: StuckReason.OUTCOME_UNKNOWN
    }


def test_an_atomic_action_without_a_definite_end_is_stuck() -> None:
    """Whatever its undo could meet: the promise that an error means no effect is broken."""
    state = fold(
        *B_AND_C, Failed(B, BROKEN, Effect.POSSIBLE), dag=with_contracts(DIAMOND, [ATOMIC_ANY])
    )
    assert state.stuck_on == {B: StuckReason.OUTCOME_UNKNOWN}


def test_an_unknown_outcome_is_undone_where_the_undo_can_meet_it() -> None:
    """The node's own undo runs, too."""
    state = fold(*B_AND_C, Failed(B, BROKEN, Effect.POSSIBLE), dag=with_contracts(DIAMOND, [TYPED]))
    assert state.status[B] is NodeStatus.UNKNOWN
    assert B in state.waiting


def test_a_saga_that_was_never_started_can_be_abandoned() -> None:
    """A person may end it in any state that has nothing in flight."""
    assert fold(Created("me"), Finished(FinalState.ABANDONED)).finished is FinalState.ABANDONED
    assert fold(*A_DONE, Finished(FinalState.ABANDONED)).finished is FinalState.ABANDONED


def test_an_undo_that_there_is_none_of_is_concluded_after_a_crash_in_the_middle() -> None:
    """Steno begins undos of constants, too."""
    dag = named()["constants alone"]
    c, d = dag.find("c"), dag.find("d")
    state = fold(
        *BEGUN, Started(c, 1), Succeeded(c, b"1"), Started(d, 1), Failed(d, BROKEN, Effect.NONE),
        UndoStarted(c, 1), Adopted("you"), UndoFinished(c, How.NOTHING),
        Finished(FinalState.UNWOUND), dag=dag,
    )  # fmt: skip
    assert state.finished is FinalState.UNWOUND


def test_markers_of_a_log_from_elsewhere_pass_when_the_saga_is_started() -> None:
    """Also those that were begun and not ended, and, going back, those that hold nothing."""
    begun = fold(Created("me"), Started(START, 1), Adopted("me"), StartRequested())
    assert begun.status[START] is NodeStatus.SUCCEEDED
    assert list(begun.waiting) == begun.agenda == [A]
    back = fold(
        Created("me"), Started(START, 1), Succeeded(START, b"1"), Started(A, 1),
        Failed(A, BROKEN, Effect.NONE), Adopted("me"), StartRequested(),
    )  # fmt: skip
    assert back.status[START] is NodeStatus.UNDONE
    assert plan(back) == [Finish(FinalState.UNWOUND)]


def test_markers_of_a_halted_log_from_elsewhere_stay_where_they_are() -> None:
    """Nothing begins there before a person has decided."""
    dag = with_contracts(named()["roots"], [STENO], on_stuck=OnStuck.HALT)
    start = next(index for index, marker in enumerate(dag.markers) if marker)
    a, b, c = (dag.find(name) for name in "abc")
    state = fold(
        Created("me"), Started(start, 1), Succeeded(start, b"1"), Started(a, 1), Started(b, 1),
        Started(c, 1), Succeeded(a, b"1"), Failed(b, BROKEN, Effect.NONE), UndoStarted(a, 1),
        UndoFailed(a, BROKEN), Failed(c, BROKEN, Effect.NONE), Adopted("me"), StartRequested(),
        dag=dag,
    )  # fmt: skip
    assert state.stuck is StuckReason.UNDO_FAILED
    assert state.status[start] is NodeStatus.SUCCEEDED


@given(dags().flatmap(lambda dag: st.tuples(st.just(dag), event_lists(len(dag.nodes)))))
def test_any_events_are_a_state_or_log_corrupt(case: tuple[Dag, list[Event]]) -> None:
    """Nothing else is raised, and what was taken folds again into the same."""
    dag, events = case
    state = SagaState(dag)
    taken: list[Event] = []
    for event in [Created("me"), StartRequested(), *events]:
        before = state
        try:
            state = replay(dag, NULL, [*taken, event])
        except LogCorrupt:
            state = before
        else:
            taken.append(event)
            plan(state)
    assert snapshot(replay(dag, NULL, taken)) == snapshot(state)
    assert state.sequence == len(taken)


def test_a_pause_for_a_hold_is_told_from_a_persons() -> None:
    """Whose pause it is decides whether it ends with the hold; the last one counts."""

    def paused(value: bytes | None) -> Decided:
        return Decided(Verb.PAUSE, NO_NODE, "ann", "", str(value), value)

    state = fold(*BEGUN, paused(b'"h"'))
    assert (state.paused, state.held_by) == (True, "h")
    state.apply(paused(None))
    assert (state.paused, state.held_by) == (True, "")
    state.apply(Decided(Verb.UNPAUSE, NO_NODE, "ann", "", "3"))
    state.apply(paused(b"7"))  # from elsewhere: no hold
    assert (state.paused, state.held_by) == (True, "")


def test_all_that_stood_behind_a_pivot_is_let_go_before_anything_is_undone() -> None:
    """Else a marker would take the saga for one that is halted, and wait for an undo of its own."""
    constant = NodeFactory.constant
    inner = staged("inner", [constant("c", 1)])
    dag = staged(
        "s", [constant("k", 1)],
        [NodeFactory.subsaga("u", inner, "k"), constant("d", 2), act("p")],
        [act("z")],
    )  # fmt: skip
    k, c, d, p = (dag.find(path) for path in ("k", "u/c", "d", "p"))
    nodes = list(dag.nodes)
    nodes[p] = replace(nodes[p], undoing=Undoing.PIVOT)
    dag = replace(dag, nodes=tuple(nodes), on_stuck=OnStuck.HALT)
    state = replay(
        dag,
        NULL,
        [
            Created("me"), StartRequested(), Started(k, 1), Succeeded(k, b"1"), Started(p, 1),
            Started(c, 1), Failed(c, BROKEN, Effect.NONE),
            Started(d, 1), Failed(d, BROKEN, Effect.NONE),
            Failed(p, BROKEN, Effect.NONE),
        ],
    )  # fmt: skip
    assert plan(state) == [ConcludeUndo(k)]
