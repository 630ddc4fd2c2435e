"""Sagas as pictures: the whole text, so that a change of one character is seen."""

import time
from collections.abc import Iterator
from textwrap import dedent

import pytest

from sagacity.cli.look import Look
from sagacity.cli.page import saga_page, saga_picture
from sagacity.cli.tree import grown, thinned, tree_lines
from sagacity.core.builder import DagBuilder
from sagacity.core.builder import NodeFactory as Node
from sagacity.core.events import (
    Adopted,
    AttemptFailed,
    Effect,
    ErrorKind,
    ErrorRecord,
    FinalState,
)
from sagacity.core.views import SagaView
from tests.cli.stories import Story, server_dag


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def half_way() -> Story:
    """Tell of a server whose disk is being made."""
    story = Story(server_dag(), {"server": "moon"})
    story.run("size", 0, 4)
    story.run("quota", 310, {"cores": 4})
    story.begin("network/address", "disk")
    story.after(40).succeed("network/address", "10.0.0.7")
    story.begin("network/name")
    story.after(1_200)
    return story


def failed() -> Story:
    """Tell of a server whose disk could not be made."""
    story = half_way()
    story.succeed("network/name", "moon.example")
    story.run("network", 0, "moon.example")
    story.after(700).fail("disk", "no room\nleft")
    story.settle("network")
    return story


def picture(view: SagaView, look: Look) -> str:
    return "\n".join(line.plain for line in saga_page(view, look)) + "\n"


def test_a_running_saga() -> None:
    """What is running now, for how long, and what waits."""
    story = half_way()

    shown = picture(story.view(), Look(story.now_ms))

    assert shown == dedent("""\
        ▸ server running  1.6 s
          id      0190a3de-0000-7000-8000-000000000001
          created 2023-11-14 22:13:20 (1 s ago)
          changed 2023-11-14 22:13:21 (now)
          owner   host/1/abc, epoch 3
          labels  customer=42 tier=\\x1b[5mgold
          params  {"server":"moon"}

        ├─ ✓ size                4
        ├─ ✓ quota       310 ms  {"cores":4}
        ├─ ▸ network      1.2 s
        │  ├─ ✓ address   40 ms  Take an address · "10.0.0.7"
        │  └─ ▸ name      1.2 s  running
        ├─ ▸ disk         1.2 s  running
        └─ · boot

        Running now  network/name, disk
    """)


def test_a_saga_that_unwound() -> None:
    """What was undone and how long that took, and why."""
    story = failed()
    story.undo("network/name", 20)
    story.undo("network/address", 30)
    story.undo("quota", 100)
    story.settle("size")
    story.finish(FinalState.UNWOUND)

    shown = picture(story.view(), Look(story.now_ms))

    assert shown == dedent("""\
        ↺ server unwound  2.4 s
          id      0190a3de-0000-7000-8000-000000000001
          created 2023-11-14 22:13:20 (2 s ago)
          changed 2023-11-14 22:13:22 (now)
          owner   host/1/abc, epoch 3
          labels  customer=42 tier=\\x1b[5mgold
          params  {"server":"moon"}

        ├─ ↺ size                undone
        ├─ ↺ quota       310 ms  undone in 100 ms
        ├─ ↺ network      1.2 s  undone
        │  ├─ ↺ address   40 ms  undone in 30 ms · Take an address
        │  └─ ↺ name      1.2 s  undone in 20 ms
        ├─ ✗ disk         1.9 s  failed, no effect · no room\\nleft
        └─ · boot

        Errors
          1. disk: no room\\nleft
             action failed, NoRoom, effect none
             data {"free":0}
             (--verbose shows the traceback)
    """)


def test_a_stuck_saga_with_its_tracebacks() -> None:
    """Errors of undos are told apart; nothing else could be decided without them."""
    story = failed()
    story.undo("network/name", 20)
    story.undo("network/address", 30)
    story.begin_undo("quota")
    story.after(5).fail_undo("quota", "the service is gone")

    shown = picture(story.view(), Look(story.now_ms, verbose=True))

    assert shown.startswith("! server stuck unwinding  2.3 s\n")
    assert shown.endswith(
        dedent("""\
        ├─ ! quota       310 ms  undo failed · the service is gone
        ├─ ↺ network      1.2 s  undone
        │  ├─ ↺ address   40 ms  undone in 30 ms · Take an address
        │  └─ ↺ name      1.2 s  undone in 20 ms
        ├─ ✗ disk         1.9 s  failed, no effect · no room\\nleft
        └─ · boot

        Stuck (undo failed): a person must decide.

        Errors
          1. disk: no room\\nleft
             action failed, NoRoom, effect none
             data {"free":0}
             Traceback
               boom
          2. undo of quota: the service is gone
             action failed, UndoFailed
    """)
    )


