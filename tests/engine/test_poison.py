"""What kills its coordinator again and again is tried alone, and then not any more."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sagacity import Abandoned, Client, SagaStateError, Sec, Stuck, Succeeded, Unwound
from sagacity.core.builder import NodeFactory
from sagacity.core.dag import Siblings
from sagacity.core.events import EventKind
from sagacity.core.poison import MOST_DEATHS, SUSPECT_DEATHS
from sagacity.core.views import SagaView
from sagacity.engine import draining
from sagacity.engine.quarantine import ALONE_SECONDS, Quarantine
from sagacity.testing.checkers import judge
from sagacity.testing.clock import ManualClock
from tests.engine.conftest import Stores
from tests.engine.world import PlainAction, World, dag_of, registry_of

IDS = [UUID(int=number) for number in range(1, 4)]


class Deadly:
    """An action in whose middle coordinators die."""

    def __init__(self) -> None:
        self.is_deadly = True
        self.inside = 0
        self.most_inside = 0
        self._changed = asyncio.Event()
        self._let_go = asyncio.Event()
        self.action = PlainAction("deadly", self.do, self.undo)

    async def do(self, _ctx: Any) -> str:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self._changed.set()
        try:
            if self.is_deadly:
                await self._let_go.wait()
            await asyncio.sleep(0)
        finally:
            self.inside -= 1
        return "survived"

    async def undo(self, _ctx: Any) -> None: ...

    def let_go(self) -> None:
        """Let those that are inside survive after all."""
        self._let_go.set()

    async def until_inside(self, count: int) -> None:
        while self.inside < count:
            self._changed.clear()
            await self._changed.wait()


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let coordinators that close in the middle of an attempt look as if they had died."""

    async def say_nothing(_executions: Sequence[Any]) -> None: ...

    monkeypatch.setattr(draining, "release_all", say_nothing)


def coordinator(stores: Stores, world: World, deadly: Deadly) -> Sec:
    return Sec(stores(), registry_of(world, deadly.action))


async def begin(stores: Stores, world: World, deadly: Deadly, ids: Sequence[UUID] = IDS) -> None:
    dag = dag_of("a", [NodeFactory.action("d", "", deadly.action)], "z")
    async with coordinator(stores, world, deadly) as sec:
        for saga_id in ids:
            await (await sec.create(dag, id=saga_id)).start()
        await deadly.until_inside(len(ids))
        await sec.drain(0)


async def die_again(stores: Stores, world: World, deadly: Deadly, inside: int = 1) -> None:
    async with coordinator(stores, world, deadly) as sec:
        await deadly.until_inside(inside)
        await sec.drain(0)


async def view_of(stores: Stores, saga_id: UUID = IDS[0]) -> SagaView:
    async with Client(stores()) as client:
        return await client.get(saga_id)


@pytest.mark.usefixtures("deaths")
async def test_after_one_death_everything_runs_again_at_once(stores: Stores, world: World) -> None:
    """It was an accident until it happens again."""
    deadly = Deadly()
    await begin(stores, world, deadly)
    await die_again(stores, world, deadly, inside=len(IDS))
    assert deadly.most_inside == len(IDS)


@pytest.mark.usefixtures("deaths")
async def test_suspects_are_tried_one_at_a_time(stores: Stores, world: World) -> None:
    """Whoever survives is under suspicion no more."""
    deadly = Deadly()
    await begin(stores, world, deadly)
    for _ in range(SUSPECT_DEATHS - 1):
        await die_again(stores, world, deadly, inside=len(IDS))
    deadly.is_deadly, deadly.most_inside = False, 0
    async with coordinator(stores, world, deadly) as sec:
        for saga_id in IDS:
            assert isinstance(await sec.handle(saga_id).wait(), Succeeded)
        assert deadly.most_inside == 1


async def suspected(stores: Stores, world: World) -> Deadly:
    """Leave two sagas that are to be tried one at a time."""
    deadly = Deadly()
    await begin(stores, world, deadly, IDS[:2])
    for _ in range(SUSPECT_DEATHS - 1):
        await die_again(stores, world, deadly, inside=2)
    return deadly


