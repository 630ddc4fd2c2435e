import pytest

from sagacity.core.events import EventKind
from sagacity.core.transitions import TRANSITIONS, NodeStatus

NODE_EVENTS = (
    "started", "heartbeat", "attempt_failed", "succeeded", "failed",
    "undo_started", "undo_attempt_failed", "undo_finished", "undo_failed",
)  # fmt: skip

# A row for each status, a column for each event of a node; "-" is illegal.
MATRIX = """
               started  heartbeat     attempt_failed  succeeded  failed          undo_started  undo_attempt_failed  undo_finished  undo_failed
never_started  started  -             -               -          -               -             -                    -              -
started        started  started       started         succeeded  failed|unknown  undo_started  -                    undone         -
succeeded      -        -             -               -          -               undo_started  -                    undone         -
failed         -        -             -               -          -               -             -                    -              -
unknown        -        -             -               -          -               undo_started  -                    undone         -
undo_started   -        undo_started  -               -          -               undo_started  undo_started         undone         undo_failed
undone         -        -             -               -          -               -             -                    -              -
undo_failed    -        -             -               -          -               -             -                    -              -
"""

LINES = [line.split() for line in MATRIX.strip().splitlines()]
CELLS = [
    (row[0], event, cell)
    for row in LINES[1:]
    for event, cell in zip(LINES[0], row[1:], strict=True)
]


@pytest.mark.parametrize(("status", "event", "cell"), CELLS)
def test_the_node_table_is_this_matrix(status: str, event: str, cell: str) -> None:
    """Which event may follow which status, and what it leads to."""
    wanted = () if cell == "-" else tuple(NodeStatus(each) for each in cell.split("|"))
    assert TRANSITIONS.get((NodeStatus(status), EventKind(event)), ()) == wanted


def test_the_matrix_is_whole() -> None:
    """Every status has its row, every event of a node its column, and nothing else is in the table."""
    assert [row[0] for row in LINES[1:]] == [status.value for status in NodeStatus]
    assert tuple(LINES[0]) == NODE_EVENTS
    assert {kind.value for _, kind in TRANSITIONS} <= set(NODE_EVENTS)


def test_the_table_cannot_be_changed() -> None:
    """It is shared by all that folds a log."""
    with pytest.raises(TypeError):
        TRANSITIONS[NodeStatus.FAILED, EventKind.STARTED] = ()  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
