"""Each command as a user calls it: what it prints where, and its exit code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from click.testing import Result

Sagacity = Callable[..., Result]
Document = Callable[..., Any]

ID = "0190a3de-0000-7000-8000-000000000001"
OTHER = "0190a3de-0000-7000-8000-000000000002"
ME = '{"who": "me", "nights": 2}'
NO_CAR = '{"who": "me", "fails": "do car"}'
STUCK = '{"who": "me", "fails": "undo hotel"}'


def test_a_saga_that_succeeds_prints_its_output(sagacity: Sagacity) -> None:
    """Standard output has the output alone; progress and prints of actions go elsewhere."""
    result = sagacity("run", "trips:book_trip", "--params", ME, "--id", ID)

    assert result.exit_code == 0
    assert orjson.loads(result.stdout) == {"who": "me", "hotel": "Ritz", "car": "Fiat"}
    assert "an action prints" in result.stderr
    assert "booking/hotel succeeded" in result.stderr


def test_a_saga_that_unwinds_exits_with_3(sagacity: Sagacity) -> None:
    """And tells its errors."""
    result = sagacity("run", "trips:book_trip", "--params", NO_CAR, "--quiet")

    assert result.exit_code == 3
    assert result.stdout == ""
    assert "booking/car: no car left" in result.stderr


def test_an_unexpected_exception_is_told_with_its_class(sagacity: Sagacity, here: Path) -> None:
    """A `KeyError` says nothing without it; what shows the rest is a command to copy, once."""
    (here / "faulty.py").write_text(
        "from sagacity import Context, action, saga\n"
        "@action(read_only=True)\n"
        "async def find(ctx: Context) -> int:\n"
        "    return {}['room']\n"
        "@saga\n"
        "def search() -> int:\n"
        "    return find.node()\n"
    )
    result = sagacity("run", "faulty:search", "--id", ID, "-q")

    assert "  find: KeyError: 'room'\n" in result.stderr
    assert result.stderr.count(f"sagacity show {ID} -v --store sqlite:///sagacity.db\n") == 1
    assert "sagacity show" not in sagacity("run", "faulty:search", "--store", "memory:").stderr


def test_a_stuck_saga_exits_with_4(sagacity: Sagacity) -> None:
    """A person must decide, so a script must notice."""
    result = sagacity(
        "run", "trips:book_trip", "--params", STUCK, "--inject-error", "summarize", "--quiet"
    )

    assert result.exit_code == 4
    assert "undo of booking/hotel: hotel does not answer" in result.stderr


def test_faults_are_injected_by_path(document: Document) -> None:
    """An error and an undo error, wherever they are."""
    followed = document(
        "run", "trips:book_trip", "--params", ME,
        "--inject-error", "booking/car", "--inject-undo-error", "charge", exit_code=4,
    )  # fmt: skip

    errors = [(each["node"], each["undo"]) for each in followed["saga"]["errors"]]
    assert errors == [("booking/car", False), ("charge", True)]


@pytest.mark.parametrize("option", ["--inject-error", "--inject-undo-error"])
def test_an_unknown_node_is_refused_before_anything_is_created(
    sagacity: Sagacity, document: Document, option: str
) -> None:
    """The nodes that there are, are listed; no saga is left behind that nobody will start."""
    result = sagacity(
        "run", "trips:one_step", "--params", ME, "--inject-error", "charge", option, "nope"
    )

    assert result.exit_code == 1
    assert 'has no node "nope"; its nodes are charge' in result.stderr
    assert document("list")["sagas"] == []


def test_labels_are_kept(document: Document) -> None:
    """They can be searched for."""
    document("run", "trips:one_step", "--params", ME, "--label", "customer=42", "--label", "x=a=b")
    document("run", "trips:one_step", "--params", ME)

    listed = document("list", "--label", "customer=42")

    assert [each["labels"] for each in listed["sagas"]] == [{"customer": "42", "x": "a=b"}]


def test_a_working_directory_that_was_removed_is_named(
    sagacity: Sagacity, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modules are looked for there; what is missing is told, not only that something is."""
    gone = here / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    result = sagacity("run", "trips:one_step", "--store", "memory:")

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: the working directory")
    assert "was removed" in result.stderr


@pytest.mark.parametrize("label", ["nolabel", "=x"])
def test_a_bad_label_is_refused(sagacity: Sagacity, label: str) -> None:
    """Before anything is created."""
    result = sagacity("run", "trips:one_step", "--params", ME, "--label", label)

    assert result.exit_code == 1
    assert "is not key=value" in result.stderr


