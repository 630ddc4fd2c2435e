"""Commands in processes of their own: stopped, killed, side by side."""

import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cli.processes import Gate, Process

Sagacity = Callable[..., Any]
Document = Callable[..., Any]

ID = "0190a3de-0000-7000-8000-000000000001"
OTHER = "0190a3de-0000-7000-8000-000000000002"
ME = ["--params", '{"who": "me"}']


def resume_words(text: str) -> list[str]:
    """Return the command that was printed for going on, as arguments."""
    (line,) = [each for each in text.splitlines() if " run " in each and "--id" in each]
    words = shlex.split(line)
    assert words[:3] == ["python", "-m", "sagacity"]
    return words[3:]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_how_to_go_on_and_that_works(
    here: Path, gate: Gate, document: Document, number: signal.Signals
) -> None:
    """What was in flight ends and counts; what had not begun is done later, once."""
    with Process("run", "trips:book_trip", *ME, cwd=here, gate=gate.name) as run:
        gate.let("do charge")
        gate.wait_for("do hotel", "do car")
        run.signal(number)
        run.wait_for_line("Stopping")
        gate.let("do hotel", "do car")
        exit_code, stdout, stderr = run.end()
    assert (exit_code, stdout) == (130, "")
    assert "Interrupted. The saga stands still; go on with:" in stderr

    with Process(*resume_words(stderr), cwd=here) as again:
        exit_code, stdout, _ = again.end()

    assert exit_code == 0
    assert orjson.loads(stdout) == {"who": "me", "hotel": "Ritz", "car": "Fiat"}
    (saga,) = document("list")["sagas"]
    attempts = {node["path"]: node["attempt"] for node in document("show", saga["id"])["nodes"]}
    assert set(attempts.values()) == {1}


def test_a_second_signal_stops_at_once(here: Path, gate: Gate, document: Document) -> None:
    """As a crash would: the attempt runs again when the saga goes on."""
    with Process("run", "trips:one_step", *ME, "--id", ID, cwd=here, gate=gate.name) as run:
        gate.wait_for("do charge")
        run.signal(signal.SIGINT)
        run.wait_for_line("Stopping")
        run.signal(signal.SIGINT)
        exit_code, _, stderr = run.end()
    assert exit_code == 130
    assert "Stopped at once" in stderr

    with Process(*resume_words(stderr), cwd=here) as again:
        assert again.end()[0] == 0

    (node,) = document("show", ID)["nodes"]
    assert node["attempt"] == 2


def test_an_interrupted_run_is_one_document(here: Path, gate: Gate) -> None:
    """With what to type to go on."""
    with Process(
        "run", "trips:book_trip", *ME, "--id", ID, "--json", cwd=here, gate=gate.name
    ) as run:
        gate.wait_for("do charge")
        run.signal(signal.SIGINT)
        run.wait_for_line("Stopping")
        gate.let("do charge")
        exit_code, stdout, _ = run.end()

    followed = orjson.loads(stdout)
    assert exit_code == 130
    assert followed["interrupted"] is True
    assert followed["command"].endswith(f"--id {ID}")
    assert followed["saga"]["nodes"][0]["status"] == "succeeded"