@pytest.mark.usefixtures("deaths")
async def test_a_suspect_that_is_undone_makes_room_for_the_next(
    stores: Stores, world: World
) -> None:
    """Its undo is tried alone too, and then it is the turn of the others."""
    deadly = await suspected(stores, world)
    async with Client(stores()) as client:
        await client.handle(IDS[0]).abort()
    deadly.is_deadly = False
    async with coordinator(stores, world, deadly) as sec:
        assert isinstance(await sec.handle(IDS[0]).wait(), Unwound)
        assert isinstance(await sec.handle(IDS[1]).wait(), Succeeded)


@pytest.mark.usefixtures("deaths")
async def test_a_suspect_that_waits_its_turn_can_be_undone_instead(
    stores: Stores, world: World
) -> None:
    """What it waited with is not to be done any more, and what came instead is."""
    deadly = await suspected(stores, world)
    async with coordinator(stores, world, deadly) as sec:
        await deadly.until_inside(1)
        await sec.handle(IDS[1]).abort()
        deadly.let_go()
        assert isinstance(await sec.handle(IDS[1]).wait(), Unwound)
        assert isinstance(await sec.handle(IDS[0]).wait(), Succeeded)


def test_a_suspect_that_takes_its_time_makes_room_for_the_next() -> None:
    """One that hangs must not keep the others from being tried for ever."""
    clock, called = ManualClock(), list[str]()
    quarantine = Quarantine(clock)
    assert quarantine.enter((IDS[0], 1), lambda: called.append("first"))
    assert not quarantine.enter((IDS[1], 1), lambda: called.append("second"))
    assert not quarantine.enter((IDS[2], 1), lambda: called.append("third"))
    clock.move(ALONE_SECONDS)
    assert (called, quarantine.inside) == (["second"], (IDS[1], 1))
    quarantine.leave((IDS[1], 1))
    quarantine.leave((IDS[0], 1))
    assert (called, quarantine.inside) == (["second", "third"], (IDS[2], 1))
    quarantine.leave((IDS[2], 1))
    assert (quarantine.inside, clock.next_ms) == (None, None)


async def poisoned(stores: Stores, world: World) -> Deadly:
    deadly = Deadly()
    await begin(stores, world, deadly, IDS[:1])
    for _ in range(MOST_DEATHS - 1):
        await die_again(stores, world, deadly)
    return deadly


@pytest.mark.usefixtures("deaths")
async def test_who_waits_to_be_tried_alone_says_so(stores: Stores, world: World) -> None:
    """And who has the turn, from any process."""
    deadly = Deadly()
    await begin(stores, world, deadly)
    await die_again(stores, world, deadly, len(IDS))
    async with coordinator(stores, world, deadly) as sec, Client(stores()) as client:
        await deadly.until_inside(1)
        told = [cause.text for each in IDS for cause in (await client.handle(each).why()).causes]
        await sec.drain(0)
    assert len(told) == len(IDS) - 1
    for text in told:
        assert "waits to be tried alone, because of 2 coordinators that died" in text
        assert "now saga 00000000-0000-0000-0000-00000000000" in text


@pytest.mark.usefixtures("deaths")
async def test_what_goes_on_killing_is_poison(stores: Stores, world: World) -> None:
    """Its saga is stuck, with the reason, and nothing runs it any more."""
    deadly = await poisoned(stores, world)
    async with coordinator(stores, world, deadly) as sec:
        outcome = await sec.handle(IDS[0]).wait()
        assert isinstance(outcome, Stuck)
        assert (outcome.reason, [error.kind for error in outcome.errors]) == ("poison", ["died"])
        assert deadly.inside == 0
    view = await view_of(stores)
    assert view.node("d").attempt == MOST_DEATHS
    assert judge(view.dag, [each.event for each in view.log]) == []


