"""Waiting for changes: who is woken, and when."""

import asyncio

import pytest

from sagacity.stores import _changes
from sagacity.stores._changes import Changes


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> Changes:
    """The calm is short, so that no test waits for it."""
    monkeypatch.setattr(_changes, "CALM_SECONDS", 0.001)
    return Changes()


async def test_an_urgent_change_is_heard_in_the_same_turn(changes: Changes) -> None:
    """No timer is between a command and the coordinator of the same process."""
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(changes.wait(0, 60))
        await asyncio.sleep(0)
        changes.note_now()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert waiting.done()

    assert waiting.result() == 1


async def test_other_changes_are_heard_a_little_later_and_together(changes: Changes) -> None:
    """A busy coordinator does not wake itself with each append."""
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(changes.wait(0, 60))
        await asyncio.sleep(0)
        for _ in range(10):
            changes.note()
        await asyncio.sleep(0)
        assert not waiting.done()

    assert waiting.result() == 10


async def test_a_change_before_the_wait_counts(changes: Changes) -> None:
    """Whether it is urgent or not."""
    changes.note()
    assert await changes.wait(0, 60) == 1
    changes.note_now()
    assert await changes.wait(1, 60) == 2


async def test_an_old_urgent_change_does_not_make_a_new_one_urgent(changes: Changes) -> None:
    """Only what came since `seen` counts."""
    changes.note_now()
    changes.note()

    assert await changes.wait(1, 60) == 2


async def test_the_time_out_gives_the_count_as_it_is(changes: Changes) -> None:
    """Nothing has changed, and that is no error."""
    assert await changes.wait(0, 0) == 0
    assert await changes.wait(0, 0.001) == 0


async def test_who_gave_up_waiting_is_forgotten(changes: Changes) -> None:
    """Else each time-out would leave a future behind."""
    await changes.wait(0, 0)

    assert not changes._waiters