def test_a_saga_that_nobody_drives_is_seen_to_stand_still(
    here: Path, gate: Gate, sagacity: Sagacity, document: Document
) -> None:
    """Its log says running, as its coordinator left it; who looks is told, and what to type."""
    with Process("run", "trips:one_step", *ME, "--id", ID, cwd=here, gate=gate.name) as run:
        gate.wait_for("do charge")
        assert document("show", ID)["coordinator"] is True
        assert document("list")["coordinator"] is True
        for words in (["list"], ["show", ID]):
            assert "no coordinator" not in sagacity(*words).output
        run.signal(signal.SIGKILL)
        run.end()
    gate.forget()

    listed = sagacity("list")
    shown = sagacity("show", ID)

    go_on = f"run MODULE:one_step --store sqlite:///sagacity.db --id {ID}\n"
    assert "no coordinator drives this store" in listed.stderr
    assert listed.stderr.endswith("sagacity worker MODULE --store sqlite:///sagacity.db\n")
    assert "no coordinator drives it; go on with" in shown.stdout
    assert shown.stdout.endswith(go_on)
    assert "Running now" not in shown.stdout
    assert document("list")["coordinator"] is False
    saga = document("show", ID)
    assert (saga["state"], saga["coordinator"]) == ("running", False)
    assert [node["running"] for node in saga["nodes"]] == [False]
    with Process("watch", ID, cwd=here) as watch:
        watch.wait_for_line("no coordinator drives it")
        command = shlex.split(watch.wait_for_line(" run "))
        assert command[:3] == ["python", "-m", "sagacity"]
        command[4] = command[4].replace("MODULE", "trips")
        with Process(*command[3:], cwd=here) as again:
            assert again.end()[0] == 0
        assert watch.end()[0] == 0
    assert "no coordinator" not in sagacity("list").stderr
    assert "no coordinator" not in sagacity("show", ID).stdout


def test_an_interrupted_watch_tells_of_the_coordinator(here: Path, gate: Gate) -> None:
    """In its document too."""
    with Process("run", "trips:one_step", *ME, "--id", ID, cwd=here, gate=gate.name) as run:
        gate.wait_for("do charge")
        run.signal(signal.SIGKILL)
        run.end()
    gate.forget()

    with Process("watch", ID, "--json", cwd=here) as watch:
        watch.wait_for_line("charge started")
        watch.signal(signal.SIGINT)
        exit_code, stdout, _ = watch.end()

    saga = orjson.loads(stdout)["saga"]
    assert exit_code == 130
    assert (saga["coordinator"], saga["nodes"][0]["running"]) == (False, False)


def test_a_killed_run_goes_on_with_its_id(here: Path, gate: Gate, document: Document) -> None:
    """`kill -9` in the middle of an action: it runs again, and the saga ends once."""
    with Process("run", "trips:book_trip", *ME, "--id", ID, cwd=here, gate=gate.name) as run:
        gate.let("do charge")
        gate.let("do hotel")
        gate.wait_for("do car")
        run.wait_for_line("booking/hotel succeeded")
        run.signal(signal.SIGKILL)
        run.end()
    gate.forget()
    assert document("show", ID)["state"] == "running"

    with Process("run", "trips:book_trip", "--id", ID, cwd=here) as again:
        exit_code, _, stderr = again.end()

    assert exit_code == 0, stderr
    nodes = {node["path"]: node["attempt"] for node in document("show", ID)["nodes"]}
    assert (nodes["booking/hotel"], nodes["booking/car"]) == (1, 2)


def test_alone_a_run_leaves_other_sagas_alone(here: Path, gate: Gate, document: Document) -> None:
    """Its process is there for its own saga: what was left unfinished by others stays so."""
    with Process("run", "trips:one_step", *ME, "--id", OTHER, cwd=here, gate=gate.name) as run:
        gate.wait_for("do charge")
        run.signal(signal.SIGKILL)
        run.end()
    gate.forget()
    before = document("log", OTHER)

    with Process("run", "trips:one_step", *ME, "--id", ID, cwd=here) as run:
        assert run.end()[0] == 0

    assert document("log", OTHER) == before


def test_with_a_worker_the_saga_is_handed_to_it(here: Path, document: Document) -> None:
    """The run watches: faults, progress, result and exit code are as if it had run it."""
    with Process("worker", "trips", cwd=here) as worker:
        worker.wait_for_line("driving sqlite:///sagacity.db", worker.stdout)
        with Process("run", "trips:one_step", *ME, "--id", ID, cwd=here) as run:
            exit_code, stdout, stderr = run.end()
        with Process(
            "run", "trips:book_trip", *ME, "--inject-error", "summarize", cwd=here
        ) as failing:
            failed = failing.end()
        worker.signal(signal.SIGTERM)
        assert worker.end()[0] == 0

    assert (exit_code, stdout) == (0, "100\n")
    assert "the saga is handed to it" in stderr
    assert "charge succeeded: 100" in stderr
    assert failed[0] == 3
    assert document("show", ID)["nodes"][0]["attempt"] == 1


