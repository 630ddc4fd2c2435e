"""The provisioning example: whatever fails, and wherever it is killed, all or nothing is left."""

import asyncio
import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.provision.checker import check
from examples.provision.mischief import Mischief, Strike, Watch
from examples.provision.model import Configuration, Request
from examples.provision.probe import ask
from examples.provision.running import NODES, TEARDOWN_NODES, Place, runner
from sagacity import Succeeded, Unwound

ROOT = Path(__file__).resolve().parents[2]
REQUEST = Request("web", volume_mib=1)

# At how many points each node can be struck: before each of its changes, and before it returns.
# Nodes without an action have one: when their end is durable.
DO_POINTS = {
    "instance_id": 3,
    "server_alloc_params": 1,
    "instance_ip": 2,
    "volume_id": 3,
    "server_id": 2,
    "server_reserve": 2,
    "server_alloc": 1,
    "instance_configure": 3,
    "volume_attach": 4,
    "instance_boot": 3,
    "print": 1,
}
UNDO_POINTS = {
    "instance_id": 3,
    "instance_ip": 2,
    "volume_id": 2,
    "server_id": 2,
    "server_reserve": 2,
    "server_alloc": 1,
    "instance_configure": 2,
    "volume_attach": 3,
    "instance_boot": 4,
}
TEARDOWN_POINTS = {
    "instance_stop": 4,
    "volume_delete": 4,
    "server_release": 3,
    "ip_release": 2,
    "instance_delete": 4,
}


