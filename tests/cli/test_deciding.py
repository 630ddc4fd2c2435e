"""What people decide, from the command line, with and without a coordinator."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.processes import Gate, Process

Sagacity = Callable[..., Any]
Document = Callable[..., Any]

ID = "0190a3de-0000-7000-8000-000000000001"
STUCK = '{"who": "me", "fails": "undo hotel"}'
ME = ("--params", '{"who": "me"}')
BY = ("--by", "ann", "--reason", "ticket 7")


@pytest.fixture
def stuck(sagacity: Sagacity) -> str:
    """Return the id of a saga whose undo of the hotel has failed."""
    words = ("run", "trips:book_trip", "--params", STUCK, "--id", ID)
    assert sagacity(*words, "--inject-error", "booking/car").exit_code == 4
    return ID


def test_a_stuck_saga_says_what_a_person_may_do(sagacity: Sagacity, stuck: str) -> None:
    """As commands to copy."""
    shown = sagacity("show", stuck).stdout
    assert "it is stuck until a person decides:" in shown
    for words in (f"retry {ID} booking/hotel", f"skip {ID} booking/hotel", f"abandon {ID}"):
        assert f"sagacity {words} --store sqlite:///sagacity.db" in " ".join(shown.split())


def test_why_answers_the_seven_questions_on_one_screen(sagacity: Sagacity, stuck: str) -> None:
    """With headings, and with all that a person needs to type."""
    told = sagacity("why", stuck[:13]).stdout
    lines = told.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "What it is",
        "Is it moving?",
        "Why not?",
        "Who has it?",
        "What has it done that is not undone?",
        "What may you do, and what would it do?",
        "What did others do?",
    ]
    assert len(lines) < 40
    for text in (
        "book_trip, version 1: stuck, unwinding",
        f"saga {ID}",
        "no; the last event was",
        "undo of booking/hotel: stuck, attempt 1",
        "booking/hotel cannot be undone: its undo has failed for good",
        "last error, of the undo of booking/hotel: hotel does not answer",
        "epoch 1: not alive",
        "charge  100",
        'booking/hotel  (perhaps)  "Ritz"',
        "retry booking/hotel: runs its undo again now, with a fresh budget",
        f"as: sagacity VERB {ID} NODE --store sqlite:///sagacity.db --reason TEXT",
        "What did others do?\n  nothing\n",
    ):
        assert text in told
    assert sagacity("retry", stuck, *BY).exit_code == 0
    after = sagacity("why", stuck).stdout
    assert "book_trip, version 1: running, unwinding, orphaned" in after
    assert "retry, by ann: ticket 7" in after
    assert "to let it go on: sagacity worker MODULE --store sqlite:///sagacity.db" in after


def test_lists_and_pages_say_what_is_wrong_in_the_same_words(
    sagacity: Sagacity, stuck: str
) -> None:
    """Stuck, then orphaned: nobody is there to go on with it."""
    assert "stuck, unwinding" in sagacity("list", "--stuck").stdout
    assert sagacity("list", "--orphaned").stdout == ""
    assert "why not booking/hotel cannot be undone" in sagacity("show", stuck).stdout
    assert sagacity("retry", stuck).exit_code == 0
    assert "running, unwinding, orphaned" in sagacity("list", "--orphaned", "--hung").stdout
    assert sagacity("list", "--stuck").stdout == ""
    assert "is gone, and no coordinator is alive" in sagacity("show", stuck).stdout


def test_a_node_is_skipped_and_the_saga_goes_on(
    sagacity: Sagacity, document: Document, stuck: str
) -> None:
    """The next run of it takes back the rest."""
    decided = document("skip", stuck, "booking/hotel", *BY)
    assert (decided["changed"], decided["state"]) == (True, "running")
    assert "no coordinator drives it" in sagacity("show", stuck).stdout
    assert sagacity("run", "trips:book_trip", "--params", STUCK, "--id", ID, "-q").exit_code == 3
    shown = document("show", stuck)
    assert {node["status"] for node in shown["nodes"]} <= {"undone", "failed", "never_started"}
    assert "decided: skip, by ann: ticket 7" in sagacity("log", stuck).stdout


def test_a_saga_is_abandoned(sagacity: Sagacity, document: Document, stuck: str) -> None:
    """Its end has who and why."""
    result = sagacity("abandon", stuck[:13], *BY)
    assert result.stdout == f"saga {ID} is abandoned; it is abandoned\n"
    assert document("show", stuck)["outcome"] == {
        "kind": "abandoned", "output": None, "reason": "ticket 7", "by": "ann"
    }  # fmt: skip
    again = sagacity("abandon", stuck)
    assert (again.exit_code, again.stdout) == (0, f"saga {ID}: nothing to do; it is abandoned\n")
    refused = sagacity("retry", stuck)
    assert refused.exit_code == 1
    assert "it has ended: abandoned" in refused.stderr


def test_the_same_request_is_carried_out_once(document: Document, stuck: str) -> None:
    """Whoever lost the answer asks again."""
    request = ("--request-id", "00000000-0000-0000-0000-000000000007")
    assert document("skip", stuck, "booking/hotel", *request)["changed"] is True
    assert document("skip", stuck, "booking/hotel", *request)["changed"] is False


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("skip", ID, "nowhere"), "nowhere"),
        (("skip", ID, "charge"), 'node "charge" neither stuck nor has an undo'),
        (("set-output", ID, "charge", "--output", "{"), "--output: not JSON"),
        (("set-output", ID, "charge", "--output", "1"), 'node "charge" has no unknown outcome'),
        (("abort", ID, "--reason", "x" * 3_000), "reason has 3,000 characters"),
    ],
)
def test_what_cannot_be_is_refused(
    sagacity: Sagacity, document: Document, stuck: str, words: tuple[str, ...], text: str
) -> None:
    """One line says why, and nothing is written."""
    before = document("log", stuck)["events"]
    result = sagacity(*words)
    assert result.exit_code == 1
    assert text in result.stderr
    assert document("log", stuck)["events"] == before


def test_a_running_saga_is_paused_and_aborted_from_another_process(
    here: Path, gate: Gate, sagacity: Sagacity, document: Document
) -> None:
    """Through the coordinator that drives it."""
    with Process("run", "trips:book_trip", *ME, "--id", ID, cwd=here, gate=gate.name) as run:
        gate.let("do charge")
        gate.wait_for("do hotel", "do car")
        assert document("pause", ID, *BY)["state"] == "paused"
        assert sagacity("abort", ID).exit_code == 0
        assert document("unpause", ID)["changed"] is True
        gate.let("do hotel", "do car")
        gate.let("undo hotel", "undo car")
        gate.let("undo charge")
        assert run.end()[0] == 3
    verbs = [event["data"]["verb"] for event in document("log", ID)["events"]
             if event["kind"] == "decided"]  # fmt: skip
    assert verbs == ["pause", "abort", "unpause"]


def test_a_decision_that_nobody_carries_on_says_so(
    here: Path, gate: Gate, sagacity: Sagacity
) -> None:
    """Without a coordinator the decision is in the log, and nothing runs; how to go on is told."""
    with Process("run", "trips:book_trip", *ME, "--id", ID, cwd=here, gate=gate.name) as run:
        gate.wait_for("do charge")
        run.signal(signal.SIGKILL)
        run.end()

    told = sagacity("abort", ID, *BY)

    assert "is being taken back" in told.stdout
    assert "no coordinator drives it; go on with" in told.stderr
    assert f"sagacity run MODULE:book_trip --store sqlite:///sagacity.db --id {ID}" in told.stderr


def test_a_paused_saga_says_how_it_goes_on(here: Path, gate: Gate, sagacity: Sagacity) -> None:
    """After its coordinator has gone, too."""
    with Process("run", "trips:book_trip", *ME, "--id", ID, cwd=here, gate=gate.name) as run:
        gate.wait_for("do charge")
        assert sagacity("pause", ID).exit_code == 0
        run.signal(signal.SIGKILL)
        run.end()
    assert f"it is paused; go on with: sagacity unpause {ID}" in " ".join(
        sagacity("show", ID).stdout.split()
    )


def test_a_dry_run_tells_what_would_run_and_changes_nothing(
    sagacity: Sagacity, document: Document, stuck: str
) -> None:
    """In order, with the data; and what nobody would take back."""
    before = document("log", stuck)["events"]
    lines = sagacity("retry", stuck, "--dry-run").stdout.splitlines()
    assert [line.split()[:3] for line in lines if line.startswith("    ")] == [
        ["1", "undo", "booking/hotel,"], ["2", "undo", "charge"]
    ]  # fmt: skip
    assert lines[-1] == "Then it is unwound."
    abandon = document("abandon", stuck, "--dry-run")
    assert (abandon["answer"], abandon["state"], abandon["calls"]) == ("allowed", "abandoned", [])
    assert [each["node"] for each in abandon["left"]] == ["charge", "booking/hotel"]
    assert sagacity("abort", stuck, "--dry-run").stdout.endswith("no-op: it unwinds already\n")
    assert document("log", stuck)["events"] == before


def test_sagas_of_a_name_are_held_and_let_go(
    here: Path, gate: Gate, sagacity: Sagacity, document: Document
) -> None:
    """What runs elsewhere stands still within a moment, and says what it stands still for."""
    with Process("run", "trips:book_trip", *ME, "--id", ID, cwd=here, gate=gate.name) as run:
        gate.wait_for("do charge")
        hold = document("pause", "--name", "book_trip", *BY)
        assert (hold["name"], hold["by"], hold["reason"]) == ("book_trip", "ann", "ticket 7")
        while document("show", ID)["state"] != "paused":
            pass
        assert f"unpause --hold {hold['id']}" in " ".join(sagacity("show", ID).stdout.split())
        assert document("holds")["holds"] == [hold]
        assert f'{hold["id"]}  all sagas "book_trip"  by ann' in sagacity("holds").stdout
        counted = document("pause", "--all", "--dry-run")
        assert counted == {"verb": "pause", "count": 1, "states": {"paused": 1}}
        dry = sagacity("unpause", "--name", "book_trip", "--dry-run").stdout
        assert "would be lifted" in dry
        assert document("unpause", "--hold", hold["id"])["holds"] == [hold]
        gate.let("do charge")
        gate.let("do hotel", "do car")
        assert run.end()[0] == 0
    assert document("holds")["holds"] == []
    assert "no such hold" in sagacity("unpause", "--name", "book_trip").stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("pause",), "which saga?"),
        (("pause", ID, "--all"), "not both"),
        (("pause", "--all", "--name", "x"), "--all is on every saga"),
        (("pause", "--label", "x"), "is not key=value"),
        (("unpause", "--all", "--hold", ID), "--hold names one hold"),
    ],
)
def test_what_does_not_say_which_sagas_is_refused(
    sagacity: Sagacity, stuck: str, words: tuple[str, ...], text: str
) -> None:
    """One line says what to give."""
    result = sagacity(*words)
    assert result.exit_code == 1
    assert text in result.stderr


def test_a_saga_is_stepped_through_from_breakpoint_to_breakpoint(
    sagacity: Sagacity, document: Document, stuck: str
) -> None:
    """Each command says what it did; what makes no sense is refused with the reason."""
    done = sagacity("set-breakpoint", stuck, "--at", "failure", *BY)
    assert done.stdout == f"saga {ID} pauses when it comes there; it is stuck\n"
    assert "decided: set breakpoint, by ann: ticket 7" in sagacity("log", stuck).stdout
    cleared = document("clear-breakpoint", stuck)
    assert (cleared["verb"], cleared["changed"]) == ("clear_breakpoint", True)
    refused = sagacity("set-breakpoint", stuck)
    assert (refused.exit_code, "needs a node" in refused.stderr) == (1, True)
    refused = sagacity("step", stuck)
    assert (refused.exit_code, "nothing waits to begin" in refused.stderr) == (1, True)


def test_many_are_decided_about_at_once(sagacity: Sagacity, document: Document, stuck: str) -> None:
    """With counts and an id; counted and planned first, if one likes."""
    counted = document("skip", "--stuck", "booking/hotel", "--dry-run")
    assert counted == {"verb": "skip", "count": 1, "states": {"stuck": 1}}
    dry = sagacity("skip", "--stuck", "booking/hotel", "--dry-run").stdout
    assert dry.startswith("skip would be asked of 1 saga: 1 stuck\n")
    assert "1  undo  charge" in dry
    refused = document("retry", "--name", "book_trip", "nowhere", *BY)
    assert (refused["refused"], refused["by"], refused["finished"]) == (1, "ann", True)
    done = document("skip", "--stuck", "--name", "book_trip", "booking/hotel", "--yes")
    assert (done["done"], done["node"], done["states"]) == (1, "booking/hotel", ["stuck"])
    assert document("bulk", done["id"]) == done
    assert document("bulk", done["id"][:30]) == done
    assert document("bulk")["bulks"] == [refused, done]
    assert f"{done['id']}  skip booking/hotel  1 done" in sagacity("bulk").stdout
    assert document("show", stuck)["state"] == "running"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("abort",), "which saga?"),
        (("skip", ID), "which node?"),
        (("abort", ID, "--stuck"), "not both"),
        (("retry", ID, "charge", "--all"), "not both"),
        (("bulk", ID), "no bulk begins with"),
    ],
)
def test_what_does_not_say_which_of_many_is_refused(
    sagacity: Sagacity, stuck: str, words: tuple[str, ...], text: str
) -> None:
    """One line says what to give."""
    result = sagacity(*words)
    assert result.exit_code == 1
    assert text in result.stderr


LETTERS = """
from sagacity import ActionFailed, Context, action, saga

@action(read_only=True)
async def count(ctx: Context) -> int:
    raise ActionFailed("nobody counts", final=True)

@saga(forward_only=True)
def letters() -> int:
    return count.node()
"""


def test_an_output_that_nobody_could_check_is_said_to_be_unchecked(
    here: Path, sagacity: Sagacity
) -> None:
    """Only a coordinator with the code knows the type."""
    (here / "letters.py").write_text(LETTERS)
    assert sagacity("run", "letters:letters", "--id", ID).exit_code == 4
    done = sagacity("set-output", ID, "count", "--output", '"seven"', *BY)
    assert done.exit_code == 0
    assert "its type was not checked: no coordinator with the code is alive" in done.stderr
