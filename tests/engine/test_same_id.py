"""An id stands for one saga, however many ask for it, and whenever."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from sagacity import ActionFunc, ActionRegistry, Dag, DagBuilder, Node, SagaExists, Sec, open_store

ID = UUID(int=7)


def one_node(name: str = "one") -> tuple[Dag, ActionRegistry, list[int]]:
    """Return a saga of one node, its registry, and the list of its calls."""
    calls: list[int] = []

    async def do(ctx: Any) -> int:
        calls.append(1)
        return len(calls)

    action = ActionFunc("do", do)
    registry = ActionRegistry()
    registry.register(action)
    builder = DagBuilder(name)
    builder.append(Node.action("node", "Do", action))
    return builder.build(), registry, calls


async def test_runs_of_one_id_at_once_are_one_saga() -> None:
    """All get the result of the same saga, which ran once."""
    dag, registry, calls = one_node()
    async with Sec(open_store("memory://"), registry) as sec:
        results = await asyncio.gather(*(sec.run(dag, {"a": 1}, id=ID) for _ in range(10)))

    assert results == [1] * 10
    assert calls == [1]


async def test_runs_of_one_id_are_one_saga_when_there_is_no_room() -> None:
    """Also when it has to wait for a place."""
    dag, registry, calls = one_node()
    async with Sec(open_store("memory://"), registry, max_sagas=1) as sec:
        others = [sec.run(dag, {"a": 2}) for _ in range(5)]
        await asyncio.gather(*others, *(sec.run(dag, {"a": 1}, id=ID) for _ in range(5)))

    assert len(calls) == len(others) + 1


async def test_a_run_under_another_sagas_id_harms_neither_it_nor_who_waits_for_it() -> None:
    """The wrong call is told so; the right ones get their result."""
    dag, registry, _ = one_node()
    other, _, _ = one_node("another")
    async with Sec(open_store("memory://"), registry) as sec:
        handle = await sec.create(dag, {"a": 1}, id=ID)
        waiting = asyncio.ensure_future(handle.result())  # noqa: TID251 - awaited below
        await asyncio.sleep(0)
        for wrong_dag, wrong_params in ((other, {"a": 1}), (dag, {"a": 2})):
            with pytest.raises(SagaExists):
                await sec.run(wrong_dag, wrong_params, id=ID)
        await handle.start()

        assert await waiting == 1


async def test_creating_and_running_one_id_at_once_is_one_saga() -> None:
    """Create is idempotent, whoever is first."""
    dag, registry, calls = one_node()
    async with Sec(open_store("memory://"), registry) as sec:
        result, handle = await asyncio.gather(
            sec.run(dag, None, id=ID), sec.create(dag, None, id=ID)
        )

        assert await handle.result() == result

    assert calls == [1]