@pytest.mark.usefixtures("deaths")
@pytest.mark.parametrize(
    ("verb", "outcome"),
    [("retry", Succeeded), ("set_output", Succeeded), ("skip", Unwound), ("abort", Unwound),
     ("abandon", Abandoned)],
)  # fmt: skip
async def test_a_person_decides_about_poison(
    stores: Stores, world: World, verb: str, outcome: type
) -> None:
    """Once the cause is mended, found out, or taken back by hand."""
    deadly = await poisoned(stores, world)
    deadly.is_deadly = False
    async with coordinator(stores, world, deadly) as sec:
        handle = sec.handle(IDS[0])
        await handle.wait()
        match verb:
            case "set_output":
                await handle.set_output("d", "found out")
            case "retry" | "skip":
                await getattr(handle, verb)("d")
            case _:
                await getattr(handle, verb)()
        assert isinstance(await handle.wait(), outcome)
        view = await handle.view()
        assert judge(view.dag, [each.event for each in view.log]) == []
        if outcome is not Abandoned:
            with pytest.raises(SagaStateError):
                await handle.skip("d")


@pytest.mark.usefixtures("deaths")
async def test_skipping_poison_cuts_siblings_short_where_a_failure_would(
    stores: Stores, world: World
) -> None:
    """The saga turns by it, and says that what is in flight then is cancelled."""
    deadly = Deadly()
    two = [NodeFactory.action(name, "", deadly.action) for name in ("d", "x")]
    dag = dag_of(two, "z", siblings=Siblings.CANCEL)
    async with coordinator(stores, world, deadly) as sec:
        handle = await sec.create(dag, id=IDS[0])
        await handle.start()
        await deadly.until_inside(2)
        await sec.drain(0)
    for _ in range(SUSPECT_DEATHS - 1):
        await die_again(stores, world, deadly, inside=2)
    for _ in range(2 * (MOST_DEATHS - SUSPECT_DEATHS)):
        await die_again(stores, world, deadly)
    async with coordinator(stores, world, deadly) as sec:
        handle = sec.handle(IDS[0])
        assert isinstance(await handle.wait(), Stuck)
        await handle.retry("x")
        await deadly.until_inside(1)
        await handle.skip("d")
        assert isinstance(await handle.wait(), Unwound)
        assert (await handle.view()).errors[-1].kind == "cancelled"


async def test_what_a_coordinator_cuts_short_itself_counts_for_nothing(
    stores: Stores, world: World
) -> None:
    """It says so in the log before it closes."""
    deadly = await poisoned(stores, world)
    view = await view_of(stores)
    assert [event.kind for event in view.events].count(EventKind.RELEASED) == MOST_DEATHS
    assert view.state == "running"
    assert judge(view.dag, [each.event for each in view.log]) == []
    deadly.is_deadly = False
    async with coordinator(stores, world, deadly) as sec:
        assert isinstance(await sec.handle(IDS[0]).wait(), Succeeded)


PROGRAM = """
import asyncio, os
from sagacity import Sec, action, open_store, saga

@action(no_undo="harmless")
async def kill(ctx) -> None:
    os._exit(9)

@action(read_only=True)
async def good(ctx) -> str:
    return "good"

@saga
def killing():
    return kill.node()

@saga
def fine():
    return good.node()

async def main():
    async with Sec(open_store("sqlite:///sagas.db"), [killing, fine]) as sec:
        print(await sec.run(fine), flush=True)
        page = await sec.list(name="killing")
        if not page.items:
            await (await sec.create(killing)).start()
            page = await sec.list(name="killing")
        print(await sec.handle(page.items[0].id).wait(), flush=True)

asyncio.run(main())
"""


def test_a_saga_that_kills_its_process_does_not_kill_it_for_ever(tmp_path: Path) -> None:
    """With real processes; other sagas go on meanwhile."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    runs = [
        subprocess.run(
            [sys.executable, program], cwd=tmp_path, env={**os.environ}, check=False,
            capture_output=True, text=True, timeout=60,
        )
        for _ in range(MOST_DEATHS + 1)
    ]  # fmt: skip
    assert [run.returncode for run in runs] == [9] * MOST_DEATHS + [0]
    assert all(run.stdout.startswith("good") for run in runs)
    assert "poison" in runs[-1].stdout
