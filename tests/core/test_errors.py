from uuid import UUID

import pytest

from sagacity import errors
from sagacity.core.outcome import Unwound
from sagacity.errors import (
    ActionFailed,
    DagError,
    NoSuchNode,
    NoSuchSaga,
    SagacityError,
    SagaEnded,
    SagaExists,
    SagaStateError,
    SagaUnwound,
    UndoFailed,
    ValueNotStorable,
)

ID = UUID("049b2522-308d-442e-bc65-9bfaef863597")
EVERY = [
    each for each in vars(errors).values() if getattr(each, "__module__", "") == errors.__name__
]


@pytest.mark.parametrize("kind", [ActionFailed, UndoFailed])
def test_what_an_action_reports_has_a_message_and_data(kind: type[ActionFailed]) -> None:
    """Data is what the author attaches; without any it is None."""
    assert (kind("no money").message, kind("no money").data) == ("no money", None)
    assert (str(kind("no money", {"left": 3})), kind("", [1]).data) == ("no money", [1])


def test_errors_carry_their_facts() -> None:
    """As attributes; the text is for people."""
    assert str(NoSuchSaga(ID)) == f"no such saga: {ID}"
    assert NoSuchSaga(ID).saga_id == ID
    assert str(NoSuchNode("s", "x")) == 'saga "s" has no node "x"'
    assert str(NoSuchNode("s", "x", ["a", "b"])) == 'saga "s" has no node "x"; its nodes are a, b'
    assert str(SagaExists(ID, "it is another")) == f"saga {ID} already exists: it is another"
    state_error = SagaStateError(ID, "running", "start")
    assert str(state_error) == f"cannot start saga {ID}: it is running"
    assert (state_error.saga_id, state_error.state) == (ID, "running")
    ended = SagaUnwound(ID, Unwound(()), "it unwound")
    assert isinstance(ended, SagaEnded)
    assert (ended.saga_id, ended.outcome, str(ended)) == (ID, Unwound(()), "it unwound")
    assert str(ValueNotStorable("odd")) == "odd"
    assert str(ValueNotStorable("odd", "$.a")) == "odd (at $.a)"
    assert DagError("s", ["one"]).mistakes == ("one",)


def test_everything_raised_on_purpose_has_one_root() -> None:
    """Whoever catches the root catches all, and nothing else."""
    assert all(issubclass(each, SagacityError) for each in EVERY)


def test_every_error_is_in_the_drawing() -> None:
    """The docstring of the module draws the whole tree."""
    drawing = errors.__doc__ or ""
    assert [each.__name__ for each in EVERY if each.__name__ not in drawing] == []
    assert {each.__name__ for each in EVERY} == set(errors.__all__)