def test_running_an_ended_saga_again_only_tells_its_end(sagacity: Sagacity) -> None:
    """`--id` makes a run safe to repeat."""
    first = sagacity("run", "trips:one_step", "--params", ME, "--id", ID)
    again = sagacity("run", "trips:one_step", "--id", ID)
    same = sagacity("run", "trips:one_step", "--params", ME, "--id", ID)

    assert (first.exit_code, again.exit_code, same.exit_code) == (0, 0, 0)
    assert first.stdout == again.stdout == same.stdout == "200\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trips:one_step", "--params", NO_CAR], "already exists: its params are others"),
        (["trips:book_trip"], 'is a "one_step", not a "book_trip"'),
    ],
)
def test_an_id_stands_for_one_saga(sagacity: Sagacity, words: list[str], message: str) -> None:
    """Another name or other params under the same id are refused."""
    sagacity("run", "trips:one_step", "--params", ME, "--id", ID)

    result = sagacity("run", *words, "--id", ID)

    assert result.exit_code == 1
    assert message in result.stderr


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere:saga", "there is no module 'nowhere'"),
        ("trips:nope", "has no saga 'nope'; it has book_trip, booking, built, greet, one_step"),
        ("trips", "is not MODULE:SAGA"),
        ("trips.py:one_step", "is a file; give the name of the module: trips"),
        ("broken:saga", "ZeroDivisionError: division by zero"),
        ("importing:saga", "cannot be imported: ModuleNotFoundError: No module named 'absent'"),
    ],
)
def test_a_bad_target_is_one_clear_error(
    sagacity: Sagacity, here: Path, target: str, message: str
) -> None:
    """It says what is wrong, where, and what there is instead; never a traceback."""
    (here / "broken.py").write_text("x = 1\ny = 1 / 0\n")
    (here / "importing.py").write_text("import absent\n")

    result = sagacity("run", target)

    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_the_place_of_a_mistake_in_a_module_is_told(sagacity: Sagacity, here: Path) -> None:
    """File and line."""
    (here / "broken.py").write_text("x = 1\ny = 1 / 0\n")

    result = sagacity("run", "broken:saga")

    assert f"{here / 'broken.py'}, line 2)" in result.stderr


def test_the_place_of_a_wrong_option_is_the_module_that_says_it(
    sagacity: Sagacity, here: Path
) -> None:
    """Not where it was found out, which is nobody's business."""
    (here / "broken.py").write_text("from sagacity import action\n\naction(retry=3)\n")

    result = sagacity("check", "broken")

    assert f"retry=3 must be a Retry(...) ({here / 'broken.py'}, line 3)" in result.stderr


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (["--params", "{who}"], "--params: not JSON"),
        (["--params", "@missing.json"], "--params: [Errno 2] No such file"),
        (["--params", '{"who": 3}'], "who: Input should be a valid string"),
        (["--params", '{"who": "x", "nights": "many"}'], "nights: Input should be a valid integer"),
        ([], "takes params: give --params JSON"),
    ],
)
def test_bad_params_are_one_clear_error(
    sagacity: Sagacity, here: Path, params: list[str], message: str
) -> None:
    """It names the field; no saga and no store come of it."""
    result = sagacity("run", "trips:one_step", *params)

    assert result.exit_code == 1
    assert message in result.stderr
    assert not (here / "sagacity.db").exists()


def test_params_come_from_a_file_or_from_standard_input(sagacity: Sagacity, here: Path) -> None:
    """`@FILE` and `-`."""
    (here / "params.json").write_text(ME)

    from_file = sagacity("run", "trips:one_step", "--params", "@params.json")
    from_input = sagacity("run", "trips:one_step", "--params", "-", text=ME)

    assert from_file.stdout == from_input.stdout == "200\n"


def test_deps_are_made_by_a_function(sagacity: Sagacity) -> None:
    """A saga is found by its durable name too."""
    result = sagacity("run", "trips:greeting", "--deps", "trips:make_deps", "-q")

    assert result.stdout == '"hello"\n'


def test_a_dag_of_a_builder_runs_with_the_actions_of_its_module(sagacity: Sagacity) -> None:
    """Stages of nodes, inputs by look-up."""
    result = sagacity("run", "trips:built", "-q")

    assert (result.exit_code, result.stdout) == (0, "3\n")


