"""What Steno's own tests say of its coordinator, said of ours."""

from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from sagacity import (
    NoSuchSaga,
    SagaExists,
    SagaStateError,
    SagaUnwound,
    Sec,
    Succeeded,
    Unwound,
)
from sagacity.core.builder import NodeFactory
from sagacity.core.events import EventKind
from sagacity.errors import NoSuchNode
from tests.engine.conftest import Stores
from tests.engine.world import World, dag_of, registry_of, turns

SAGA = dag_of("n1", "n2")


async def test_a_saga_that_is_created_and_started_runs(stores: Stores, world: World) -> None:
    """Each action once, in order, and no undo."""
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(SAGA)
        await handle.start()
        assert await handle.wait() == Succeeded("n2")
        assert await handle.result() == "n2"
    assert world.calls == ["do n1", "do n2"]


async def test_a_saga_that_is_created_and_not_started_does_not_run(
    stores: Stores, world: World
) -> None:
    """Not then, not by the next coordinator, until it is started."""
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(SAGA)
        await turns()
        assert (await handle.view()).state == "ready"
    async with Sec(stores(), registry_of(world)) as sec:
        await turns()
        assert (await sec.get(handle.id)).state == "ready"
        assert world.calls == []
        await sec.handle(handle.id).start()
        assert await sec.handle(handle.id).wait() == Succeeded("n2")


async def test_an_injected_error_skips_the_action_and_fails_the_saga(
    stores: Stores, world: World
) -> None:
    """What was done before is undone, the node itself is not."""
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(SAGA)
        await handle.inject_error("n2")
        await handle.start()
        outcome = await handle.wait()
        assert isinstance(outcome, Unwound)
        assert [(error.node, error.kind, error.message) for error in outcome.errors] == [
            ("n2", "injected", "error injected")
        ]
        with pytest.raises(SagaUnwound, match='node "n2": error injected'):
            await handle.result()
    assert world.calls == ["do n1", "undo n1"]


async def test_an_injected_undo_error_leaves_the_saga_stuck(stores: Stores, world: World) -> None:
    """The undo is not called."""
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(dag_of("n1", "n2", "n3"))
        await handle.inject_error("n3")
        await handle.inject_undo_error("n2")
        await handle.start()
        outcome = await handle.wait()
        assert not isinstance(outcome, Succeeded | Unwound)
        assert (await handle.view()).state == "stuck"
    assert world.calls == ["do n1", "do n2"]


@pytest.mark.parametrize(("action", "undo"), [(2, 1), (2, 2), (1, 2), (3, 5)])
@pytest.mark.parametrize("fails", [False, True])
async def test_repeats_run_exactly_so_often(
    stores: Stores, world: World, action: int, undo: int, fails: bool
) -> None:
    """The do in any case, the undo only when the saga fails later."""
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(SAGA)
        await handle.inject_repeat("n1", action=action, undo=undo)
        if fails:
            await handle.inject_error("n2")
        await handle.start()
        await handle.wait()
        view = await handle.view()
    wanted = {"do n1": action, "undo n1": undo} if fails else {"do n1": action, "do n2": 1}
    assert Counter(world.calls) == wanted
    assert view.node("n1").attempt == 1


async def test_a_repeated_action_gives_its_last_result(stores: Stores, world: World) -> None:
    """As if it had been interrupted before its result was known."""
    results = iter(range(10))

    async def count(_ctx: Any) -> int:
        return next(results)

    world.on("do n1", count)
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(SAGA)
        await handle.inject_repeat("n1", action=4)
        await handle.start()
        await handle.wait()
        assert (await handle.view()).node("n1").output == 3


@pytest.mark.parametrize("counts", [(0, 1), (1, 0), (1_001, 1), (1, 1_001), (-1, 1)])
async def test_a_repeat_has_limits(stores: Stores, world: World, counts: tuple[int, int]) -> None:
    """From once to a thousand times."""
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(SAGA)
        with pytest.raises(ValueError, match="it can run 1 to 1000 times"):
            await handle.inject_repeat("n1", action=counts[0], undo=counts[1])


