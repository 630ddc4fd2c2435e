"""The sagas of `sagacity demo`: a server is provisioned, with a subsaga for its network.

A module like any user's: `sagacity graph sagacity.cli.demo_saga:provision`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from sagacity import ActionFailed, Context, action, saga


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted. `broken` names what shall go wrong; `pace` is how slow all is, in seconds."""

    server: str
    broken: str = ""
    pace: float = 0.4


async def _work(ctx: Context[Any], share: float) -> None:
    await asyncio.sleep(ctx.params(Order).pace * share)


async def _take(ctx: Context[Any], share: float) -> None:
    await _work(ctx, share)
    order = ctx.params(Order)
    if order.broken == ctx.node_name:
        raise ActionFailed(f"no more room for {order.server}", data={"free": 0})


@action(atomic=True)
async def reserve_quota(ctx: Context[Any]) -> int:
    """Take four cores out of the quota."""
    await _take(ctx, 1)
    return 4


@reserve_quota.undo
async def release_quota(ctx: Context[Any], cores: int) -> None:
    """Give the cores back."""
    ctx.log.debug("give the cores back: %s", cores)
    await _work(ctx, 1)


@action(atomic=True)
async def allocate_address(ctx: Context[Any]) -> str:
    """Take an address."""
    await _take(ctx, 1)
    return "10.0.0.7"


@allocate_address.undo
async def free_address(ctx: Context[Any], address: str) -> None:
    """Give the address back."""
    ctx.log.debug("give the address back: %s", address)
    await _work(ctx, 1)


@action(atomic=True)
async def register_name(ctx: Context[Any], order: Order, address: str) -> str:
    """Give the address a name."""
    await _take(ctx, 1)
    return f"{order.server}.example at {address}"


@register_name.undo
async def remove_name(ctx: Context[Any], name: str) -> None:
    """Take the name away."""
    ctx.log.debug("take the name away: %s", name)
    await _work(ctx, 1)


@action(atomic=True)
async def create_disk(ctx: Context[Any]) -> str:
    """Make a disk, which takes longest."""
    await _take(ctx, 3)
    return "disk-1"


@create_disk.undo
async def delete_disk(ctx: Context[Any], disk: str) -> None:
    """Delete the disk."""
    ctx.log.debug("delete the disk: %s", disk)
    await _work(ctx, 2)


@action(atomic=True)
async def boot(ctx: Context[Any], name: str, disk: str) -> str:
    """Start the server."""
    await _take(ctx, 2)
    return f"{name} runs from {disk}"


@boot.undo
async def shut_down(ctx: Context[Any], told: str) -> None:
    """Stop the server."""
    ctx.log.debug("stop the server: %s", told)
    await _work(ctx, 1)


@saga
def network(order: Order) -> str:
    """Give the server an address, then a name for it."""
    return register_name.node(order, allocate_address.node())


@saga
def provision(order: Order) -> str:
    """Reserve quota; network and disk at the same time; then boot."""
    quota = reserve_quota.node()
    name = network.options(after=[quota]).node(order)
    disk = create_disk.options(after=[quota]).node()
    return boot.node(name, disk)
