"""Steno's provisioning saga as it is: the DAG built as data, and toy actions by look-up."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sagacity import ActionFunc, ActionRegistry, Context, Dag, DagBuilder, Node

SAGA_ID: Final = UUID("049b2522-308d-442e-bc65-9bfaef863597")
PARAMS: Final = {"instance_name": "fake-o instance", "number_of_instances": 1}


# -- the actions: they look things up and return what Steno's toys return ---------------


async def instance_create(ctx: Context) -> int:
    assert ctx.params()["number_of_instances"] == 1
    return 1211


async def vpc_alloc_ip(ctx: Context) -> str:
    assert ctx.lookup("instance_id", int) == 1211
    return "10.120.121.122"


async def volume_create(ctx: Context) -> int:
    assert ctx.lookup("instance_id", int) == 1211
    return 1213


async def server_pick(ctx: Context) -> int:
    assert ctx.params() == {"number_of_things": 1}
    return 1212


async def server_reserve(ctx: Context) -> dict[str, int]:
    return {"server_id": ctx.lookup("server_id", int)}


async def instance_configure(ctx: Context) -> None:
    assert ctx.lookup("server_alloc") == {"server_id": 1212}
    assert ctx.lookup("instance_ip", str) == "10.120.121.122"


async def volume_attach(ctx: Context) -> None:
    assert ctx.lookup("volume_id", int) == 1213


async def instance_boot(ctx: Context) -> None:
    assert ctx.lookup("server_alloc") == {"server_id": 1212}


async def print_result(ctx: Context) -> str:
    assert ctx.lookup("instance_id", int) == 1211
    return "it worked"


async def undo(ctx: Context) -> None:
    """Take back nothing: the toys did nothing."""


REGISTRY: Final = ActionRegistry()
for _name, _do in (
    ("instance_create", instance_create),
    ("vpc_alloc_ip", vpc_alloc_ip),
    ("volume_create", volume_create),
    ("server_pick", server_pick),
    ("server_reserve", server_reserve),
    ("instance_configure", instance_configure),
    ("volume_attach", volume_attach),
    ("instance_boot", instance_boot),
    ("print", print_result),
):
    REGISTRY.register(ActionFunc(_name, _do, undo))


def server_alloc_dag() -> Dag:
    """Return the subsaga that picks and reserves a server."""
    builder = DagBuilder("server-alloc", on_stuck="halt")
    builder.append(Node.action("server_id", "ServerPick", "server_pick"))
    builder.append(Node.action("server_reserve", "ServerReserve", "server_reserve"))
    return builder.build()


def provision_dag() -> Dag:
    """Return Steno's provisioning saga."""
    builder = DagBuilder("DemoVmProvision", on_stuck="halt")
    builder.append(Node.action("instance_id", "InstanceCreate", "instance_create"))
    builder.append(Node.constant("server_alloc_params", {"number_of_things": 1}))
    builder.append_parallel(
        [
            Node.action("instance_ip", "VpcAllocIp", "vpc_alloc_ip"),
            Node.action("volume_id", "VolumeCreate", "volume_create"),
            Node.subsaga("server_alloc", server_alloc_dag(), "server_alloc_params"),
        ]
    )
    builder.append(Node.action("instance_configure", "InstanceConfigure", "instance_configure"))
    builder.append(Node.action("volume_attach", "VolumeAttach", "volume_attach"))
    builder.append(Node.action("instance_boot", "InstanceBoot", "instance_boot"))
    builder.append(Node.action("print", "Print", "print"))
    return builder.build()
