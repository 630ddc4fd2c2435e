"""Actions in processes of their own: what they are told, and that they can be ended and can die."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sagacity import ActionFailed, Context, DagError, SagaUnwound, Sec, action, open_store, saga
from sagacity.core.actions import ActionFunc, ActionRegistry
from sagacity.core.builder import NodeFactory
from sagacity.core.outcome import Stuck, Succeeded, Unwound
from sagacity.engine.processes import MAX_PROCESSES, Processes
from sagacity.testing import ManualClock
from tests.engine import isolated_actions as actions
from tests.engine.isolated_actions import Order
from tests.engine.world import World, dag_of, node, registry_of, turns

DYING_SECONDS = 10.0
pytestmark = pytest.mark.filterwarnings("error")
SAGAS = [
    actions.isolated, actions.one_sure, actions.one_slow, actions.one_silent,
    actions.one_without_deps,
]  # fmt: skip


@asynccontextmanager
async def lab(clock: ManualClock | None = None) -> AsyncGenerator[Sec]:
    store = open_store("memory://")
    async with Sec(store, SAGAS, deps=object(), clock=clock) as sec:
        yield sec


def lines(place: Path, name: str) -> list[str]:
    file = place / name
    return file.read_text().splitlines() if file.exists() else []


async def until_ready(place: Path) -> list[int]:
    """Wait until a body stays, and return its process and the one that it has started."""
    await asyncio.to_thread((place / "ready").read_text)
    return [int(each) for each in lines(place, "pids")][-2:]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "ready")
    return tmp_path


def is_there(process: int) -> bool:
    """Whether a process goes on running: one that was killed has a moment to be gone."""
    try:
        end = os.pidfd_open(process)
    except ProcessLookupError:
        return False
    try:
        ended, _, _ = select.select([end], [], [], DYING_SECONDS)
    finally:
        os.close(end)
    return not ended


async def test_it_is_told_what_it_is_told_in_a_thread(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its context has everything; values travel by their codecs, logs and heartbeats come back."""
    with caplog.at_level(logging.INFO, "sagacity.actions"):
        async with lab() as sec:
            handle = await sec.create(actions.isolated, Order(str(place), "all"))
            await handle.start()
            assert await handle.result() == Decimal("42.10")
            view = await handle.view()
    work = view.node("work")
    (told,) = lines(place, "told")
    assert told.startswith(
        f"('work', 'the work', '{handle.id}', '{handle.id}/work/do', 41, 'all', "
    )
    assert told.endswith(f"True, {view.epoch}, True)")
    assert lines(place, "process") != [str(os.getpid())]
    assert work.heartbeat == {"done": 50} or work.heartbeat is None
    (record,) = (each for each in caplog.records if each.name == "sagacity.actions")
    assert record.getMessage() == "done 50%"
    facts: Any = record
    assert (facts.saga_id, facts.node, facts.attempt, facts.customer) == (
        str(handle.id), "work", 1, 7
    )  # fmt: skip


@pytest.mark.parametrize(
    ("how", "kind", "told", "effect"),
    [
        ("busy", "action_failed", "BusyError: try later", "none"),
        ("system exit", "exception", "SystemExit: 4", "possible"),
        ("exit", "process_died", "ProcessDiedError: its process ended with exit status 3 before the function returned", "possible"),
        ("segv", "process_died", "ProcessDiedError: its process was killed by signal 11 (SIGSEGV)", "possible"),
    ],
)  # fmt: skip
async def test_what_goes_wrong_is_told_as_it_is(
    place: Path, how: str, kind: str, told: str, effect: str
) -> None:
    """And harms this attempt alone: the saga unwinds, and others run."""
    async with lab() as sec:
        handle = await sec.create(actions.isolated, Order(str(place), how))
        await handle.start()
        outcome = await handle.wait()
        assert isinstance(outcome, Unwound)
        (error,) = outcome.errors
        assert await sec.run(actions.isolated, Order(str(place))) == Decimal("42.10")
    assert (error.kind, error.effect) == (kind, effect)
    assert f"{error.class_name}: {error.message}" == told
    assert error.data == ({"n": [1, 2]} if how == "busy" else None)
    undone = [] if effect == "none" else ["('None', 41, False, True)"]
    assert lines(place, "undone") == undone


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("lookup", "input", '"nobody" is no node that it depends on'),
        ("unstorable", "output", "not of type Decimal"),
    ],
)
async def test_what_does_not_fit_is_told_as_in_a_thread(
    place: Path, how: str, kind: str, message: str
) -> None:
    """What it may look up, and what it may return, is the same."""
    async with lab() as sec:
        handle = await sec.create(actions.isolated, Order(str(place), how))
        await handle.start()
        outcome = await handle.wait()
    assert isinstance(outcome, Unwound)
    (error,) = outcome.errors
    assert error.kind == kind
    assert message in error.message


