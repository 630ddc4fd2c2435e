"""Workers of a fleet, each a process: supervised, drained, counted, and told of without secrets."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from click.testing import CliRunner

from sagacity import Sec, Succeeded
from sagacity.cli import supervising
from sagacity.cli.app import cli
from sagacity.cli.stores import shown_url
from sagacity.cli.supervising import Crew, Supervisor, pause_after
from tests.cli.conftest import TRIPS
from tests.cli.processes import Gate, Process
from tests.engine.world import World, dag_of, registry_of, spawn
from tests.fleet.fleet import Fleet

ME = ["--params", '{"who": "me"}']
ID = "0190a3de-0000-7000-8000-000000000001"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> Path:
    """Return a working directory whose commands use the database, by a URL with a password."""
    monkeypatch.delitem(sys.modules, "trips", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    shutil.copy(TRIPS, tmp_path / "trips.py")
    monkeypatch.chdir(tmp_path)
    with_password = postgres_url.replace("postgres@", "postgres:geheim@")
    monkeypatch.setenv("SAGACITY_STORE", f"{with_password}?lease=2")
    return tmp_path


@pytest.fixture
def gate(here: Path) -> Iterator[Gate]:
    with Gate() as gate:
        yield gate


def document(*words: str) -> Any:
    result = CliRunner().invoke(cli, [*words, "--json"], catch_exceptions=False)
    assert "geheim" not in result.output
    return orjson.loads(result.stdout)


def worker(here: Path, gate: Gate, *words: str) -> Process:
    return Process("worker", "trips", *words, cwd=here, gate=gate.name)


# -- many processes ------------------------------------------------------------------------


def test_a_killed_worker_is_started_again_and_its_saga_goes_on(here: Path, gate: Gate) -> None:
    """Another one takes it; at the end each tells what it did, and nothing tells the password."""
    with worker(here, gate, "--processes", "2", "--json") as parent:
        seen = [parent.wait_for_line("driving") for _ in range(2)]
        assert {line[:2] for line in seen} == {"1|", "2|"}
        with Process("run", "trips:one_step", *ME, "--id", ID, cwd=here) as run:
            gate.wait_for("do charge")
            owner = document("show", ID)["owner"]
            os.kill(int(owner.split("/")[1]), signal.SIGKILL)
            gate.forget()
            assert "signal 9" in parent.wait_for_line("started again")
            gate.let("do charge")
            exit_code, _, told = run.end()
        assert exit_code == 0, told
        parent.signal(signal.SIGTERM)
        exit_code, stdout, told = parent.end()
    assert exit_code == 0
    ended = orjson.loads(stdout)
    assert (ended["restarts"], ended["cut_short"]) == (1, [])
    assert "geheim" not in parent.seen + told
    assert document("coordinators")["coordinators"] == []


def test_workers_end_with_the_one_who_looks_after_them(here: Path, gate: Gate) -> None:
    """Killed, it cannot tell them: they notice, drain, and are coordinators no more."""
    with worker(here, gate, "--processes", "2") as parent:
        for _ in range(2):
            parent.wait_for_line("driving", parent.stdout)
        pids = [
            int(each["owner"].split("/")[1]) for each in document("coordinators")["coordinators"]
        ]
        ends = [os.pidfd_open(pid) for pid in pids]
        parent.signal(signal.SIGKILL)
    for end in ends:
        wait_for_end(end)
    assert document("coordinators")["coordinators"] == []


def wait_for_end(process: int) -> None:
    import select  # noqa: PLC0415 - nothing else here needs it

    readable, _, _ = select.select([process], [], [], 60)
    os.close(process)
    assert readable


def test_one_that_only_dies_is_given_up(here: Path, gate: Gate, monkeypatch: Any) -> None:
    """With all others, and an exit code that says so: whoever started them hears of it."""
    del gate
    monkeypatch.setattr(supervising, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(supervising, "MAX_QUICK_DEATHS", 3)
    told: list[str] = []
    crew = Crew(2, ["no-such-command"], {}, 0, told.append, lambda number, line: None)
    supervisor = Supervisor(crew)

    class Nobody:
        async def wait(self) -> None:
            await asyncio.get_running_loop().create_future()

    asyncio.run(supervisor.run(Nobody()))  # type: ignore[arg-type]
    assert supervisor.has_given_up
    assert "exit code 1, 3 times in a row: given up" in told[-1]


def test_pauses_between_starts_grow_and_are_bounded() -> None:
    """From half a second to half a minute."""
    pauses = [pause_after(deaths) for deaths in range(1, 12)]
    assert pauses[:3] == [0.5, 1.0, 2.0]
    assert pauses == sorted(pauses)
    assert max(pauses) == 30.0


def test_many_processes_need_a_store_that_takes_them(here: Path) -> None:
    """A file takes one coordinator at a time."""
    words = ["worker", "trips", "--processes", "2", "--store", "sqlite:///sagas.db"]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 1
    assert "takes one worker at a time" in result.output


# -- draining ---------------------------------------------------------------------------------


async def test_while_one_drains_others_go_on_with_what_it_let_go_of(
    fleet: Fleet, world: World
) -> None:
    """Not only when its last attempt has ended; and it tells what it waits for."""
    held, short = world.hold("do long"), world.hold("do short")
    second = World()
    told: list[Any] = []
    heard = asyncio.Event()

    def tell(running: Any) -> None:
        told.append(running)
        heard.set()

    async with (
        fleet.client() as client,
        Sec(fleet.store(), registry_of(world)) as draining,
        Sec(fleet.store(), registry_of(second), max_sagas=1),
    ):
        long = await draining.create(dag_of("long"))
        await long.start()
        quick = await draining.create(dag_of("short", "after"))
        await quick.start()
        await held.entered.wait()
        await short.entered.wait()
        drained = spawn(draining.drain(60, tell=tell))
        short.open()
        assert await client.handle(quick.id).wait() == Succeeded("after")
        assert second.calls == ["do after"]
        await heard.wait()
        assert told[0] == [(long.id, "long")]
        assert not drained.done()
        held.open()
        report = await drained
        assert report.cut_short == ()
        assert await client.handle(long.id).wait() == Succeeded("long")


async def test_what_is_cut_short_by_a_drain_is_for_others_at_once(
    fleet: Fleet, world: World
) -> None:
    """The report names it, and nobody waits for the lease to end."""
    held = world.hold("do a")
    async with (
        fleet.client() as client,
        Sec(fleet.store(lease=600), registry_of(world)) as draining,
    ):
        handle = await draining.create(dag_of("a"), id=UUID(int=1))
        await handle.start()
        await held.entered.wait()
        async with Sec(fleet.store(lease=600), registry_of(World())):
            report = await draining.drain(0)
            assert report.cut_short == ((handle.id, "a"),)
            assert await client.handle(handle.id).wait() == Succeeded("a")


def test_a_worker_says_what_it_waits_for_and_what_it_cut_short(here: Path, gate: Gate) -> None:
    """Within the seconds that it was given."""
    with worker(here, gate, "--drain-seconds", "6", "--json") as one:
        one.wait_for_line("driving")
        with Process("run", "trips:one_step", *ME, "--id", ID, cwd=here) as run:
            gate.wait_for("do charge")
            one.signal(signal.SIGTERM)
            one.wait_for_line("waiting for charge")
            exit_code, stdout, _ = one.end()
            run.signal(signal.SIGTERM)
            run.end()
    assert exit_code == 0
    assert orjson.loads(stdout)["cut_short"] == [{"saga": ID, "node": "charge"}]


# -- what is told --------------------------------------------------------------------------------


async def test_a_priority_is_told(fleet: Fleet, here: Path) -> None:
    """By show and list."""
    async with fleet.client() as client:
        await client.create(dag_of("a"), id=UUID(ID), priority=-7)
    shown = await asyncio.to_thread(document, "show", ID)
    (listed,) = (await asyncio.to_thread(document, "list"))["sagas"]
    assert shown["priority"] == listed["priority"] == -7


async def test_coordinators_are_listed_with_what_they_have(
    fleet: Fleet, here: Path, world: World
) -> None:
    """And what nobody has, apart."""
    gate = world.hold("do a")
    async with fleet.client() as client, Sec(fleet.store(), registry_of(world), max_sagas=1) as sec:
        await client.create(dag_of("a"))
        handle = await sec.create(dag_of("a"))
        await handle.start()
        await gate.entered.wait()
        told = await asyncio.to_thread(document, "coordinators")
        (only,) = told["coordinators"]
        assert only["sagas"] == {"running": 1}
        assert told["unowned"] == {"ready": 1}
        gate.open()
        await handle.wait()


async def test_check_counts_by_reason_what_new_code_cannot_run(fleet: Fleet, here: Path) -> None:
    """A line for each reason, however many sagas there are; before anything is deployed."""
    (here / "other.py").write_text("from sagacity import action, saga\n")
    async with fleet.client() as client:
        for at in range(25):
            await client.create(dag_of("a", name="s" if at % 5 else "t"), start=at % 2 == 0)
    words = ["check", "other", "--store", os.environ["SAGACITY_STORE"], "--json"]
    result = await asyncio.to_thread(lambda: CliRunner().invoke(cli, words))
    assert result.exit_code == 1
    found = {each["name"]: each for each in orjson.loads(result.stdout)["unfinished"]}
    assert {name: each["count"] for name, each in found.items()} == {"s": 20, "t": 5}
    assert found["t"]["states"] == {"queued": 3, "ready": 2}
    assert found["s"]["missing"] == ['no action "steno" is registered']


@pytest.mark.parametrize(
    "words",
    [
        ["list"], ["show", ID], ["why", ID], ["log", ID], ["graph", ID], ["coordinators"],
        ["pause", ID], ["unpause", ID], ["holds"], ["abort", ID, "--dry-run"],
        ["check", "trips"], ["bulk"], ["gc", "--older-than", "1d"], ["retry", "--stuck", "--yes"],
        ["list", "--hung", "--stuck", "--orphaned"], ["watch", "0190"], ["export", "0190"],
    ],
    ids=lambda words: " ".join(words[:1]),
)  # fmt: skip
def test_no_verb_tells_the_password(here: Path, words: list[str]) -> None:
    """Each works on the database, whatever it finds there."""
    made = ["run", "trips:one_step", *ME, "--id", ID, "-q", "--inject-undo-error", "charge"]
    runner = CliRunner()
    told = runner.invoke(cli, made).output
    told += runner.invoke(cli, words).output
    assert "geheim" not in told


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:geheim@a,b/x?lease=3", "postgresql://me@a,b/x?lease=3"),
        ("postgresql://a/x?user=me&password=geheim", "postgresql://a/x?user=me"),
        ("postgresql://me:ge@heim@a/x?sslpassword=geheim", "postgresql://me@a/x"),
        ("postgresql://a/x", "postgresql://a/x"),
        ("sqlite:///a@b.db", "sqlite:///a@b.db"),
        ("memory://", "memory://"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    """All else of it stays, so that it can be typed again."""
    assert shown_url(url) == shown
