import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagacity.core.dag import Dag, OnStuck
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
from sagacity.core.planner import (
    Command,
    Conclude,
    ConcludeUndo,
    Finish,
    RunAction,
    RunUndo,
    is_current,
    plan,
)
from sagacity.core.state import SagaState
from sagacity.core.values import NULL
from sagacity.testing.strategies import dags
from tests.recovery.shapes import (
    ATOMIC_ANY,
    HARMLESS,
    STENO,
    TYPED,
    Contract,
    named,
    with_contracts,
)
from tests.recovery.walker import Do, Script, Walker

DIAMOND = named()["diamond"]
A, B, C, D = (DIAMOND.find(name) for name in "abcd")
BROKEN = ErrorRecord(ErrorKind.ACTION_FAILED, "broken")
BEGUN: tuple[Event, ...] = (Created("me"), StartRequested())
B_AND_C = (*BEGUN, Started(A, 1), Succeeded(A, b"1"), Started(B, 1), Started(C, 1))


def after(*events: Event, dag: Dag = DIAMOND) -> SagaState:
    """Return the state of a coordinator that planned all along."""
    state = SagaState(dag)
    for event in events:
        state.apply(event)
        plan(state)
    return state


def next_after(*events: Event, dag: Dag = DIAMOND) -> list[Command]:
    """Return what the last of the events made possible."""
    state = after(*events[:-1], dag=dag)
    state.apply(events[-1])
    return plan(state)


def all_after(*events: Event, dag: Dag = DIAMOND) -> list[Command]:
    """Return what a coordinator has to do that begins with this log."""
    return plan(replay(dag, NULL, [*events, Adopted("you")]))


def test_nothing_is_planned_before_the_start_nor_after_the_end() -> None:
    """Created is not started; and the final states absorb."""
    assert next_after(Created("me")) == []
    assert all_after(Created("me")) == []
    assert next_after(*BEGUN, Finished(FinalState.ABANDONED)) == []


def test_the_start_makes_the_roots_possible() -> None:
    """All at once."""
    dag = named()["roots"]
    assert next_after(*BEGUN, dag=dag) == [RunAction(dag.find(name), 1) for name in "abc"]


def test_each_outcome_makes_possible_what_waited_for_it() -> None:
    """The last of several parents, not the first."""
    assert next_after(*BEGUN, Started(A, 1), Succeeded(A, b"1")) == [
        RunAction(B, 1),
        RunAction(C, 1),
    ]
    assert next_after(*B_AND_C, Succeeded(B, b"1")) == []
    assert next_after(*B_AND_C, Succeeded(B, b"1"), Succeeded(C, b"1")) == [RunAction(D, 1)]


def test_a_command_is_handed_out_once() -> None:
    """Whether it is carried out at once or waits is the coordinator's choice."""
    state = replay(DIAMOND, NULL, BEGUN)
    assert plan(state) == [RunAction(A, 1)]
    assert plan(state) == []


def test_constants_and_ends_of_subsagas_need_no_call() -> None:
    """They are concluded."""
    dag = named()["a constant among actions"]
    assert set(next_after(*BEGUN, dag=dag)) == {
        RunAction(dag.find("a"), 1),
        Conclude(dag.find("c"), 1),
    }
    dag = named()["a subsaga at the end"]
    walker = Walker(dag, Script())
    walker.create()
    walker.run()
    succeeded = Succeeded(dag.find("s/l"), b"%d" % dag.find("s/l"))
    log = walker.log[: walker.log.index(succeeded) + 1]
    assert next_after(*log, dag=dag) == [Conclude(dag.find("s"), 1)]


def test_the_end_is_planned_when_nothing_is_left() -> None:
    """Succeeded, or unwound; and again until it is recorded."""
    line = named()["line of 1"]
    state = after(*BEGUN, Started(0, 1), dag=line)
    state.apply(Succeeded(0, b"1"))
    assert plan(state) == plan(state) == [Finish(FinalState.SUCCEEDED)]
    assert next_after(*BEGUN, Started(0, 1), Failed(0, BROKEN, Effect.NONE), dag=line) == [
        Finish(FinalState.UNWOUND)
    ]


def test_a_saga_without_nodes_ends_when_it_starts() -> None:
    """Nothing is left to do."""
    assert next_after(*BEGUN, dag=Dag("s", (), ())) == [Finish(FinalState.SUCCEEDED)]


def test_an_abort_with_nothing_done_is_unwound() -> None:
    """There is nothing to take back."""
    assert next_after(*BEGUN, Unwinding("asked for")) == [Finish(FinalState.UNWOUND)]


def test_undos_are_planned_in_reverse_order_of_dependence() -> None:
    """A node when all that depends on it is settled."""
    assert next_after(*B_AND_C, Succeeded(C, b"1"), Failed(B, BROKEN, Effect.NONE)) == [
        RunUndo(C, 1)
    ]
    log = (*B_AND_C, Succeeded(C, b"1"), Failed(B, BROKEN, Effect.NONE), UndoStarted(C, 1))
    assert next_after(*log) == []
    assert next_after(*log, UndoFinished(C, How.UNDONE)) == [RunUndo(A, 1)]


def test_a_node_that_succeeds_while_unwinding_is_undone() -> None:
    """It was waited for; nothing depends on it, since nothing new started."""
    assert next_after(*B_AND_C, Failed(B, BROKEN, Effect.NONE)) == []
    assert next_after(*B_AND_C, Failed(B, BROKEN, Effect.NONE), Succeeded(C, b"1")) == [
        RunUndo(C, 1)
    ]


