from uuid import UUID

import pytest

from sagacity.core.agenda import Direction
from sagacity.core.codec import LoggedEvent
from sagacity.core.dag import Dag
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
from sagacity.core.folding import fold_log
from sagacity.core.nodes import Node, NodeKind
from sagacity.core.outcome import NodeError, Unwound
from sagacity.core.transitions import NodeStatus
from sagacity.core.viewing import event_view, nodes_of, view_of
from sagacity.core.views import NodeView, SagaView
from sagacity.errors import LogCorrupt, NoSuchNode
from tests.recovery.shapes import named

ID = UUID("049b2522-308d-442e-bc65-9bfaef863597")
DIAMOND = named()["diamond"]
A, B, C, D = (DIAMOND.find(name) for name in "abcd")
CARD = ErrorRecord(ErrorKind.ACTION_FAILED, "no money", "Card", b'{"left":3}', "")
BARE = ErrorRecord(ErrorKind.EXCEPTION, "boom", "ValueError", None, "Traceback ...")

LOG: tuple[Event, ...] = (
    Created("me"), StartRequested(), Started(A, 1), Succeeded(A, b'{"n":1}'), Started(B, 1),
    Started(C, 1), Adopted("you"), Started(B, 2), Started(C, 2), Succeeded(C, b"3"),
    Failed(B, CARD, Effect.NONE), Unwinding("b failed"), UndoStarted(C, 1),
    UndoFinished(C, How.UNDONE), UndoStarted(A, 1), UndoFinished(A, How.UNDONE),
    Finished(FinalState.UNWOUND),
)  # fmt: skip


def logged(*events: Event) -> list[LoggedEvent]:
    """Return a log whose events are a second apart."""
    owner, epoch, told = "", 0, list[LoggedEvent]()
    for sequence, event in enumerate(events, start=1):
        if isinstance(event, Created | Adopted):
            owner, epoch = event.owner, epoch + 1
        told.append(LoggedEvent(sequence, sequence * 1000, epoch, owner, event))
    return told


def view(*events: Event, dag: Dag = DIAMOND) -> SagaView:
    return view_of(
        saga_id=ID, name=dag.name, state_name="running", labels={"k": "v"}, fingerprint="ff",
        owner="you", epoch=2, created_ms=1000, updated_ms=9000, dag=dag, params=b'{"p":1}',
        log=logged(*events),
    )  # fmt: skip


def test_a_view_is_the_saga_whole() -> None:
    """What the store says of it, what its log adds up to, and both as plain values."""
    shown = view(*LOG)
    assert (shown.id, shown.name, shown.version, shown.state) == (ID, "diamond", "1", "running")
    assert (shown.direction, shown.params, shown.labels) == (
        Direction.UNWINDING,
        {"p": 1},
        {"k": "v"},
    )
    assert (shown.owner, shown.epoch, shown.fingerprint) == ("you", 2, "ff")
    assert (shown.created_ms, shown.updated_ms) == (1000, 9000)
    assert [node.path for node in shown.nodes] == ["a", "b", "c", "d"]
    assert [event.sequence for event in shown.events] == list(range(1, len(LOG) + 1))
    assert isinstance(shown.outcome, Unwound)
    assert shown.errors == shown.outcome.errors
    assert [each.event for each in shown.log] == list(LOG)


def test_a_node_shows_its_attempts_output_and_times() -> None:
    """Since when its first attempt ran, and when it ended for good."""
    assert view(*LOG).node("c") == NodeView(
        path="c", name="c", label="c", kind=NodeKind.ACTION, status=NodeStatus.UNDONE, attempt=2,
        undo_attempt=1, output=3, error=None, undo_error=None, running=False, depends_on=("a",),
        started_ms=6000, ended_ms=10_000, undo_started_ms=13_000, undo_ended_ms=14_000,
    )  # fmt: skip


def test_a_node_shows_its_error() -> None:
    """With the data that the action attached."""
    node = view(*LOG).node("b")
    assert node.status is NodeStatus.FAILED
    assert node.error == NodeError(
        "b", ErrorKind.ACTION_FAILED, "no money", {"left": 3}, Effect.NONE, "Card"
    )
    assert (node.undo_error, node.undo_started_ms) == (None, None)


def test_a_node_that_never_started_shows_nothing_of_all_that() -> None:
    """No attempts, no times."""
    node = view(*LOG).node("d")
    assert (node.status, node.attempt, node.output) == (NodeStatus.NEVER_STARTED, 0, None)
    assert (node.started_ms, node.ended_ms) == (None, None)
    assert node.depends_on == ("b", "c")


