"""The machine of the provisioning example: what its checker finds, and whom its kills may hit."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from examples.provision.checker import check
from examples.provision.hands import unfinished
from examples.provision.ledger import NothingFreeError
from examples.provision.machine import Machine
from examples.provision.model import Configuration, Instance
from examples.provision.probe import wait_until


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A new machine, and no process of it after the test."""
    machine = Machine(tmp_path / "machine")
    yield machine
    for directory in machine.instances.iterdir() if machine.instances.exists() else ():
        machine.process(directory.name).end()


def booted(machine: Machine, saga: str = "saga") -> Configuration:
    """Do what the saga does."""
    instance = machine.create_instance(f"{saga}/instance", "web")
    address = machine.take_address(f"{saga}/address")
    volume = machine.create_volume(f"{saga}/volume", 1)
    picked = machine.pick_server(f"{saga}/pick", 1)
    server = machine.reserve_server(f"{saga}/reserve", picked)
    made_of = Configuration(instance, address, volume, server)
    machine.configure(made_of)
    machine.attach(volume, instance)
    machine.boot(instance, address)
    return made_of


def process_id(machine: Machine, instance: Instance) -> int:
    return int((machine.instances / instance.id / "process").read_text())


# -- the checker ----------------------------------------------------------------------------


def test_a_whole_instance_is_whole(machine: Machine) -> None:
    """The checker finds nothing wrong with what is right."""
    made_of = booted(machine)

    report = check(machine)

    assert report.leftovers == []
    assert report.serving == [made_of]


def remove_disk(machine: Machine, made_of: Configuration) -> None:
    (machine.instances / made_of.instance.id / "disk").unlink()


def remove_record(machine: Machine, made_of: Configuration) -> None:
    (machine.instances / made_of.instance.id / "record.json").unlink()


def damage_volume(machine: Machine, made_of: Configuration) -> None:
    with (machine.volumes / made_of.volume.id).open("r+b") as volume:
        volume.write(b"damage")


def swap_disk(machine: Machine, made_of: Configuration) -> None:
    disk = machine.instances / made_of.instance.id / "disk"
    data = disk.read_bytes()
    disk.unlink()
    disk.write_bytes(data)


def kill_process(machine: Machine, made_of: Configuration) -> None:
    machine.shut_down(made_of.instance)


def free_address(machine: Machine, made_of: Configuration) -> None:
    machine.free_address(made_of.address.ticket)


def unreserve_server(machine: Machine, made_of: Configuration) -> None:
    machine.cancel_reservation(made_of.server.reservation)


def hold_server(machine: Machine, made_of: Configuration) -> None:
    machine.pick_server("another/pick", 1)


def leave_file(machine: Machine, made_of: Configuration) -> None:
    unfinished(machine.volumes / "vol-of-nobody").write_bytes(b"")


def leave_directory(machine: Machine, made_of: Configuration) -> None:
    (machine.instances / "i-of-nobody").mkdir()


def hide_process(machine: Machine, made_of: Configuration) -> None:
    """Take everything down but the process, even its lock: only what it does betrays it."""
    directory = machine.instances / made_of.instance.id
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()


@pytest.mark.parametrize(
    "spoil",
    [
        remove_disk,
        remove_record,
        damage_volume,
        swap_disk,
        kill_process,
        free_address,
        unreserve_server,
        hold_server,
        leave_file,
        leave_directory,
        hide_process,
    ],
)
def test_the_checker_finds_what_is_wrong(
    machine: Machine, spoil: Callable[[Machine, Configuration], None]
) -> None:
    """One thing is spoilt, and the report is not clean."""
    made_of = booted(machine)
    running = process_id(machine, made_of.instance)

    spoil(machine, made_of)

    try:
        assert check(machine).leftovers != []
    finally:
        if spoil is hide_process:
            os.kill(running, signal.SIGKILL)


# -- processes --------------------------------------------------------------------------------


def test_a_process_that_hangs_is_ended(machine: Machine) -> None:
    """It need not be willing: a stopped process is killed and leaves nothing."""
    made_of = booted(machine)
    os.kill(process_id(machine, made_of.instance), signal.SIGSTOP)

    machine.shut_down(made_of.instance)

    assert not machine.process(made_of.instance.id).lives()
    assert not (machine.instances / made_of.instance.id / "process").exists()


def test_a_reused_process_id_harms_nobody(machine: Machine) -> None:
    """The id of a dead process may be an innocent's by now; without the lock it is a number."""
    made_of = booted(machine)
    lock = machine.instances / made_of.instance.id / "process"
    process = machine.process(made_of.instance.id)
    os.kill(process_id(machine, made_of.instance), signal.SIGKILL)
    wait_until(lambda: not process.lives(), 10, "the end of the process")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        lock.write_text(f"{innocent.pid}\n")

        machine.shut_down(made_of.instance)

        assert innocent.poll() is None
        innocent.communicate(b"\n")
    assert innocent.returncode == 0


def test_booting_again_finds_the_process_that_runs(machine: Machine) -> None:
    """A do that runs again starts no second process."""
    made_of = booted(machine)
    first = process_id(machine, made_of.instance)

    machine.boot(made_of.instance, made_of.address)

    assert process_id(machine, made_of.instance) == first
    assert check(machine).leftovers == []


def test_an_address_in_use_by_others_is_not_taken(machine: Machine) -> None:
    """The pool is ours, the ports are not: where another listens, the next address is taken."""
    first = machine.take_address("one/address")
    machine.free_address("one/address")
    with socket.create_server((first.host, first.port)):
        second = machine.take_address("two/address")

    assert second.port != first.port


# -- tickets -------------------------------------------------------------------------------------


def test_a_ticket_takes_one_thing_however_often(machine: Machine) -> None:
    """The same ticket gives the same address, and others get the rest until there is none."""
    taken = [machine.take_address(f"{saga}/address") for saga in "aabbccdd"]

    assert taken[::2] == taken[1::2]
    assert len({address.port for address in taken}) == 4
    with pytest.raises(NothingFreeError):
        machine.take_address("e/address")


def test_undos_are_content_with_nothing(machine: Machine) -> None:
    """An undo may come when its do never began, and may come twice."""
    made_of = booted(machine)
    nothing = Machine(machine.root.with_name("other"))
    for place in (nothing, machine, machine):
        if place is nothing:
            place.root.mkdir()
        place.shut_down(made_of.instance)
        place.detach(made_of.volume, made_of.instance)
        place.unconfigure(made_of.instance)
        place.cancel_reservation(made_of.server.reservation)
        place.unpick_server(made_of.server.ticket)
        place.free_address(made_of.address.ticket)
        place.delete_volume(made_of.volume.ticket)
        place.delete_instance(made_of.instance.ticket)

    assert check(nothing).leftovers == []
    assert check(machine).leftovers == []
    assert check(machine).serving == []