def test_a_node_without_an_undo_is_settled_at_once() -> None:
    """Also when its outcome is unknown."""
    dag = with_contracts(DIAMOND, [HARMLESS])
    assert next_after(*B_AND_C, Succeeded(C, b"1"), Failed(B, BROKEN, Effect.POSSIBLE), dag=dag) == [
        ConcludeUndo(B), ConcludeUndo(C)
    ]  # fmt: skip


def test_nothing_is_planned_for_what_is_stuck() -> None:
    """Other branches go on; if there are none, nothing is left."""
    log = (*B_AND_C, Succeeded(C, b"1"), Failed(B, BROKEN, Effect.NONE), UndoStarted(C, 1))
    assert next_after(*log, UndoFailed(C, BROKEN)) == []
    assert all_after(*log, UndoFailed(C, BROKEN)) == []


def test_a_halted_saga_plans_nothing_more() -> None:
    """`on_stuck="halt"`: other branches stop, as in Steno."""
    dag = named()["roots"]
    a, b, c = (dag.find(name) for name in "abc")
    log = (
        *BEGUN, Started(a, 1), Started(b, 1), Started(c, 1), Succeeded(a, b"1"),
        Failed(c, BROKEN, Effect.NONE), UndoStarted(a, 1), UndoFailed(a, BROKEN),
    )  # fmt: skip
    assert next_after(*log, Succeeded(b, b"1"), dag=dag) == [RunUndo(b, 1)]
    halted = with_contracts(dag, [STENO], on_stuck=OnStuck.HALT)
    assert next_after(*log, Succeeded(b, b"1"), dag=halted) == []


@pytest.mark.parametrize("contract", [STENO, TYPED, HARMLESS])
def test_what_was_interrupted_going_forward_runs_again(contract: Contract) -> None:
    """With the next attempt's number, and what was not begun with its first."""
    dag = with_contracts(DIAMOND, [contract])
    log = (*BEGUN, Started(A, 1), Succeeded(A, b"1"), Started(B, 1))
    assert set(all_after(*log, dag=dag)) == {RunAction(B, 2), RunAction(C, 1)}


@pytest.mark.parametrize(
    ("contract", "command"),
    [
        (STENO, RunAction(C, 2)),  # has to end in a known outcome, and is then undone
        (ATOMIC_ANY, RunAction(C, 2)),
        (TYPED, RunUndo(C, 1)),
        (HARMLESS, ConcludeUndo(C)),
    ],
)
def test_what_was_interrupted_while_unwinding_is_treated_by_contract(
    contract: Contract, command: Command
) -> None:
    """An atomic action runs again; one whose undo can meet an unknown outcome is undone."""
    dag = with_contracts(DIAMOND, [contract])
    assert all_after(*B_AND_C, Failed(B, BROKEN, Effect.NONE), dag=dag) == [command]


def test_an_interrupted_undo_runs_again() -> None:
    """With the next attempt's number."""
    log = (*B_AND_C, Succeeded(C, b"1"), Failed(B, BROKEN, Effect.NONE), UndoStarted(C, 1))
    assert all_after(*log) == [RunUndo(C, 2)]


def test_two_adoptions_in_a_row_plan_as_one() -> None:
    """A coordinator that died before it did anything leaves no trace but its adoption."""
    log = (*B_AND_C, Adopted("first"), Adopted("second"))
    assert sorted(all_after(*log), key=str) == [RunAction(B, 2), RunAction(C, 2)]


def test_a_command_that_waited_is_no_more_current_when_the_saga_turned() -> None:
    """What would have started is not to be started; what was interrupted is to be undone."""
    state = after(*B_AND_C[:-1])
    assert is_current(state, RunAction(C, 1))
    state.apply(Failed(B, BROKEN, Effect.NONE))
    assert not is_current(state, RunAction(C, 1))

    state = replay(with_contracts(DIAMOND, [TYPED]), NULL, [*B_AND_C, Adopted("you")])
    assert is_current(state, RunAction(C, 2))
    state.apply(Started(B, 2))
    state.apply(Failed(B, BROKEN, Effect.NONE))
    assert not is_current(state, RunAction(C, 2))
    assert is_current(state, RunUndo(C, 1))


def test_a_command_is_not_current_twice() -> None:
    """Nor after it has begun, nor the end at any time, nor anything after the end."""
    state = replay(DIAMOND, NULL, BEGUN)
    assert is_current(state, RunAction(A, 1))
    assert not is_current(state, RunAction(A, 2))
    assert not is_current(state, RunUndo(A, 1))
    assert not is_current(state, Finish(FinalState.SUCCEEDED))
    state.apply(Started(A, 1))
    assert not is_current(state, RunAction(A, 1))
    ended = replay(DIAMOND, NULL, [*BEGUN, Finished(FinalState.ABANDONED)])
    assert not is_current(ended, RunAction(A, 1))


@given(dags(), st.data())
def test_live_and_recovered_coordinators_plan_the_same(dag: Dag, data: st.DataObject) -> None:
    """What one has planned so far is what another finds that reads the log: no second way."""
    nodes = range(len(dag.nodes))
    dos = data.draw(st.dictionaries(st.sampled_from(nodes), st.sampled_from(Do), max_size=2))
    walker = Walker(dag, Script(dos), lambda ways: data.draw(st.integers(0, ways - 1)))
    walker.create()
    walker.run()
    live = SagaState(dag)
    planned: list[Command] = []
    for event in walker.log:
        live.apply(event)
        planned = [each for each in planned if is_current(live, each)]
        planned += [each for each in plan(live) if not isinstance(each, Finish)]
        read = replay(dag, NULL, walker.log[: live.sequence])
        recovered = [each for each in plan(read) if is_current(read, each)]
        assert set(planned) == set(recovered)