def test_running_is_what_its_owner_has_in_flight() -> None:
    """What was interrupted runs no more, until it is begun again."""
    assert [node.path for node in view(*LOG[:6]).nodes if node.running] == ["b", "c"]
    assert [node.path for node in view(*LOG[:7]).nodes if node.running] == []
    assert [node.path for node in view(*LOG[:8]).nodes if node.running] == ["b"]


def test_an_undo_error_stands_beside_the_nodes_own() -> None:
    """It is of the same node, and another thing."""
    shown = view(*LOG[:13], UndoFailed(C, BARE))
    node = shown.node("c")
    assert node.error is None
    assert node.undo_error == NodeError(
        "c", ErrorKind.EXCEPTION, "boom", None, None, "ValueError", "Traceback ...", undo=True
    )
    assert [error.node for error in shown.errors] == ["b", "c"]


def test_parents_are_shown_through_markers() -> None:
    """Joins, starts and ends are structure: what a person sees depends on nodes."""
    staged = view(Created(""), dag=named()["stages with joins"])
    assert staged.node("a").depends_on == ()
    assert staged.node("c").depends_on == staged.node("d").depends_on == ("a", "b")
    assert staged.node("g").depends_on == ("e", "f")
    nested = view(Created(""), dag=named()["subsagas in subsagas"])
    assert nested.node("n/c").depends_on == ("a",)
    assert nested.node("n/deep/l").depends_on == ("n/deep/j", "n/deep/k")
    assert nested.node("n").depends_on == ("n/o",)


def test_a_parent_that_is_seen_twice_through_markers_is_shown_once() -> None:
    """Two joins behind one node."""
    a, b = (Node(NodeKind.ACTION, name, action="x", atomic=True) for name in "ab")
    joins = (Node(NodeKind.JOIN), Node(NodeKind.JOIN), Node(NodeKind.JOIN))
    dag = Dag("s", (a, *joins, b), ((0, 1), (1, 2), (1, 3), (2, 4), (3, 4)))
    assert view(Created(""), dag=dag).node("b").depends_on == ("a",)


def test_an_unknown_node_is_no_such_node() -> None:
    """As everywhere."""
    with pytest.raises(NoSuchNode):
        view(*LOG).node("x")


ERROR = {
    "kind": "action_failed", "message": "no money", "class": "Card", "traceback": CARD.traceback,
    "data": {"left": 3},
}  # fmt: skip


@pytest.mark.parametrize(
    ("event", "node", "attempt", "data"),
    [
        (Created("me"), None, None, "me"),
        (StartRequested(), None, None, None),
        (Adopted("you"), None, None, "you"),
        (Unwinding("b failed"), None, None, "b failed"),
        (Finished(FinalState.UNWOUND), None, None, "unwound"),
        (Started(A, 3), "a", 3, None),
        (Succeeded(A, b'{"n":[1]}'), "a", None, {"n": [1]}),
        (Failed(A, CARD, Effect.POSSIBLE), "a", None, {**ERROR, "effect": "possible"}),
        (UndoStarted(A, 2), "a", 2, None),
        (UndoFinished(A, How.NOTHING), "a", None, "nothing"),
        (UndoFailed(A, CARD), "a", None, ERROR),
        (UndoFailed(A, BARE), "a", None,
         {"kind": "exception", "message": "boom", "class": "ValueError", "data": None,
          "traceback": BARE.traceback}),
    ],
)  # fmt: skip
def test_an_event_is_shown_readable(
    event: Event, node: str | None, attempt: int | None, data: object
) -> None:
    """Its node by path, its data as plain values, and who wrote it when."""
    shown = event_view(DIAMOND, LoggedEvent(7, 5000, 3, "me", event))
    assert (shown.sequence, shown.time_ms, shown.epoch, shown.owner) == (7, 5000, 3, "me")
    assert (shown.kind, shown.node, shown.attempt, shown.data) == (event.kind, node, attempt, data)


def test_a_log_that_cannot_be_names_its_event() -> None:
    """By its sequence in the log."""
    with pytest.raises(LogCorrupt, match="event 2: created twice"):
        fold_log(DIAMOND, b"null", logged(Created("me"), Created("you")))


def test_nodes_can_be_had_of_a_state_alone() -> None:
    """Without a log they have no times."""
    state = fold_log(DIAMOND, b"null", logged(*LOG))
    assert {node.started_ms for node in nodes_of(state, [])} == {None}
