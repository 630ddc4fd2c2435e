"""An action that cancels the task that it runs in harms its own saga only."""

from __future__ import annotations

import asyncio
from typing import Any

from sagacity import ActionFunc, ActionRegistry, DagBuilder, Node, Sec, Unwound, open_store


async def test_an_action_that_cancels_its_own_task_fails_and_its_saga_unwinds() -> None:
    """The cancellation is the action's error, and does not hit what runs after it."""

    async def fine(_ctx: Any) -> None: ...

    async def cancels_itself(_ctx: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async def cancels_late(_ctx: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()  # and ends before it is delivered

    for cancels, state in ((cancels_itself, Unwound), (cancels_late, None)):
        first, second = ActionFunc("fine", fine, fine), ActionFunc("cancels", cancels)
        registry = ActionRegistry()
        registry.register(first)
        registry.register(second)
        builder = DagBuilder("self-cancelling")
        builder.append(Node.action("first", "First", first))
        builder.append(Node.action("second", "Second", second))
        builder.append(Node.action("third", "Third", first))
        async with Sec(open_store("memory://"), registry) as sec:
            handle = await sec.create(builder.build())
            await handle.start()

            outcome = await handle.wait()

        assert (type(outcome) is Unwound) is (state is Unwound), outcome