def test_a_saga_of_other_code_is_not_gone_on_with(
    sagacity: Sagacity, here: Path, ready: str
) -> None:
    """What is missing is named, and the saga is left as it was."""
    (here / "later.py").write_text(
        (here / "trips.py")
        .read_text()
        .replace("@action\nasync def charge", "@action(version='2')\nasync def charge")
    )
    before = sagacity("log", ready).stdout

    result = sagacity("run", "later:one_step", "--id", ready)

    assert result.exit_code == 1
    assert "the saga needs version 1" in result.stderr
    assert sagacity("log", ready).stdout == before


@pytest.mark.parametrize(
    "words", [["list"], ["show", "01"], ["log", "01"], ["watch", "01"], ["export", "--all"],
              ["gc", "--older-than", "1d"], ["graph", "01"], ["check", "trips", "--store"]],
    ids=lambda words: words[0],
)  # fmt: skip
def test_who_only_looks_makes_no_database(sagacity: Sagacity, here: Path, words: list[str]) -> None:
    """A mistyped path is an error, not a store without sagas."""
    words = (
        [*words, "sqlite:///nope.db"]
        if words[-1] == "--store"
        else [*words, "--store", "sqlite:///nope.db"]
    )

    result = sagacity(*words)

    assert result.exit_code == 1
    assert "there is no store at nope.db" in result.stderr
    assert not list(here.glob("*.db*"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nope.db", "for a file write sqlite:///nope.db"),
        ("mongodb://x", "no store of kind 'mongodb'"),
        ("memory://", "in the memory of one process"),
    ],
)
def test_a_bad_store_is_one_clear_error(sagacity: Sagacity, url: str, message: str) -> None:
    """It says what a URL looks like."""
    result = sagacity("list", "--store", url)

    assert result.exit_code == 1
    assert message in result.stderr