def points(of: dict[str, int]) -> list[tuple[str, int]]:
    return [(node, number) for node, count in of.items() for number in range(1, count + 1)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A state directory, and no process of it after the test."""
    place = Place(tmp_path / "state")
    yield place
    instances = place.machine.instances
    for directory in instances.iterdir() if instances.exists() else ():
        place.machine.process(directory.name).end()


def command(place: Place, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the example in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "examples.provision", name, f"--dir={place.directory}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def killed(place: Place, name: str, *arguments: str) -> None:
    """Run a command that must kill itself."""
    done = command(place, name, *arguments)
    assert done.returncode == -9, done.stdout + done.stderr


def quiet(text: str) -> None:
    """Say nothing."""


async def finish(place: Place) -> list[str]:
    """Go on with what a killed run left, and return how its sagas ended."""
    async with runner(place, say=quiet) as sagas:
        return [view.state for view in await sagas.finish_unfinished()]


def the_instance(place: Place) -> Configuration:
    """Return the one instance on the machine, which must be whole and alone."""
    report = check(place.machine)
    assert report.leftovers == []
    (made_of,) = report.serving
    return made_of


def assert_nothing_is_left(place: Place) -> None:
    report = check(place.machine)
    assert report.leftovers == []
    assert report.serving == []


# -- it works ---------------------------------------------------------------------------


async def test_the_instance_answers_at_its_address(place: Place) -> None:
    """What was provisioned is a service that outlives the saga and serves from its volume."""
    async with runner(place, say=quiet) as sagas:
        view = await sagas.provision(REQUEST)

    assert isinstance(view.outcome, Succeeded)
    made_of = the_instance(place)
    assert view.outcome.output["url"] == made_of.address.url
    answer = ask(made_of.address.host, made_of.address.port)
    assert answer is not None
    assert answer["instance_id"] == made_of.instance.id
    assert answer["says"] == f"Hello from volume {made_of.volume.id}."


async def test_tearing_down_leaves_nothing(place: Place) -> None:
    """A second saga takes back all that the first one made."""
    async with runner(place, say=quiet) as sagas:
        await sagas.provision(REQUEST)
        view = await sagas.tear_down(the_instance(place))

    assert view.state == "succeeded"
    assert_nothing_is_left(place)


def test_the_demo_ends_well(place: Place) -> None:
    """The first command of the README works, and leaves nothing behind."""
    done = command(place, "demo")

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"instance_id": "i-' in done.stdout
    assert "nothing: no process, no file, no reservation" in done.stdout
    assert_nothing_is_left(place)


def test_the_demo_draws_its_tree_on_a_terminal(place: Place) -> None:
    """On a terminal the saga is a tree, drawn while it goes, and the cursor comes back."""
    ours, theirs = pty.openpty()
    arguments = [sys.executable, "-m", "examples.provision", "demo", f"--dir={place.directory}"]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=theirs, stderr=theirs) as demo:
        os.close(theirs)
        printed = "".join(read_all(ours))
    os.close(ours)

    assert demo.returncode == 0, printed
    assert "server_reserve" in printed
    assert printed.rfind("\x1b[?25h") > printed.rfind("\x1b[?25l") > 0


def read_all(terminal: int) -> Iterator[str]:
    """Yield what is printed on a terminal until nobody has it open."""
    # Linux says EIO then, macOS gives nothing.
    with contextlib.suppress(OSError):
        while data := os.read(terminal, 65_536):
            yield data.decode(errors="replace")


# -- it fails ---------------------------------------------------------------------------


def test_the_tables_of_points_name_every_node() -> None:
    """No node is left out of the tests below."""
    assert DO_POINTS.keys() == NODES.keys()
    assert UNDO_POINTS.keys() | {"server_alloc_params", "print"} == NODES.keys()
    assert TEARDOWN_POINTS.keys() == TEARDOWN_NODES.keys()


class Counting(Mischief):
    """Strikes nowhere, and keeps how often it could have."""

    def __init__(self, strikes: tuple[Strike, ...] = ()) -> None:
        super().__init__(strikes, quiet)
        self.watches: dict[tuple[str, bool], Watch] = {}

    def at(self, node: str, *, undo: bool, attempt: int) -> Watch:
        watch = super().at(node, undo=undo, attempt=attempt)
        self.watches[node, undo] = watch
        return watch

    def points(self, *, undo: bool) -> dict[str, int]:
        return {
            node: watch.changes + 1
            for (node, of_undo), watch in self.watches.items()
            if of_undo is undo
        }


async def test_the_tables_of_points_are_complete(place: Place) -> None:
    """Every change that a do or an undo makes is one at which it is struck below."""
    provisioning, failing, tearing = Counting(), Counting((Strike("print"),)), Counting()
    async with runner(place, mischief=failing, say=quiet) as sagas:
        await sagas.provision(REQUEST)
    async with runner(place, mischief=provisioning, say=quiet) as sagas:
        await sagas.provision(REQUEST)
    async with runner(place, mischief=tearing, say=quiet) as sagas:
        await sagas.tear_down(the_instance(place))

    without_action = {"server_alloc": 1}
    assert provisioning.points(undo=False) | without_action == DO_POINTS
    assert failing.points(undo=True) | without_action == UNDO_POINTS
    assert tearing.points(undo=False) == TEARDOWN_POINTS


@pytest.mark.parametrize(("node", "number"), points(DO_POINTS))
async def test_a_node_that_fails_half_done_leaves_nothing(
    place: Place, node: str, number: int
) -> None:
    """The saga unwinds, the failed node's own undo included: what it did is not known."""
    mischief = Mischief([Strike(node, number)], quiet)
    async with runner(place, mischief=mischief, say=quiet) as sagas:
        view = await sagas.provision(REQUEST)

    assert isinstance(view.outcome, Unwound)
    assert view.outcome.errors[0].node.split("/")[-1] == node
    assert_nothing_is_left(place)


async def test_a_request_that_nobody_can_meet_leaves_nothing(place: Place) -> None:
    """A real failure, no sabotage: no server has that much room."""
    async with runner(place, say=quiet) as sagas:
        view = await sagas.provision(Request("huge", volume_mib=65))

    assert view.state == "unwound"
    assert view.errors[0].message == "no free server with room for 65 MiB"
    assert_nothing_is_left(place)


# -- it is killed -------------------------------------------------------------------------


@pytest.mark.parametrize(("node", "number"), points(DO_POINTS))
async def test_a_run_that_is_killed_goes_on(place: Place, node: str, number: int) -> None:
    """Killed with -9 before any change of any node: the next run makes the instance answer."""
    killed(place, "run", "--volume-mib", "1", "--kill-at", f"{node}:{number}")

    assert await finish(place) == ["succeeded"]

    the_instance(place)


@pytest.mark.parametrize(("node", "number"), points(UNDO_POINTS))
async def test_unwinding_that_is_killed_goes_on(place: Place, node: str, number: int) -> None:
    """Killed with -9 before any change of any undo: the next run takes back the rest."""
    strikes = ("--fail", "print", "--kill-at", f"undo:{node}:{number}")
    killed(place, "run", "--volume-mib", "1", *strikes)

    assert await finish(place) == ["unwound"]

    assert_nothing_is_left(place)


@pytest.mark.parametrize(("node", "number"), points(TEARDOWN_POINTS))
async def test_tearing_down_that_is_killed_goes_on(place: Place, node: str, number: int) -> None:
    """Killed with -9 before any change of the teardown: the next run takes down the rest."""
    async with runner(place, say=quiet) as sagas:
        await sagas.provision(REQUEST)
    killed(place, "down", "--kill-at", f"{node}:{number}")

    assert await finish(place) == ["succeeded"]

    assert_nothing_is_left(place)


def test_the_same_command_again_goes_on_and_ends(place: Place) -> None:
    """After each kill the same command line, unchanged, goes on; with `check` as the judge."""
    kills = ("--kill-at", "instance_boot", "--kill-at", "undo:volume_id")
    line = ("--volume-mib", "1", *kills, "--fail", "print")
    killed(place, "run", *line)
    killed(place, "run", *line)

    done = command(place, "run", *line)

    assert done.returncode == 3, done.stdout + done.stderr
    assert command(place, "check").returncode == 0
    assert_nothing_is_left(place)


def test_a_command_with_an_id_makes_one_instance_however_often(place: Place) -> None:
    """Also when it was killed after the end of its saga, or ended well."""
    line = ("--volume-mib", "1", "--id", "0b1e5fd0-0000-4000-8000-000000000001")
    killed(place, "run", *line, "--kill-at", "print")

    again = [command(place, "run", *line) for _ in range(2)]

    assert [done.returncode for done in again] == [0, 0], again
    the_instance(place)


def test_check_sees_what_a_killed_run_left(place: Place) -> None:
    """The checker is no rubber stamp: before the next run there is half an instance."""
    killed(place, "run", "--volume-mib", "1", "--kill-at", "volume_attach")

    done = command(place, "check")

    assert done.returncode == 1
    for trace in ("LEFT OVER: instance i-", "file volumes/vol-", "address 127.0.0.1:", "server-1"):
        assert trace in done.stdout


# -- there are others -----------------------------------------------------------------------


async def test_sagas_compete_for_what_there_is(place: Place) -> None:
    """Of five at once on a machine for four, each gets its own and answers, or leaves nothing."""
    async with runner(place, say=quiet) as sagas:
        views = await asyncio.gather(
            *[sagas.provision(Request(f"web-{index}", volume_mib=1)) for index in range(5)]
        )

    states = [view.state for view in views]
    answering = states.count("succeeded")
    # Of the four with an address and the four with a server, three at least are the same.
    assert answering in (3, 4)
    assert states.count("unwound") == 5 - answering
    report = check(place.machine)
    assert report.leftovers == []
    assert len({made_of.address.port for made_of in report.serving}) == answering
    assert len({made_of.server.id for made_of in report.serving}) == answering


async def test_two_programs_wait_for_each_other(place: Place) -> None:
    """The second run on a state directory waits until the first one is done with it."""
    runs = await asyncio.gather(
        *[asyncio.to_thread(command, place, "run", "--volume-mib", "1") for _ in range(2)]
    )

    assert [run.returncode for run in runs] == [0, 0], runs
    report = check(place.machine)
    assert report.leftovers == []
    assert len(report.serving) == 2
