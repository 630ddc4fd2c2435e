"""Observers: told of everything, once it is durable, and never in the way."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any
from uuid import UUID

import pytest

from sagacity import (
    ActionFailed,
    LogObserver,
    Notice,
    Observer,
    Recorded,
    Retry,
    SagaUnwound,
    Sec,
    UndoFailed,
)
from sagacity.engine.logs import JsonFormatter
from sagacity.engine.observing import NOTICES
from sagacity.stores.memory import MemoryStore
from sagacity.testing import ManualClock
from tests.engine.conftest import Stores
from tests.engine.world import Facts, PlainAction, World, dag_of, node, registry_of

ID = UUID(int=1)


class Everything(Observer):
    """Keeps all notices, and wakes who waits for one."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self._news = asyncio.Event()

    def _keep(self, notice: Notice) -> None:
        self.notices.append(notice)
        self._news.set()

    before_attempt = after_attempt = before_undo = after_undo = _keep
    adopted = released = decided = stuck = hung = unwinding = finished = _keep

    async def until(self, event: str) -> Notice:
        while True:
            for notice in self.notices:
                if notice.event == event:
                    return notice
            self._news.clear()
            await self._news.wait()

    def told(self) -> list[tuple[str, str, str]]:
        return [(each.event, each.node, each.detail) for each in self.notices]


async def test_a_saga_that_unwinds_is_told_step_by_step(stores: Stores, world: World) -> None:
    """Before and after each attempt and undo, that it unwinds, and how it ends."""
    world.fail("do b", ActionFailed("no"))
    observer = Everything()
    async with Sec(stores(), registry_of(world), observers=[observer]) as sec:
        with pytest.raises(SagaUnwound):
            await sec.run(dag_of("a", "b"), id=ID)
    assert observer.told() == [
        ("before_attempt", "a", ""),
        ("after_attempt", "a", "succeeded"),
        ("before_attempt", "b", ""),
        ("after_attempt", "b", "failed"),
        ("unwinding", "", 'node "b" failed'),
        ("before_undo", "a", ""),
        ("after_undo", "a", "undo_finished"),
        ("finished", "", "unwound"),
    ]
    failed = observer.notices[3]
    assert (failed.saga_id, failed.saga_name, failed.attempt, failed.action) == (
        ID, "s", 1, "steno"
    )  # fmt: skip
    assert (failed.error_kind, failed.error_class) == ("action_failed", "ActionFailed")
    assert failed.owner
    assert failed.epoch == 1
    assert failed.took_ms is not None


async def test_a_retry_is_an_attempt_of_its_own(stores: Stores, world: World) -> None:
    """With its number."""

    async def body(ctx: Any) -> None:
        if ctx.attempt == 1:
            raise ActionFailed("busy")

    world.on("do b", body)
    tried = PlainAction("tried", world.do, world.undo, retry=Retry(backoff=0))
    observer = Everything()
    async with Sec(stores(), registry_of(world, tried), observers=[observer]) as sec:
        await sec.run(dag_of(node("b", "tried")))
    told = [(each.event, each.attempt, each.detail) for each in observer.notices]
    assert told == [
        ("before_attempt", 1, ""),
        ("after_attempt", 1, "attempt_failed"),
        ("before_attempt", 2, ""),
        ("after_attempt", 2, "succeeded"),
        ("finished", 0, "succeeded"),
    ]


async def test_a_stuck_saga_is_told_each_time_it_is(stores: Stores, world: World) -> None:
    """Paging hangs on it; and what a person then decides is told, with who and why."""
    world.fail("do b", ActionFailed("no"))
    world.fail("undo a", UndoFailed("no"))
    observer = Everything()
    async with Sec(stores(), registry_of(world), observers=[observer]) as sec:
        handle = await sec.create(dag_of("a", "b"), id=ID)
        await handle.start()
        await handle.wait()
        await handle.retry("a", "ticket 7", by="ann")
        await handle.wait()
    stuck = [(each.node, each.detail) for each in observer.notices if each.event == "stuck"]
    assert stuck == [("a", "undo_failed")] * 2
    (decided,) = [each for each in observer.notices if each.event == "decided"]
    assert (decided.detail, decided.node, decided.by, decided.reason) == (
        "retry", "a", "ann", "ticket 7"
    )  # fmt: skip


async def test_ownership_is_told(stores: Stores, world: World) -> None:
    """Released by who drains, adopted by who comes."""
    gate = world.hold("do a")
    first, second = Everything(), Everything()
    async with Sec(stores(), registry_of(world), observers=[first]) as sec:
        await (await sec.create(dag_of("a"), id=ID)).start()
        await gate.entered.wait()
        await sec.drain(0)
    assert (await first.until("released")).detail == "drained"
    gate.open()
    async with Sec(stores(), registry_of(world), observers=[second]) as sec:
        await sec.wait(ID)
    adopted = await second.until("adopted")
    assert adopted.epoch == 2
    assert adopted.owner != first.notices[0].owner