def test_a_worker_logs_as_lines_of_json(here: Path) -> None:
    """With `--log-format json`: each with its saga, and what is of a node with that."""
    with Process("worker", "trips", "--log-format", "json", cwd=here) as worker:
        first = orjson.loads(worker.wait_for_line("driving sqlite:///sagacity.db"))
        with Process("run", "trips:one_step", *ME, "--id", ID, cwd=here) as run:
            assert run.end()[0] == 0
        worker.signal(signal.SIGTERM)
        exit_code, stdout, stderr = worker.end()

    assert (exit_code, stdout) == (0, "")
    assert (first["logger"], first["level"]) == ("sagacity.worker", "info")
    lines = [orjson.loads(line) for line in stderr.splitlines()]
    lines = [line for line in lines if "event" in line]
    assert [(line["event"], line.get("node"), line.get("attempt")) for line in lines] == [
        ("adopted", None, None),
        ("before_attempt", "charge", 1),
        ("after_attempt", "charge", 1),
        ("finished", None, None),
    ]
    assert {(line["saga_id"], line["level"]) for line in lines} == {(ID, "info")}


def test_a_worker_lets_attempts_end_and_leaves_the_rest(
    here: Path, gate: Gate, document: Document
) -> None:
    """SIGTERM: what is in flight counts, nothing more begins, and the exit code is 0."""
    with Process("worker", "trips", "--json", cwd=here, gate=gate.name) as worker:
        worker.wait_for_line("driving")
        with Process("run", "trips:book_trip", *ME, "--id", ID, cwd=here) as run:
            gate.wait_for("do charge")
            worker.signal(signal.SIGTERM)
            worker.wait_for_line("stopping")
            gate.let("do charge")
            exit_code, stdout, _ = worker.end()
            assert exit_code == 0
            assert orjson.loads(stdout) == {
                "finished": {}, "undo_failures": 0, "cut_short": [], "restarts": 0,
            }  # fmt: skip
            # The run that handed the saga over becomes the coordinator itself: it goes on.
            assert run.end()[0] == 0

    nodes = {node["path"]: node["attempt"] for node in document("show", ID)["nodes"]}
    assert nodes["charge"] == 1


def test_two_runs_side_by_side_both_end(here: Path, gate: Gate, document: Document) -> None:
    """The second one waits for the first, which is there for its own saga only."""
    with Process("run", "trips:one_step", *ME, "--id", ID, cwd=here, gate=gate.name) as first:
        gate.wait_for("do charge")
        with Process("run", "trips:one_step", *ME, "--id", OTHER, cwd=here) as second:
            second.wait_for_line("the saga is handed to it")
            second.wait_for_line("created")
            gate.let("do charge")
            assert first.end()[0] == 0
            exit_code, stdout, stderr = second.end()

    assert (exit_code, stdout) == (0, "100\n"), stderr
    assert {each["state"] for each in document("list")["sagas"]} == {"succeeded"}


def test_a_second_worker_stands_by(here: Path) -> None:
    """With `--wait`, which it is told of: it says for whom it waits, and drives when that ends."""
    with Process("worker", "trips", cwd=here) as first:
        first.wait_for_line("driving", first.stdout)
        with Process("worker", "trips", cwd=here) as refused:
            exit_code, _, stderr = refused.end()
            assert exit_code == 1
            assert "drives this store; with --wait a worker stands by" in stderr
        with Process("worker", "trips", "--wait", cwd=here) as second:
            second.wait_for_line("waiting", second.stdout)
            first.signal(signal.SIGTERM)
            assert first.end()[0] == 0
            second.wait_for_line("driving", second.stdout)
            second.signal(signal.SIGINT)
            assert second.end()[0] == 0