def test_the_store_comes_from_the_environment(
    sagacity: Sagacity, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SAGACITY_STORE, unless `--store` is given."""
    monkeypatch.setenv("SAGACITY_STORE", "sqlite:///other.db")

    sagacity("run", "trips:one_step", "--params", ME)

    assert (here / "other.db").exists()
    assert not (here / "sagacity.db").exists()


def test_lists_go_page_by_page(sagacity: Sagacity, document: Document) -> None:
    """`next` is where the following page begins; `--all` needs no pages."""
    for _ in range(3):
        sagacity("run", "trips:one_step", "--params", ME, "-q")

    first = document("list", "--limit", "2")
    second = document("list", "--limit", "2", "--after", first["next"])
    everything = document("list", "--all")

    assert len(first["sagas"]) == 2
    assert second["next"] is None
    assert everything["sagas"] == first["sagas"] + second["sagas"]


def test_lists_are_filtered(sagacity: Sagacity, document: Document) -> None:
    """By state, direction and name."""
    sagacity("run", "trips:one_step", "--params", ME, "-q")
    sagacity("run", "trips:book_trip", "--params", NO_CAR, "-q")

    def names(*words: str) -> list[str]:
        return [each["name"] for each in document("list", *words)["sagas"]]

    assert names("--state", "succeeded") == ["one_step"]
    assert names("--direction", "unwinding") == ["book_trip"]
    assert names("--name", "one_step") == ["one_step"]
    assert names("--state", "stuck") == []


def test_a_list_is_a_table(sagacity: Sagacity) -> None:
    """The id first, to be copied."""
    sagacity("run", "trips:one_step", "--params", ME, "--id", ID, "--label", "a=b", "-q")

    result = sagacity("list")

    assert result.stdout.split("  ") == [ID, "one_step", "✓ succeeded", "now", "a=b\n"]


def test_the_beginning_of_an_id_is_enough(sagacity: Sagacity) -> None:
    """If no other saga begins so; else it says which ones do."""
    sagacity("run", "trips:one_step", "--params", ME, "--id", ID, "-q")
    sagacity("run", "trips:one_step", "--params", ME, "--id", OTHER, "-q")

    assert sagacity("show", ID[:-1] + "2").exit_code == 0
    assert sagacity("show", ID.replace("-", "").upper()).exit_code == 0
    ambiguous = sagacity("show", "0190a3de-0000")
    assert ambiguous.exit_code == 1
    assert f"more than one saga begins with 0190a3de-0000: {ID}, {OTHER}" in ambiguous.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0190b", "no such saga: 0190b"),
        ("xyz", "is no id"),
        ("", "is no id"),
        (OTHER, "no such saga"),
    ],
)
def test_a_bad_id_is_one_clear_error(sagacity: Sagacity, text: str, message: str) -> None:
    """Whether it cannot be one or belongs to nobody."""
    sagacity("run", "trips:one_step", "--params", ME, "--id", ID, "-q")

    result = sagacity("show", text)

    assert result.exit_code == 1
    assert message in result.stderr


def test_the_first_and_the_last_id_there_can_be_are_found(sagacity: Sagacity) -> None:
    """There is nothing below the lowest to begin behind."""
    for number in (0, 2**128 - 1):
        sagacity("run", "trips:one_step", "--params", ME, "--id", str(UUID(int=number)), "-q")

    assert sagacity("show", "0").exit_code == 0
    assert sagacity("show", "f").exit_code == 0


def test_watch_tells_how_a_saga_ended(sagacity: Sagacity) -> None:
    """With the exit codes of `run`."""
    sagacity("run", "trips:book_trip", "--params", NO_CAR, "--id", ID, "-q")

    result = sagacity("watch", ID[:20])

    assert result.exit_code == 3
    assert "booking/car failed: no car left (effect none)" in result.stderr


def test_the_log_shows_every_event_in_order(sagacity: Sagacity, document: Document) -> None:
    """Sequences have no holes."""
    sagacity("run", "trips:book_trip", "--params", NO_CAR, "--id", ID, "-q")

    events = document("log", ID)["events"]
    lines = sagacity("log", ID).stdout.splitlines()

    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert len(lines) == len(events)
    assert events[-1]["kind"] == "finished"


def test_check_shows_every_saga_of_a_module(sagacity: Sagacity) -> None:
    """Nodes, what they wait for, and how they are undone."""
    result = sagacity("check", "trips")

    assert result.exit_code == 0
    assert "charge" in result.stdout
    assert "undo, also if the outcome is unknown" in result.stdout
    assert result.stdout.endswith("5 sagas, 0 mistakes\n")


def test_modules_may_have_the_same_names(document: Document, here: Path) -> None:
    """A saga is itself, not the variable that holds it; an imported one is counted once."""
    (here / "more.py").write_text(
        "from sagacity import saga\n"
        "from trips import charge, Trip, book_trip\n"
        "@saga(name='another')\n"
        "def one_step(trip: Trip) -> int:\n"
        "    return charge.node(trip)\n"
    )

    checked = document("check", "trips", "more")

    names = sorted(each["name"] for each in checked["sagas"])
    assert names == ["another", "book_trip", "booking", "built", "greeting", "one_step"]


MISTAKES = """
from sagacity import Context, action, saga

@action
async def pay(ctx: Context, amount: int) -> int: ...

@action(read_only=True)
async def look(ctx: Context, text: str) -> str: ...

@saga
def without_undo(amount: int) -> int:
    return pay.node(amount)

@saga
def twice(text: str) -> str:
    look.node(text)
    return look.node(3)

@saga
def sound(text: str) -> str:
    return look.node(text)
"""


def test_check_reports_all_mistakes_of_all_sagas(
    sagacity: Sagacity, document: Document, here: Path
) -> None:
    """One look, and everything is known; exit code 1."""
    (here / "mistaken.py").write_text(MISTAKES)

    result = sagacity("check", "mistaken")
    checked = document("check", "mistaken", exit_code=1)

    assert result.exit_code == 1
    assert not checked["ok"]
    mistakes = {each["name"]: len(each["mistakes"]) for each in checked["sagas"]}
    assert mistakes["without_undo"] == 1
    assert mistakes["twice"] >= 1
    assert mistakes["sound"] == 0
    for each in checked["sagas"]:
        for mistake in each["mistakes"]:
            assert mistake.splitlines()[0] in result.stdout


def test_check_tells_what_this_code_cannot_run(
    sagacity: Sagacity, document: Document, here: Path
) -> None:
    """Of the unfinished sagas in a store, with the reason."""
    (here / "other.py").write_text("from sagacity import action, saga\n")
    words = ["run", "trips:book_trip", "--params", STUCK, "--inject-error", "summarize"]
    sagacity(*words, "--id", ID, "-q")
    sagacity("run", "trips:one_step", "--params", ME, "-q")

    fits = document("check", "trips", "--store", "sqlite:///sagacity.db")
    other = document("check", "other", "--store", "sqlite:///sagacity.db", exit_code=1)

    assert fits["unfinished"] == []
    (unfinished,) = other["unfinished"]
    assert unfinished["id"] == ID
    assert 'no action "charge" is registered' in unfinished["missing"]


def test_gc_removes_whole_sagas_that_ended(sagacity: Sagacity, document: Document) -> None:
    """By age and state; a stuck one stays, however old."""
    words = ["run", "trips:book_trip", "--params", STUCK, "--inject-error", "summarize"]
    sagacity(*words, "--id", ID, "-q")
    sagacity("run", "trips:one_step", "--params", ME, "-q")
    sagacity("run", "trips:book_trip", "--params", NO_CAR, "-q")

    young = document("gc", "--older-than", "1h")
    dry = document("gc", "--older-than", "0s", "--dry-run")
    unwound = document("gc", "--older-than", "0s", "--state", "unwound")
    rest = sagacity("gc", "--older-than", "0s")

    assert young["count"] == 0
    assert dry == {"dry_run": True, "count": 2, "states": {"succeeded": 1, "unwound": 1}}
    assert unwound["states"] == {"unwound": 1}
    assert rest.stdout == "removed 1 saga: 1 succeeded\n"
    assert [each["id"] for each in document("list")["sagas"]] == [ID]


@pytest.mark.parametrize("age", ["", "30", "d", "3x", "-1d", "1.5h"])
def test_a_bad_age_is_refused(sagacity: Sagacity, age: str) -> None:
    """Rather than guessed at: it decides what is lost."""
    result = sagacity("gc", f"--older-than={age}")

    assert result.exit_code == 1
    assert "is not an age like 30d" in result.stderr


def test_wrong_usage_exits_with_1(sagacity: Sagacity) -> None:
    """2 would be one more number to know."""
    assert sagacity("list", "--state", "nonsense").exit_code == 1
    assert sagacity("nonsense").exit_code == 1
    assert sagacity().exit_code == 1
    assert sagacity("--help").exit_code == 0
    assert sagacity("--version").exit_code == 0


@pytest.mark.parametrize(
    "words", [["show", "01"], ["list", "--state", "nonsense"], ["run", "trips:nope"]]
)
def test_a_failure_is_one_document_too(document: Document, words: list[str]) -> None:
    """A script that reads JSON need not read anything else."""
    failure = document(*words, exit_code=1)

    assert set(failure) == {"error"}
    assert set(failure["error"]) == {"kind", "message"}


def test_the_demo_shows_a_success_and_an_unwinding(document: Document, here: Path) -> None:
    """And leaves nothing behind."""
    shown = document("demo", "--pace", "0")

    assert [each["state"] for each in shown["sagas"]] == ["succeeded", "unwound"]
    assert not list(here.glob("*.db*"))


def test_the_demo_can_be_kept(sagacity: Sagacity, document: Document) -> None:
    """To be looked at afterwards, with the command that it prints."""
    result = sagacity("demo", "--pace", "0", "--store", "sqlite:///demo.db")

    assert "sagacity list --store sqlite:///demo.db" in result.stderr
    assert len(document("list", "--store", "sqlite:///demo.db")["sagas"]) == 2


def test_control_characters_of_a_saga_are_shown_escaped(sagacity: Sagacity) -> None:
    """Whoever can start a saga must not command the terminal of whoever looks at it."""
    params = json.dumps({"who": "\u001b[2J\u202e", "fails": "do charge"})
    sagacity(
        "run", "trips:one_step", "--params", params, "--id", ID, "--label", "a=\u001b[5m", "-q"
    )

    shown = sagacity("show", ID).output + sagacity("list").output + sagacity("log", ID).output

    assert "\u001b" not in shown
    assert "\u202e" not in shown
    assert "a=\\x1b[5m" in shown


def test_the_demo_is_told_in_short_lines(sagacity: Sagacity) -> None:
    """A narrow terminal would break them in the middle of a word; a command to copy stands alone."""
    told = sagacity("demo", "--pace", "0", "--store", "sqlite:///demo.db").stderr.splitlines()

    prose = [line for line in told if not line[:2].isdigit() and not line.startswith("saga ")]
    assert "A server is provisioned: what does not depend on each other" in prose
    assert prose[-2] == "They are kept; see them with:"
    assert prose[-1].endswith("sagacity list --store sqlite:///demo.db")
    assert max(map(len, prose)) <= 60