async def test_a_hung_attempt_is_told_once(
    stores: Stores, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """When it takes longer than its action declares; and in the log, with nobody observing."""
    gate = world.hold("do a")
    observer, clock = Everything(), ManualClock()
    slow = PlainAction("slow", world.do, world.undo, expected=30)
    async with Sec(stores(), registry_of(world, slow), observers=[observer], clock=clock) as sec:
        await (await sec.create(dag_of(node("a", "slow")), id=ID)).start()
        await gate.entered.wait()
        clock.move(31)
        hung = await observer.until("hung")
        clock.move(60)
        other = await sec.create(dag_of(node("b", "slow")), id=UUID(int=2))
        await other.start()
        await other.wait()
        gate.open()
        await sec.wait(ID)
    assert (hung.saga_id, hung.node, hung.attempt, hung.took_ms) == (ID, "a", 1, 31_000)
    assert [each.event for each in observer.notices].count("hung") == 1
    assert 'node "a" is hung: attempt 1 runs for 31 s' in caplog.text


async def test_what_is_expected_is_learned_from_history(stores: Stores, world: World) -> None:
    """Three times what attempts of the same action took, and at least a minute."""
    clock = ManualClock()

    async def body(_ctx: Any) -> None:
        clock.move(40)

    world.on("do a", body)
    async with Sec(stores(), registry_of(world), clock=clock) as sec:
        for number in range(3):
            await sec.run(dag_of("a"), id=UUID(int=10 + number))
        gate = world.hold("do a")
        await (await sec.create(dag_of("a"), id=ID)).start()
        await gate.entered.wait()
        why = await sec.why(ID)
        assert why.nodes[0].hung_at_ms == why.seen_ms + 120_000
        clock.move(119)
        assert [each.id for each in (await sec.list(hung=True)).items] == []
        clock.move(1)
        assert [each.id for each in (await sec.list(hung=True)).items] == [ID]
        gate.open()
        await sec.wait(ID)


async def test_what_takes_longer_than_was_learned_is_told(stores: Stores, world: World) -> None:
    """Counted from the look that saw it first."""
    observer, clock = Everything(), ManualClock()

    async def body(_ctx: Any) -> None:
        clock.move(40)

    world.on("do a", body)
    async with Sec(stores(), registry_of(world), observers=[observer], clock=clock) as sec:
        for number in range(3):
            await sec.run(dag_of("a"), id=UUID(int=10 + number))
        gate = world.hold("do a")
        await (await sec.create(dag_of("a"), id=ID)).start()
        await gate.entered.wait()
        for seconds in (6, 119, 6):  # the look that sees it first, one too early, and one in time
            assert "hung" not in [each.event for each in observer.notices]
            clock.move(seconds)
            await sec._opened().driving.look_for_hung()
        hung = await observer.until("hung")
        gate.open()
        await sec.wait(ID)
    assert (hung.saga_id, hung.node, hung.attempt) == (ID, "a", 1)
    assert hung.took_ms == 125_000


async def test_what_an_observer_raises_harms_nothing(stores: Stores, world: World) -> None:
    """It is logged, and the others are told."""

    class Broken(Observer):
        def recorded(self, what: Recorded) -> None:
            raise ZeroDivisionError

        def before_attempt(self, notice: Notice) -> None:
            raise ZeroDivisionError

    observer = Everything()
    async with Sec(stores(), registry_of(world), observers=[Broken(), observer]) as sec:
        assert await sec.run(dag_of("a")) == "a"
    assert [each.event for each in observer.notices][-1] == "finished"


async def test_an_observer_from_before_goes_on_working(world: World, facts: Facts) -> None:
    """With `recorded` and `trouble` alone."""
    async with Sec(MemoryStore(), registry_of(world), observers=[facts]) as sec:
        await sec.run(dag_of("a"))
    assert facts.recorded_


def test_the_base_class_has_every_hook() -> None:
    """So that a user overrides what they need, and nothing else."""
    for name in NOTICES:
        assert callable(getattr(Observer, name))


async def test_logs_have_facts_and_no_payloads(
    stores: Stores, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """As fields; what an action takes, returns or raises is not in them."""
    world.give("do a", "payload-of-a")
    world.fail("do b", ActionFailed("payload-of-b", {"card": "payload-of-data"}))
    caplog.set_level(logging.INFO, "sagacity.events")
    async with Sec(stores(), registry_of(world), observers=[LogObserver()]) as sec:
        with pytest.raises(SagaUnwound):
            await sec.run(dag_of("a", "b"), {"secret": "payload-of-params"}, id=ID)
    records = [each for each in caplog.records if each.name == "sagacity.events"]
    lines = [json.loads(JsonFormatter().format(each)) for each in records]
    assert "payload" not in json.dumps(lines)
    (failed,) = [each for each in lines if each.get("detail") == "failed"]
    assert {name: failed[name] for name in ("event", "saga_id", "saga_name", "node", "attempt")} == {
        "event": "after_attempt", "saga_id": str(ID), "saga_name": "s", "node": "b", "attempt": 1
    }  # fmt: skip
    assert failed["message"] == f'saga {ID} (s) node "b": after_attempt attempt 1: failed'
    assert failed["epoch"] == 1
    assert failed["level"] == "info"