async def test_it_is_retried_by_class_and_handed_the_last_heartbeat(place: Path) -> None:
    """The names of classes travel, though not the classes."""
    async with lab() as sec:
        assert await sec.run(actions.isolated, Order(str(place), "lost")) == Decimal("42.10")
    assert lines(place, "attempts") == ["1 None", "2 on the way"]


@pytest.mark.parametrize("how", ["undo", "undo fails"])
async def test_its_undo_runs_there_too(place: Path, how: str) -> None:
    """With the output, the inputs that it names, and errors of its own."""
    async with lab() as sec:
        handle = await sec.create(actions.isolated, Order(str(place), how))
        await handle.start()
        outcome = await handle.wait()
    assert lines(place, "undone") == ["('42.10', 41, True, True)"]
    if how == "undo":
        assert isinstance(outcome, Unwound)
        return
    assert isinstance(outcome, Stuck)
    assert [(each.message, each.data) for each in outcome.undo_errors] == [
        ("cannot", {"why": "shut"})
    ]


async def test_a_time_out_kills_it_with_all_that_it_has_started(place: Path) -> None:
    """Nothing lingers, and nothing is left."""
    clock = ManualClock()
    async with lab(clock) as sec:
        handle = await sec.create(actions.one_slow, Order(str(place)))
        await handle.start()
        processes = await until_ready(place)
        clock.move(5)
        outcome = await handle.wait()
        assert isinstance(outcome, Unwound)
        assert outcome.errors[0].kind == "timed_out"
    assert [is_there(each) for each in processes] == [False, False]


async def test_a_lost_heartbeat_kills_it(place: Path) -> None:
    """And the next attempt begins in another process, with the last detail."""
    clock = ManualClock()
    async with lab(clock) as sec:
        handle = await sec.create(actions.one_silent, Order(str(place)))
        await handle.start()
        processes = await until_ready(place)
        clock.move(5)
        assert await handle.wait() == Succeeded("heard")
    assert lines(place, "handed") == ["None", "before the silence"]
    assert [is_there(each) for each in processes] == [False, False]


async def test_shutting_down_kills_it(place: Path) -> None:
    """The next coordinator runs it again."""
    async with lab() as sec:
        handle = await sec.create(actions.isolated, Order(str(place), "stay"))
        await handle.start()
        processes = await until_ready(place)
        report = await sec.drain(0)
        assert report.cut_short == ((handle.id, "work"),)
    assert [is_there(each) for each in processes] == [False, False]


async def test_it_is_cut_short_where_a_thread_is_waited_for(place: Path) -> None:
    """With `siblings="cancel"` its saga unwinds at once."""
    fail = asyncio.Event()

    @action(no_undo="harmless")
    async def fails(ctx: Context) -> None:
        await fail.wait()
        raise ActionFailed("no")

    @saga(siblings="cancel")
    def both(order: Order) -> None:
        number = actions.first.node()
        actions.work.node(order, number)
        fails.node()

    async with Sec(open_store("memory://"), [both]) as sec:
        handle = await sec.create(both, Order(str(place), "stay"))
        await handle.start()
        processes = await until_ready(place)
        fail.set()
        outcome = await handle.wait()
    assert isinstance(outcome, Unwound)
    assert [(each.node, each.kind) for each in outcome.errors] == [
        ("fails", "action_failed"), ("work", "cancelled")
    ]  # fmt: skip
    assert lines(place, "undone") == ["('None', 41, False, True)"]
    assert [is_there(each) for each in processes] == [False, False]


async def test_an_atomic_one_that_dies_is_stuck(place: Path) -> None:
    """It promised a definite end, and has none."""
    async with lab() as sec:
        handle = await sec.create(actions.one_sure, Order(str(place)))
        await handle.start()
        outcome = await handle.wait()
    assert isinstance(outcome, Stuck)
    assert outcome.reason == "outcome_unknown"


async def test_deps_do_not_travel(place: Path) -> None:
    """Who uses them without a function that makes them is told so."""
    async with lab() as sec:
        with pytest.raises(SagaUnwound, match="process_deps="):
            await sec.run(actions.one_without_deps, Order(str(place)))


