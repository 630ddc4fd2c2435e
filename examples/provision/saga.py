"""The provisioning saga, in the shape of Steno's demo; and the one that tears down again.

instance_id - server_alloc_params -+- instance_ip ------------------------+- instance_configure -
                                   +- volume_id --------------------------+
                                   +- server_alloc: server_id - server_reserve

... - volume_attach - instance_boot - print
"""

from __future__ import annotations

from examples.provision.actions import (
    Tools,
    acting,
    instance_boot,
    instance_configure,
    instance_create,
    print_service,
    server_alloc_params,
    server_pick,
    server_reserve,
    volume_attach,
    volume_create,
    vpc_alloc_ip,
)
from examples.provision.model import Configuration, Request, Server, ServerParams, Service
from sagacity import Context, action, saga


@saga(name="server-alloc")
def server_alloc(params: ServerParams) -> Server:
    """Pick a server and reserve it."""
    server = server_pick.options(node="server_id").node(params)
    return server_reserve.node(server)


@saga(name="provision")
def provision(request: Request) -> Service:
    """Make an instance that answers, out of an address, a volume and a server."""
    instance = instance_create.options(node="instance_id").node(request)
    params = server_alloc_params.options(after=[instance]).node(request)
    address = vpc_alloc_ip.options(node="instance_ip", after=[params]).node()
    volume = volume_create.options(node="volume_id", after=[params]).node(request)
    server = server_alloc.options(node="server_alloc").node(params)
    made_of = instance_configure.node(Configuration(instance, address, volume, server))
    disk = volume_attach.options(after=[made_of]).node(volume, instance)
    service = instance_boot.options(after=[disk]).node(made_of)
    return print_service.node(service)


# -- tearing down -------------------------------------------------------------------
#
# Forward only: what is released stays released, and a step that failed is done by the next
# `down`. The configuration goes last, because it says what there is to release.


@action(label="InstanceStop", no_undo="harmless")
def instance_stop(ctx: Context[Tools], made_of: Configuration) -> Configuration:
    with acting(ctx) as machine:
        machine.shut_down(made_of.instance)
        return made_of


@action(label="VolumeDelete", no_undo="harmless")
def volume_delete(ctx: Context[Tools], made_of: Configuration) -> bool:
    with acting(ctx) as machine:
        machine.detach(made_of.volume, made_of.instance)
        machine.delete_volume(made_of.volume.ticket)
        return True


@action(label="ServerRelease", no_undo="harmless")
def server_release(ctx: Context[Tools], made_of: Configuration) -> bool:
    with acting(ctx) as machine:
        machine.cancel_reservation(made_of.server.reservation)
        machine.unpick_server(made_of.server.ticket)
        return True


@action(label="VpcFreeIp", no_undo="harmless")
def ip_release(ctx: Context[Tools], made_of: Configuration) -> bool:
    with acting(ctx) as machine:
        machine.free_address(made_of.address.ticket)
        return True


@action(label="InstanceDelete", no_undo="harmless")
def instance_delete(ctx: Context[Tools], made_of: Configuration) -> str:
    with acting(ctx) as machine:
        machine.unconfigure(made_of.instance)
        machine.delete_instance(made_of.instance.ticket)
        return made_of.instance.name


@saga(name="teardown")
def teardown(made_of: Configuration) -> str:
    """Take an instance down, and give back all that it is made of."""
    stopped = instance_stop.node(made_of)
    released = [
        volume_delete.node(stopped),
        server_release.node(stopped),
        ip_release.node(stopped),
    ]
    return instance_delete.options(after=released).node(stopped)
