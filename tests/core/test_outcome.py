from collections.abc import Sequence
from dataclasses import replace

import pytest

from sagacity.core.agenda import StuckReason
from sagacity.core.bindings import OutputOf
from sagacity.core.events import (
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
)
from sagacity.core.folding import replay
from sagacity.core.outcome import (
    Abandoned,
    NodeError,
    Stuck,
    Unwound,
    all_errors,
    do_errors,
    outcome_of,
    undo_errors,
)
from sagacity.core.outcome import (
    Succeeded as SagaSucceeded,
)
from sagacity.core.state import SagaState
from sagacity.core.values import NULL
from sagacity.errors import LogCorrupt
from tests.recovery.shapes import named
from tests.recovery.walker import Do, Script, walk

ROOTS = named()["roots"]
A, B, C = (ROOTS.find(name) for name in "abc")
CARD = ErrorRecord(ErrorKind.ACTION_FAILED, "no money", "Card", b'{"left":3}', "")
CRASH = ErrorRecord(ErrorKind.EXCEPTION, "boom", "ValueError", None, "Traceback ...")

BEGUN: Sequence[Event] = (
    Created("me"), StartRequested(), Started(A, 1), Started(B, 1), Started(C, 1),
)  # fmt: skip
# An undo fails before the last do has: errors of both kinds take turns in the log.
MIXED = (
    *BEGUN, Succeeded(A, b"1"), Failed(C, CARD, Effect.NONE), UndoStarted(A, 1),
    UndoFailed(A, CRASH), Failed(B, CRASH, Effect.NONE),
)  # fmt: skip


def fold(*events: Event) -> SagaState:
    return replay(ROOTS, NULL, events)


def test_a_saga_that_goes_on_has_no_outcome() -> None:
    """Not created, created, running, unwinding."""
    assert outcome_of(SagaState(ROOTS)) is None
    for length in range(1, len(MIXED)):
        assert outcome_of(fold(*MIXED[:length])) is None


def test_a_saga_that_succeeded_has_its_output() -> None:
    """As plain JSON values."""
    state = walk(named()["diamond"], Script()).state
    assert outcome_of(state) == SagaSucceeded(named()["diamond"].find("d"))


def test_a_saga_that_was_unwound_has_its_errors() -> None:
    """With node, kind, message, data and effect."""
    dag = named()["diamond"]
    state = walk(dag, Script({dag.find("a"): Do.NONE})).state
    assert outcome_of(state) == Unwound(
        (NodeError("a", ErrorKind.ACTION_FAILED, "broken", None, Effect.NONE),)
    )


def test_a_stuck_saga_has_the_reason_and_both_kinds_of_errors() -> None:
    """It can still go on."""
    card = NodeError("c", ErrorKind.ACTION_FAILED, "no money", {"left": 3}, Effect.NONE, "Card")
    crash = NodeError("b", ErrorKind.EXCEPTION, "boom", None, Effect.NONE, "ValueError",
                      "Traceback ...")  # fmt: skip
    undo = NodeError("a", ErrorKind.EXCEPTION, "boom", None, None, "ValueError", "Traceback ...",
                     undo=True)  # fmt: skip
    assert outcome_of(fold(*MIXED)) == Stuck(StuckReason.UNDO_FAILED, (card, crash), (undo,))


def test_all_errors_come_in_the_order_of_the_log() -> None:
    """Of dos and undos alike."""
    state = fold(*MIXED)
    assert [(error.node, error.undo) for error in all_errors(state)] == [
        ("c", False), ("a", True), ("b", False)
    ]  # fmt: skip
    assert [error.node for error in do_errors(state)] == ["c", "b"]
    assert [error.node for error in undo_errors(state)] == ["a"]


def test_an_abandoned_saga_has_all_errors() -> None:
    """Until decisions of people are in the log, it has no reason and nobody's name."""
    outcome = outcome_of(fold(*MIXED, Finished(FinalState.ABANDONED)))
    assert isinstance(outcome, Abandoned)
    assert [error.node for error in outcome.errors] == ["c", "a", "b"]


def test_a_saga_that_succeeded_without_its_output_is_log_corrupt() -> None:
    """The engine lets no saga succeed whose output will not resolve."""
    dag = replace(named()["line of 1"], output=OutputOf(0, ("x",)))
    log = (Created("me"), StartRequested(), Started(0, 1), Succeeded(0, b"1"))
    state = replay(dag, NULL, [*log, Finished(FinalState.SUCCEEDED)])
    with pytest.raises(LogCorrupt, match="the output of a saga that succeeded"):
        outcome_of(state)


def test_an_undo_that_finished_is_no_error() -> None:
    """Whatever failed before it."""
    state = fold(
        *BEGUN, Succeeded(A, b"1"), Failed(C, CARD, Effect.NONE), Failed(B, CARD, Effect.NONE),
        UndoStarted(A, 1), UndoFinished(A, How.UNDONE), Finished(FinalState.UNWOUND),
    )  # fmt: skip
    outcome = outcome_of(state)
    assert isinstance(outcome, Unwound)
    assert [error.node for error in outcome.errors] == ["c", "b"]
