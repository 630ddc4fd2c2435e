"""The sagas that are measured: the same shapes as in the figures of the real Steno."""

from __future__ import annotations

import asyncio
from typing import Any

from sagacity import ActionFailed, ActionFunc, ActionRegistry, Dag, DagBuilder, Node


async def _small_object(_ctx: Any) -> dict[str, Any]:
    return {"n": "node", "v": 1}


async def _twenty_ms(_ctx: Any) -> dict[str, Any]:
    await asyncio.sleep(0.02)
    return {"n": "node", "v": 1}


async def _fails(_ctx: Any) -> None:
    raise ActionFailed("no")


async def _undone(_ctx: Any) -> None:
    return None


SMALL = ActionFunc("small-object", _small_object)
SLOW = ActionFunc("twenty-ms", _twenty_ms)
UNDOABLE = ActionFunc("undoable", _small_object, _undone)
FAILS = ActionFunc("fails", _fails)
REGISTRY = ActionRegistry()
for action in (SMALL, SLOW, UNDOABLE, FAILS):
    REGISTRY.register(action)


def line(length: int, action: ActionFunc = SMALL) -> Dag:
    """Return a line of `length` actions."""
    builder = DagBuilder(f"line-{length}")
    for number in range(length):
        builder.append(Node.action(f"n{number}", "Do", action))
    return builder.build()


def failing_line(length: int) -> Dag:
    """Return a line of `length` actions of which the last fails, so that the others are undone."""
    builder = DagBuilder(f"failing-{length}")
    for number in range(length - 1):
        builder.append(Node.action(f"n{number}", "Do", UNDOABLE))
    builder.append(Node.action("last", "Fail", FAILS))
    return builder.build()


def fan(width: int) -> Dag:
    """Return one action, `width` at the same time, and one."""
    builder = DagBuilder(f"fan-{width}")
    builder.append(Node.action("first", "Do", SMALL))
    builder.append_parallel([Node.action(f"n{number}", "Do", SMALL) for number in range(width)])
    builder.append(Node.action("last", "Do", SMALL))
    return builder.build()


def stages(count: int, width: int = 2) -> Dag:
    """Return `count` stages of `width` parallel actions, and one to end with."""
    builder = DagBuilder(f"stages-{count}")
    for stage in range(count):
        builder.append_parallel(
            [Node.action(f"s{stage}n{number}", "Do", SMALL) for number in range(width)]
        )
    builder.append(Node.action("last", "Do", SMALL))
    return builder.build()
