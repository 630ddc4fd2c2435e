"""What a command needs of a module, and what of its mistakes it minds."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from sagacity.cli.loading import code_of, load_module
from sagacity.engine.registering import registered
from tests.cli.conftest import Sagacity
from tests.cli.processes import Process
from tests.cli.test_commands import Document

Written: TypeAlias = Callable[[str, str], None]

TWO_OF_A_NAME = """
from typing import Any
from sagacity import Context, action, saga

@action(read_only=True)
async def look(ctx: Context[Any]) -> int: return 1

@action(read_only=True, name="twice")
async def one(ctx: Context[Any]) -> int: return 2

@action(read_only=True, name="twice")
async def other(ctx: Context[Any]) -> int: return 3

@action(transaction=True, no_undo="harmless")
async def book(ctx: Context[Any]) -> int: return 4

@saga
def sound() -> int: return look.node()

@saga
def with_one() -> int: return one.node()

@saga
def with_other() -> int: return other.node()

@saga(dynamic=True)
def with_both() -> list[int]: return [one.node(), other.node()]

@saga
def booking() -> int: return book.node()
"""


@pytest.fixture
def written(here: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """Return what writes a module that no test has imported before."""

    def write(name: str, text: str) -> None:
        (here / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)

    return write


@pytest.fixture
def mixed(written: Written) -> None:
    """Write a module with sagas that are sound, and some that are not."""
    written("mixed", TWO_OF_A_NAME)


@pytest.mark.usefixtures("mixed")
@pytest.mark.parametrize(
    ("saga", "output"), [("sound", "1\n"), ("with_one", "2\n"), ("with_other", "3\n")]
)
def test_a_saga_runs_whatever_is_wrong_with_others(
    sagacity: Sagacity, saga: str, output: str
) -> None:
    """It has its own actions; what is left out of its module is told."""
    result = sagacity("run", f"mixed:{saga}", "-q")

    assert (result.exit_code, result.stdout) == (0, output)
    assert 'left out of module mixed: two actions are called "twice"' in result.stderr


@pytest.mark.usefixtures("mixed")
def test_a_saga_with_a_mistake_does_not_run(sagacity: Sagacity) -> None:
    """Its own mistakes stop it, before anything is stored."""
    result = sagacity("run", "mixed:with_both", "-q")

    assert result.exit_code == 1
    assert 'two actions are called "twice"' in result.stderr


def test_a_dag_does_not_run_with_one_of_two_actions(sagacity: Sagacity, written: Written) -> None:
    """Which of them it means, nobody knows."""
    written(
        "doubtful",
        "from sagacity import ActionFunc, DagBuilder, Node\n"
        "one = ActionFunc('twice', lambda ctx: 1)\n"
        "other = ActionFunc('twice', lambda ctx: 2)\n"
        "builder = DagBuilder('doubtful')\n"
        "builder.append(Node.action('a', 'a', one))\n"
        "built = builder.build()\n",
    )

    result = sagacity("run", "doubtful:built", "-q")

    assert result.exit_code == 1
    assert 'two actions are called "twice"' in result.stderr


@pytest.mark.usefixtures("mixed")
def test_only_who_needs_a_transaction_misses_it(sagacity: Sagacity) -> None:
    """A store that has none runs the other sagas, and says so of this one."""
    assert sagacity("run", "mixed:sound", "-q").exit_code == 0

    result = sagacity("run", "mixed:booking", "-q")

    assert result.exit_code == 1
    assert 'saga "booking": action "book" says transaction=True' in result.stderr


def test_a_coordinator_is_told_the_limits_of_sagas(here: Path, written: Written) -> None:
    """It is given the sagas of a module, not their actions alone."""
    written(
        "narrow",
        "from sagacity import Context, action, saga\n"
        "@action(read_only=True)\n"
        "async def look(ctx: Context[None]) -> int: return 1\n"
        "@saga(limit=3)\n"
        "def one_of_three() -> int: return look.node()\n",
    )
    sys.path.insert(0, str(here))

    _, by_name = registered(code_of([load_module("narrow")]).runnables)

    limit = by_name["one_of_three"].limit
    assert limit is not None
    assert limit.at_once == 3


def test_a_worker_names_the_saga_that_needs_a_transaction(here: Path, written: Written) -> None:
    """It would have to run all of them, so it does not start."""
    written(
        "books",
        TWO_OF_A_NAME.replace('name="twice"', "").replace("[one.node(), other.node()]", "[]"),
    )

    with Process("worker", "books", cwd=here) as worker:
        exit_code, _, stderr = worker.end()

    assert exit_code == 1
    assert 'saga "booking": action "book" says transaction=True' in stderr


@pytest.mark.parametrize(
    "text",
    [
        "",
        (
            "from sagacity import Context, action\n"
            "@action(read_only=True)\n"
            "async def look(ctx: Context[None]) -> int: return 1\n"
            "def forgotten() -> int: return look.node()\n"
        ),
    ],
)
def test_a_module_without_sagas_is_a_mistake(
    sagacity: Sagacity, document: Document, written: Written, text: str
) -> None:
    """A forgotten @saga fails; also where another module has sagas."""
    written("bare", text)

    alone = sagacity("check", "bare")
    beside = document("check", "trips", "bare", exit_code=1)

    assert (alone.exit_code, alone.stdout.splitlines()[-1]) == (1, "0 sagas, 1 mistake")
    assert "module bare has no saga: is @saga forgotten?" in alone.stdout
    assert not beside["ok"]
    assert len(beside["mistakes"]) == 1


def test_a_module_of_actions_for_dags_needs_no_saga(sagacity: Sagacity, written: Written) -> None:
    """Those may be built while a program runs."""
    written("bare", "from sagacity import ActionFunc\nlook = ActionFunc('look', lambda ctx: 1)\n")

    assert sagacity("check", "bare").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "/nowhere/ro/mine.py"], "module: mine, in its directory (cd /nowhere/ro)"),
        (["run", "../mine.py:trip"], "module: mine, in its directory (cd ..)"),
        (["check", "my-code/mine.py"], "module: mine, in its directory (cd my-code)"),
        (
            ["check", "./mine/trips.py"],
            "'./mine/trips.py' is a file; give the name of the module: mine.trips",
        ),
        (["check", "mine/"], "'mine/' is a directory; give the name of the module: mine"),
        (["worker", "trips:book_trip"], "only the module is given here, with all its sagas: trips"),
        (
            ["worker", "trips.py:book_trip"],
            "'trips.py' is a file; give the name of the module: trips",
        ),
        (["check", ""], "a module has a name"),
        (["run", "trips:greeting", "--deps", ":"], "--deps ':' is not MODULE:NAME"),
        (["run", "trips:greeting", "--deps", "trips"], "--deps 'trips' is not MODULE:NAME"),
    ],
)
def test_what_is_no_name_of_a_module_is_answered_with_one(
    sagacity: Sagacity, words: list[str], message: str
) -> None:
    """One that works where it says."""
    result = sagacity(*words)

    assert result.exit_code == 1
    assert message in result.stderr


def test_a_file_of_the_working_directory_has_a_name_here(sagacity: Sagacity, here: Path) -> None:
    """Whether its whole path is given or not."""
    result = sagacity("check", str(here / "trips.py"))

    assert result.stderr.endswith("give the name of the module: trips\n")


def test_check_writes_a_path_in_one_way(sagacity: Sagacity, written: Written) -> None:
    """In the table as below it: as the options that name a node take it."""
    written(
        "slashed",
        "from sagacity import Context, action, saga\n"
        "@action(read_only=True)\n"
        "async def look(ctx: Context[None]) -> int: return 1\n"
        "@saga\n"
        "def trip() -> int: return look.options(node='a b/c').node()\n",
    )

    told = sagacity("check", "slashed").stdout

    assert told.count("a b~1c") == 2
    assert "a b/c" not in told