def test_a_waiting_worker_can_be_stopped(here: Path) -> None:
    """It has nothing to lose."""
    with Process("worker", "trips", cwd=here) as first:
        first.wait_for_line("driving", first.stdout)
        with Process("worker", "trips", "--wait", cwd=here) as second:
            second.wait_for_line("waiting", second.stdout)
            second.signal(signal.SIGTERM)
            assert second.end()[0] == 0


def test_a_worker_without_the_code_parks_the_saga(here: Path, document: Document) -> None:
    """The run says what it waits for; a worker with the code goes on with it."""
    (here / "other.py").write_text("from sagacity import saga\n")
    with Process("worker", "other", cwd=here) as worker:
        worker.wait_for_line("driving", worker.stdout)
        with Process("run", "trips:one_step", *ME, "--id", ID, cwd=here) as run:
            run.wait_for_line("waits for code")
            assert document("show", ID)["state"] == "waiting for code"
            worker.signal(signal.SIGTERM)
            worker.end()
            assert run.end()[0] == 0


def test_a_run_that_waits_for_code_says_what_to_do(here: Path) -> None:
    """While it waits, also without progress; when it is stopped, it does not say that it goes on."""
    (here / "other.py").write_text("from sagacity import saga\n")
    with Process("worker", "other", cwd=here) as worker:
        worker.wait_for_line("driving", worker.stdout)
        with Process("run", "trips:one_step", *ME, "--id", ID, "-q", cwd=here) as run:
            run.wait_for_line("start the worker with the module of this saga too")
            run.signal(signal.SIGINT)
            exit_code, _, stderr = run.end()
    assert exit_code == 130
    assert "The saga waits for a coordinator that has its code" in stderr

    with Process(*resume_words(stderr), cwd=here) as again:
        assert again.end()[0] == 0


def test_a_stopped_run_of_a_saga_that_nobody_took_says_so(here: Path, gate: Gate) -> None:
    """The coordinator there is for its own saga only: this one does not go on in it."""
    with Process("run", "trips:one_step", *ME, "--id", ID, cwd=here, gate=gate.name) as first:
        gate.wait_for("do charge")
        with Process("run", "trips:one_step", *ME, "--id", OTHER, cwd=here) as second:
            second.wait_for_line("created")
            second.signal(signal.SIGINT)
            exit_code, _, stderr = second.end()
        gate.let("do charge")
        assert first.end()[0] == 0
    assert exit_code == 130
    assert "The saga stands still: no coordinator has taken it; go on with:" in stderr
    with Process(*resume_words(stderr), cwd=here) as again:
        assert again.end()[0] == 0


def test_watch_follows_another_process(here: Path, gate: Gate) -> None:
    """Event by event, and ends with it; stopping the watch harms nobody."""
    with Process("run", "trips:one_step", *ME, "--id", ID, cwd=here, gate=gate.name) as run:
        gate.wait_for("do charge")
        with Process("watch", ID, cwd=here) as stopped:
            stopped.wait_for_line("charge started")
            stopped.signal(signal.SIGINT)
            assert stopped.end()[0] == 130
        with Process("watch", ID, cwd=here) as watch:
            watch.wait_for_line("charge started")
            gate.let("do charge")
            assert watch.end()[:2] == (0, "100\n")
        assert run.end()[0] == 0


def test_what_child_processes_print_is_not_the_document(here: Path) -> None:
    """Standard output is kept for the result, down to the file descriptor."""
    (here / "noisy.py").write_text(
        "import subprocess, sys\n"
        "from sagacity import Context, action, saga\n"
        "print('imported')\n"
        "@action(read_only=True)\n"
        "async def shout(ctx: Context) -> int:\n"
        "    subprocess.run([sys.executable, '-c', 'print(\"child\")'], check=True)\n"
        "    return 1\n"
        "@saga\n"
        "def noise() -> int:\n"
        "    return shout.node()\n"
    )

    with Process("run", "noisy:noise", "--json", "-q", cwd=here) as run:
        exit_code, stdout, stderr = run.end()

    assert exit_code == 0
    assert orjson.loads(stdout)["saga"]["state"] == "succeeded"
    assert "imported\n" in stderr
    assert "child\n" in stderr