def test_a_node_that_waits_for_a_retry_says_when_and_why() -> None:
    """It is neither running nor interrupted."""
    story = half_way()
    error = ErrorRecord(ErrorKind.ACTION_FAILED, "no room")
    disk = story.view().dag.find("disk")
    story.tell(AttemptFailed(disk, error, Effect.NONE, story.now_ms + 3_000))

    lines = [line.plain for line in tree_lines(story.view(), Look(story.now_ms))]

    assert "├─ ↻ disk                waits for a retry · again in 3.0 s · no room" in lines


def test_an_interrupted_attempt_is_not_shown_as_running() -> None:
    """Its coordinator is gone; a new one has the saga and has not begun again."""
    story = half_way()
    story.after(5).tell(Adopted("host/2/def"))

    lines = [line.plain for line in tree_lines(story.view(), Look(story.now_ms))]

    assert "├─ ◌ disk                interrupted" in lines


def test_an_undo_that_runs() -> None:
    """It has its own time; that of the action stays."""
    story = failed()
    story.begin_undo("network/name")
    story.after(250)

    lines = [line.plain for line in saga_picture(story.view(), Look(story.now_ms))]

    assert lines[0] == "▸ server running unwinding  2.5 s  0190a3de-0000-7000-8000-000000000001"
    assert "├─ ▸ network      1.2 s  undoing" in lines
    assert "│  └─ ▸ name      1.2 s  undoing 250 ms" in lines


def test_an_unknown_outcome_is_told_as_such() -> None:
    """It is not the same as a failure without effect."""
    builder = DagBuilder("one")
    builder.append(Node.action("a", "a", "work"))
    story = Story(builder.build())
    story.begin("a")
    story.after(10).fail("a", "lost", Effect.POSSIBLE)

    (line,) = tree_lines(story.view(), Look(story.now_ms))

    assert line.plain == "└─ ? a  10 ms  failed, effect unknown · lost"


def test_a_terminal_without_unicode_has_ascii() -> None:
    """Every sign has one of ASCII."""
    story = failed()
    story.begin_undo("network/name")
    story.after(250)

    shown = picture(story.view(), Look(story.now_ms, unicode=False, width=80))

    assert shown.isascii()
    assert "|  `- > name      1.2 s  undoing 250 ms\n" in shown


@pytest.mark.parametrize("width", [20, 40, 79, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """A broken line would break the tree."""
    story = failed()

    lines = saga_page(story.view(), Look(story.now_ms, width=width))

    assert max(line.cell_len for line in lines) <= width


def test_wide_characters_keep_the_columns() -> None:
    """A name of two-column characters takes its space."""
    builder = DagBuilder("東京")
    builder.append_parallel([Node.action("宿", "x", "work"), Node.action("ab", "x", "work")])
    builder.append(Node.action("end", "x", "work"))
    story = Story(builder.build())
    story.begin("宿", "ab")
    story.after(5)

    lines = [line.plain for line in tree_lines(story.view(), Look(story.now_ms))]

    assert lines[:2] == ["├─ ▸ 宿   5 ms  running · x", "├─ ▸ ab   5 ms  running · x"]


def wide(count: int) -> Story:
    """Tell of many nodes at once, the last of which are running."""
    builder = DagBuilder("wide")
    builder.append_parallel([Node.action(f"n{index}", "", "work") for index in range(count)])
    builder.append(Node.action("end", "", "work"))
    story = Story(builder.build())
    for index in range(count - 2):
        story.run(f"n{index}", 1)
    story.begin(f"n{count - 2}", f"n{count - 1}")
    return story


def test_where_there_is_no_room_for_all_what_runs_is_shown() -> None:
    """Of the rest the first ones, and how many more there are."""
    story = wide(1_000)

    lines = [line.plain for line in tree_lines(story.view(), Look(story.now_ms, rows=6))]

    assert [line.split()[:3] for line in lines[:5]] == [
        ["├─", "✓", "n0"],
        ["├─", "✓", "n1"],
        ["├─", "✓", "n2"],
        ["├─", "▸", "n998"],
        ["├─", "▸", "n999"],
    ]
    assert lines[5] == "└─ … 996 more: 995 succeeded, 1 never started"


def test_nothing_is_left_out_without_need() -> None:
    """A saga that fits is shown whole."""
    branches = grown(half_way().view().nodes)

    assert thinned(branches, 7, Look(0)) is branches