async def test_processes_are_used_again_and_are_few(place: Path) -> None:
    """However many calls there are at once."""
    async with lab() as sec:
        await asyncio.gather(
            *[sec.run(actions.isolated, Order(str(place), "all")) for _ in range(MAX_PROCESSES + 2)]
        )
    used = lines(place, "process")
    assert len(used) == MAX_PROCESSES + 2
    assert len(set(used)) <= MAX_PROCESSES
    assert not any(is_there(int(each)) for each in used)


async def test_the_lower_layer_has_it_too(tmp_path: Path) -> None:
    """Functions that look things up, with Steno's contract."""
    registry = ActionRegistry()
    registry.register(actions.PLAIN)
    world = World()
    world.fail("do b", ActionFailed("no"))
    for each in registry_of(world):
        registry.register(each)
    dag = dag_of(NodeFactory.action("a", "", actions.PLAIN), node("b", "steno"))
    params = {"undone": str(tmp_path / "undone")}
    async with Sec(open_store("memory://"), registry) as sec:
        handle = await sec.create(dag, params)
        await handle.start()
        assert isinstance(await handle.wait(), Unwound)
        output = (await handle.view()).node("a").output
    assert output[0] == params
    did, undid = (tmp_path / "undone").read_text().split()
    assert did == str(output[1])
    assert str(os.getpid()) not in (did, undid)


ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import asyncio, os, sys
from sagacity import Sec, open_store
from tests.engine import isolated_actions as actions

async def main():
    async with Sec(open_store("memory://"), [actions.one_slow]) as sec:
        handle = await sec.create(actions.one_slow, actions.Order(sys.argv[1]))
        await handle.start()
        await handle.wait()

asyncio.run(main())
"""


async def test_it_ends_with_its_coordinator(place: Path) -> None:
    """Also if that is killed; and so does what it has started."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(place), cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, stderr=subprocess.PIPE,
    )  # fmt: skip
    processes = await until_ready(place)
    program.kill()
    await program.communicate()
    while any(is_there(each) for each in processes):
        await turns()


# -- what cannot run there ------------------------------------------------------------------


def test_what_a_new_process_cannot_find_is_refused() -> None:
    """When the saga is declared, with what to do."""

    @action(isolation="process", read_only=True)
    def inner(ctx: Context) -> None: ...

    with pytest.raises(DagError, match=r'".*inner" is defined inside of a function; declare it at'):

        @saga
        def one() -> None:
            inner.node()


def test_a_coroutine_function_is_refused() -> None:
    """It can be cancelled where it is."""
    with pytest.raises(DagError, match='isolation="process" is for plain functions'):

        @saga
        def one() -> None:
            coroutine.node()


@action(isolation="process", read_only=True)
async def coroutine(ctx: Context) -> None: ...


def test_deps_that_a_new_process_cannot_make_are_refused() -> None:
    """They are made by a function that it can import."""
    with pytest.raises(DagError, match=r'process_deps=: .*"<lambda>" is a lambda'):

        @saga
        def one() -> None:
            lambda_deps.node()


@action(isolation="process", read_only=True, process_deps=lambda: None)
def lambda_deps(ctx: Context) -> None: ...


def in_main(ctx: Any) -> None: ...


in_main.__module__ = "__main__"


def hidden(ctx: Any) -> None: ...


hidden.__qualname__ = "waits"


async def waits(ctx: Any) -> None: ...


def nothing(_ctx: Any) -> None: ...


nothing.__qualname__ = "<lambda>"


@pytest.mark.parametrize(
    ("do", "message"),
    [
        (nothing, "is a lambda"),
        (in_main, "is in the program itself"),
        (hidden, "is something else now"),
        (waits, "is for plain functions"),
    ],
    ids=["lambda", "main", "hidden", "coroutine"],
)
def test_the_lower_layer_refuses_too(do: Any, message: str) -> None:
    """When the action is made."""
    with pytest.raises(ValueError, match=message):
        ActionFunc("x", do, isolation="process")


def test_the_word_is_checked() -> None:
    """A misspelt one is no thread."""
    options: Any = {"isolation": "proces"}
    with pytest.raises(ValueError, match="'proces' is not known"):
        action(**options)


async def test_a_pool_that_was_never_used_can_be_closed() -> None:
    """There is nothing to end."""
    await Processes().close()
