"""The actions of the provisioning saga, each with its undo: a thin face of the machine.

All undos accept an unknown outcome, and treat it like a known one: what there is to take
back is found by its ticket, which is the effect key, and not in what the do returned.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.provision.ledger import NotHeldError, NothingFreeError
from examples.provision.machine import Machine
from examples.provision.mischief import Mischief
from examples.provision.model import (
    Address,
    Configuration,
    Disk,
    Instance,
    PickedServer,
    Request,
    Server,
    ServerParams,
    Service,
    Volume,
)
from sagacity import ActionFailed, Context, action


@dataclass(frozen=True, slots=True)
class Tools:
    """What the actions work with: the `deps` of the coordinator."""

    machine: Path
    mischief: Mischief
    say: Callable[[str], None]


@contextmanager
def acting(ctx: Context[Tools], *, undo: bool = False) -> Generator[Machine]:
    """Give the machine to one attempt, every change watched by the mischief."""
    watch = ctx.deps.mischief.at(ctx.node_name, undo=undo, attempt=ctx.attempt)
    yield Machine(ctx.deps.machine, watch.before_change)
    watch.before_return()


@action(label="InstanceCreate")
def instance_create(ctx: Context[Tools], request: Request) -> Instance:
    with acting(ctx) as machine:
        return machine.create_instance(ctx.effect_key, request.instance_name)


@instance_create.undo
def instance_destroy(ctx: Context[Tools], instance: Instance | None) -> None:
    with acting(ctx, undo=True) as machine:
        machine.delete_instance(ctx.effect_key)


@action(label="ServerAllocParams", read_only=True)
def server_alloc_params(ctx: Context[Tools], request: Request) -> ServerParams:
    with acting(ctx):
        return ServerParams(room_mib=request.volume_mib)


@action(label="VpcAllocIp")
def vpc_alloc_ip(ctx: Context[Tools]) -> Address:
    with acting(ctx) as machine:
        try:
            return machine.take_address(ctx.effect_key)
        except NothingFreeError as error:
            raise ActionFailed(str(error)) from error


@vpc_alloc_ip.undo
def vpc_free_ip(ctx: Context[Tools], address: Address | None) -> None:
    with acting(ctx, undo=True) as machine:
        machine.free_address(ctx.effect_key)


@action(label="VolumeCreate")
def volume_create(ctx: Context[Tools], request: Request) -> Volume:
    with acting(ctx) as machine:
        return machine.create_volume(ctx.effect_key, request.volume_mib)


@volume_create.undo
def volume_destroy(ctx: Context[Tools], volume: Volume | None) -> None:
    with acting(ctx, undo=True) as machine:
        machine.delete_volume(ctx.effect_key)


@action(label="ServerPick")
def server_pick(ctx: Context[Tools], params: ServerParams) -> PickedServer:
    with acting(ctx) as machine:
        try:
            return machine.pick_server(ctx.effect_key, params.room_mib)
        except NothingFreeError as error:
            raise ActionFailed(str(error)) from error


@server_pick.undo
def server_unpick(ctx: Context[Tools], server: PickedServer | None) -> None:
    with acting(ctx, undo=True) as machine:
        machine.unpick_server(ctx.effect_key)


@action(label="ServerReserve")
def server_reserve(ctx: Context[Tools], picked: PickedServer) -> Server:
    with acting(ctx) as machine:
        try:
            return machine.reserve_server(ctx.effect_key, picked)
        except NotHeldError as error:
            raise ActionFailed(str(error)) from error


@server_reserve.undo
def server_unreserve(ctx: Context[Tools], server: Server | None) -> None:
    with acting(ctx, undo=True) as machine:
        machine.cancel_reservation(ctx.effect_key)


@action(label="InstanceConfigure")
def instance_configure(ctx: Context[Tools], made_of: Configuration) -> Configuration:
    with acting(ctx) as machine:
        machine.configure(made_of)
        return made_of


@instance_configure.undo
def instance_unconfigure(
    ctx: Context[Tools], written: Configuration | None, made_of: Configuration
) -> None:
    with acting(ctx, undo=True) as machine:
        machine.unconfigure(made_of.instance)


@action(label="VolumeAttach")
def volume_attach(ctx: Context[Tools], volume: Volume, instance: Instance) -> Disk:
    with acting(ctx) as machine:
        return machine.attach(volume, instance)


@volume_attach.undo
def volume_detach(
    ctx: Context[Tools], disk: Disk | None, volume: Volume, instance: Instance
) -> None:
    with acting(ctx, undo=True) as machine:
        machine.detach(volume, instance)


@action(label="InstanceBoot")
def instance_boot(ctx: Context[Tools], made_of: Configuration) -> Service:
    with acting(ctx) as machine:
        machine.boot(made_of.instance, made_of.address)
        return Service(made_of.address.url, made_of)


@instance_boot.undo
def instance_shut_down(
    ctx: Context[Tools], service: Service | None, made_of: Configuration
) -> None:
    with acting(ctx, undo=True) as machine:
        machine.shut_down(made_of.instance)


@action(name="print", label="Print", no_undo="harmless")
def print_service(ctx: Context[Tools], service: Service) -> Service:
    with acting(ctx):
        ctx.deps.say(f"{service.made_of.instance.name} answers at {service.url}")
        return service