@pytest.mark.parametrize("path", ["", "n9", "start", "sub/n9", "n1/"])
async def test_an_injection_at_an_unknown_node_is_no_such_node(
    stores: Stores, world: World, path: str
) -> None:
    """And harms nothing."""
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(SAGA)
        for inject in (handle.inject_error, handle.inject_undo_error, handle.inject_repeat):
            with pytest.raises(NoSuchNode):
                await inject(path)
        await handle.start()
        assert await handle.wait() == Succeeded("n2")


async def test_errors_can_be_injected_at_constants_and_ends_of_subsagas(
    stores: Stores, world: World
) -> None:
    """They are nodes as others are."""
    inner = dag_of("i1", name="inner")
    saga = dag_of(
        "n1", [NodeFactory.constant("k", 1)], [NodeFactory.subsaga("s", inner, "n1")], "n2"
    )
    async with Sec(stores(), registry_of(world)) as sec:
        for path, calls in (
            ("k", ["do n1", "undo n1"]),
            ("s", ["do n1", "do i1", "undo i1", "undo n1"]),
            ("s/i1", ["do n1", "undo n1"]),
        ):
            world.calls.clear()
            handle = await sec.create(saga)
            await handle.inject_error(path)
            await handle.start()
            outcome = await handle.wait()
            assert isinstance(outcome, Unwound)
            assert [error.node for error in outcome.errors] == [path]
            assert world.calls == calls


async def test_undo_errors_can_be_injected_at_constants_and_ends_of_subsagas(
    stores: Stores, world: World
) -> None:
    """Then a person must decide, as with any other."""
    inner = dag_of("i1", name="inner")
    saga = dag_of(
        "n1", [NodeFactory.constant("k", 1)], [NodeFactory.subsaga("s", inner, "n1")], "n2"
    )
    async with Sec(stores(), registry_of(world)) as sec:
        for path in ("k", "s"):
            handle = await sec.create(saga)
            await handle.inject_error("n2")
            await handle.inject_undo_error(path)
            await handle.start()
            await handle.wait()
            view = await handle.view()
            assert (view.state, view.node(path).status) == ("stuck", "undo_failed")


async def test_creating_under_an_id_that_stands_for_something_else_is_an_error(
    stores: Stores, world: World
) -> None:
    """Another name, or other params; what is there goes on undisturbed."""
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(SAGA, {"n": 1})
        with pytest.raises(SagaExists, match='it is a "s"'):
            await sec.create(dag_of("n1", name="t"), {"n": 1}, id=handle.id)
        with pytest.raises(SagaExists, match="its params are others"):
            await sec.create(SAGA, {"n": 2}, id=handle.id)
        with pytest.raises(SagaExists):
            await sec.run(SAGA, {"n": 2}, id=handle.id)
        await handle.start()
        assert await handle.wait() == Succeeded("n2")
        assert len((await sec.list()).items) == 1
    assert world.calls == ["do n1", "do n2"]


async def test_starting_an_unknown_id_is_an_error(stores: Stores, world: World) -> None:
    """As is anything else that is asked of it."""
    async with Sec(stores(), registry_of(world)) as sec:
        handle = sec.handle(UUID(int=1))
        for ask in (handle.start, handle.wait, handle.result, handle.view):
            with pytest.raises(NoSuchSaga, match=str(handle.id)):
                await ask()
        with pytest.raises(NoSuchSaga):
            await handle.inject_error("n1")


async def test_starting_twice_is_an_error(stores: Stores, world: World) -> None:
    """While it runs, after it ended, and for the next coordinator; and harms nothing."""
    gate = world.hold("do n1")
    async with Sec(stores(), registry_of(world)) as sec:
        handle = await sec.create(SAGA)
        await handle.start()
        with pytest.raises(SagaStateError, match="it is already started"):
            await handle.start()
        await gate.entered.wait()
        with pytest.raises(SagaStateError):
            await handle.start()
        gate.open()
        assert await handle.wait() == Succeeded("n2")
        with pytest.raises(SagaStateError, match=r"cannot start saga .*: it is succeeded"):
            await handle.start()
        with pytest.raises(SagaStateError, match="cannot inject a fault into saga"):
            await handle.inject_error("n1")
    async with Sec(stores(), registry_of(world)) as sec:
        with pytest.raises(SagaStateError):
            await sec.handle(handle.id).start()
        kinds = [event.kind for event in (await sec.get(handle.id)).events]
    assert kinds.count(EventKind.START_REQUESTED) == 1
    assert world.calls == ["do n1", "do n2"]