def piped(here: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell, where `sagacity` is the command; the exit code is its own."""
    sagacity = f"{shlex.quote(sys.executable)} -m sagacity"
    line = f'sagacity() {{ {sagacity} "$@"; }}\n{command}\nexit ${{PIPESTATUS[0]}}'
    return subprocess.run(
        ["bash", "-c", line], cwd=here, capture_output=True, text=True, check=False
    )


def test_a_reader_that_has_seen_enough_is_no_error(here: Path, sagacity: Sagacity) -> None:
    """`sagacity log ID | head -1`."""
    sagacity("run", "trips:book_trip", *ME, "--id", ID, "-q")

    done = piped(here, f"sagacity log {ID} | head -n 1")

    assert done.returncode == 0
    assert done.stderr == f"saga {ID}: book_trip\n"


@pytest.mark.parametrize("words", ["list", "list --json", "run trips:built -q --json"])
def test_output_that_has_no_room_is_one_clear_error(
    here: Path, sagacity: Sagacity, words: str
) -> None:
    """Also where the error would be a document, which then has no room either."""
    sagacity("run", "trips:built", "-q")

    done = piped(here, f"sagacity {words} > /dev/full")

    assert (done.returncode, done.stderr) == (1, "Error: No space left on device\n")


@pytest.mark.parametrize(
    "reader",
    [("", "| true"), ("--json", "| true"), ("", "2>&1 | true"), ("", ">&-"), ("", ">&- 2>&-")],
)
@pytest.mark.parametrize(("fails", "ending"), [("", (0, "succeeded")), ("do car", (3, "unwound"))])
def test_a_run_that_nobody_reads_ends_as_any_other(
    here: Path, document: Document, reader: tuple[str, str], fails: str, ending: tuple[int, str]
) -> None:
    """The saga ends as it would, and the exit code tells how; nothing is said of the pipe."""
    json, where = reader
    params = f'{{"who": "me", "fails": "{fails}"}}'

    done = piped(here, f"sagacity run trips:book_trip --params '{params}' {json} {where}")

    (saga,) = document("list")["sagas"]
    assert (done.returncode, saga["state"]) == ending, done.stderr
    assert "Error" not in done.stderr


def test_a_worker_that_nobody_reads_goes_on(here: Path, document: Document) -> None:
    """Its lines are for people; sagas are not to suffer when nobody looks any more."""
    with Process("worker", "trips", cwd=here) as worker:
        worker.wait_for_line("driving", worker.stdout)
        worker.stdout.close()
        with Process("run", "trips:one_step", *ME, "--id", ID, cwd=here) as run:
            exit_code, _, stderr = run.end()
        worker.signal(signal.SIGTERM)
        assert worker.end()[0] == 0

    assert exit_code == 0
    assert "the saga is handed to it" in stderr
    assert "/" in document("show", ID)["owner"]


@pytest.mark.parametrize(
    ("words", "needless"),
    [
        (["--help"], ["pydantic.main", "rich", "sagacity.cli.running", "sagacity.cli.demo_saga"]),
        (["list"], ["pydantic.main", "sagacity.steno", "sagacity.cli.running"]),
        (["list", "--json"], ["pydantic.main", "rich", "sagacity.steno"]),
        (["log", ID], ["pydantic.main", "rich", "sagacity.steno"]),
    ],
)
def test_a_command_does_not_wait_for_what_others_need(
    here: Path, sagacity: Sagacity, words: list[str], needless: list[str]
) -> None:
    """Who only looks at a store declares no types, and help is a table."""
    sagacity("run", "trips:one_step", *ME, "--id", ID, "-q")
    program = (
        "import atexit, sys\n"
        "from sagacity.cli.app import main\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "main()\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=here, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert not set(needless) & set(done.stderr.split())
