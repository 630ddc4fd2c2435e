"""The machine: a directory with instances, volumes and a ledger, and processes that serve them.

Each method is a do or its undo. A do can be called again with the same ticket and gives
the same; an undo needs no more than the ticket, and is content when there is nothing. It
knows nothing of sagas.

    ledger.db               who holds which address and server
    volumes/ID              a volume
    volumes/ID.attached     which instance it is attached to
    instances/ID/record.json, config.json, disk (the volume, by a second name)
    instances/ID/process, console.log         see `process`
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter

from examples.provision import probe
from examples.provision.hands import BeforeChange, Hands, go_on
from examples.provision.ledger import Ledger, NotHeldError, Slot
from examples.provision.model import (
    Address,
    Configuration,
    Disk,
    Instance,
    PickedServer,
    Server,
    Volume,
)
from examples.provision.process import Process

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB: Final = 1024 * 1024
HOST: Final = "127.0.0.1"
ADDRESSES: Final = 4
SERVER_ROOMS_MIB: Final = (8, 16, 64, 64)
HEALTHY_SECONDS: Final = 15.0

CONFIGURATION: Final = TypeAdapter(Configuration)
INSTANCE: Final = TypeAdapter(Instance)


class BootError(Exception):
    """The process ended, or another answers at its address."""


class Machine:
    """The machine in the directory `root`, which is made when it is first used."""

    def __init__(self, root: Path, before_change: BeforeChange = go_on) -> None:
        self.root: Final = root.absolute()
        self.instances: Final = self.root / "instances"
        self.volumes: Final = self.root / "volumes"
        self._hands: Final = Hands(before_change)
        self.ledger: Final = Ledger(self.root / "ledger.db", inventory(self.root), before_change)

    # -- instances ------------------------------------------------------------

    def create_instance(self, ticket: str, name: str) -> Instance:
        """Record a new instance."""
        instance = Instance(name_of("i", ticket), name, ticket)
        directory = self.instances / instance.id
        directory.mkdir(parents=True, exist_ok=True)
        self._hands.write(directory / "record.json", [INSTANCE.dump_json(instance)])
        return instance

    def delete_instance(self, ticket: str) -> None:
        directory = self.instances / name_of("i", ticket)
        self._hands.remove(directory / "record.json")
        self._hands.remove_directory(directory)

    def configure(self, configuration: Configuration) -> None:
        """Write what the instance is made of."""
        path = self.instances / configuration.instance.id / "config.json"
        self._hands.write(path, [CONFIGURATION.dump_json(configuration, indent=2)])

    def unconfigure(self, instance: Instance) -> None:
        self._hands.remove(self.instances / instance.id / "config.json")

    def configurations(self) -> list[Configuration]:
        """Return what all configured instances are made of, in no order that means anything."""
        return [
            CONFIGURATION.validate_json(path.read_bytes())
            for path in sorted(self.instances.glob("*/config.json"))
        ]

    # -- addresses and servers ----------------------------------------------------

    def take_address(self, ticket: str) -> Address:
        """Take an address that is free in the ledger and where nobody else listens.

        Raises:
            NothingFreeError: there is none.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        name = self.ledger.take(
            "address", ticket, usable=lambda each: probe.is_free(*address_parts(each))
        )
        return Address(*address_parts(name), ticket)

    def free_address(self, ticket: str) -> None:
        self.ledger.free(ticket)

    def pick_server(self, ticket: str, room_mib: int) -> PickedServer:
        """Hold the smallest free server with that much room.

        Raises:
            NothingFreeError: there is none.
        """
        name = self.ledger.take("server", ticket, room_mib=room_mib, usable=lambda _: True)
        return PickedServer(name, ticket)

    def unpick_server(self, ticket: str) -> None:
        self.ledger.free(ticket)

    def reserve_server(self, ticket: str, picked: PickedServer) -> Server:
        """Turn the hold on a server into a reservation.

        Raises:
            NotHeldError: it is held by somebody else.
        """
        self.ledger.reserve(picked.id, holder=picked.ticket, ticket=ticket)
        return Server(picked.id, picked.ticket, ticket)

    def cancel_reservation(self, ticket: str) -> None:
        self.ledger.cancel_reservation(ticket)

    # -- volumes ------------------------------------------------------------------

    def create_volume(self, ticket: str, size_mib: int) -> Volume:
        """Make a volume full of data; the data follows from the ticket, so again gives the same."""
        self.volumes.mkdir(parents=True, exist_ok=True)
        volume_id = name_of("vol", ticket)
        digest = hashlib.sha256()

        def chunks() -> Iterator[bytes]:
            for chunk in volume_data(volume_id, size_mib):
                digest.update(chunk)
                yield chunk

        self._hands.write(self.volumes / volume_id, chunks())
        return Volume(volume_id, size_mib * MIB, digest.hexdigest(), ticket)

    def delete_volume(self, ticket: str) -> None:
        self._hands.remove(self.volumes / name_of("vol", ticket))

    def attach(self, volume: Volume, instance: Instance) -> Disk:
        """Give the volume to the instance, and to no other.

        Raises:
            NotHeldError: another instance has it.
        """
        record = self._attachment(volume)
        if record.exists() and record.read_text() != instance.id:
            raise NotHeldError(f"{volume.id} is attached to {record.read_text()}")
        self._hands.write(record, [instance.id.encode()])
        self._hands.link(self._disk(instance), self.volumes / volume.id)
        return Disk(volume.id, instance.id)

    def detach(self, volume: Volume, instance: Instance) -> None:
        self._hands.remove(self._disk(instance))
        self._hands.remove(self._attachment(volume))

    def _attachment(self, volume: Volume) -> Path:
        return self.volumes / f"{volume.id}.attached"

    def _disk(self, instance: Instance) -> Path:
        return self.instances / instance.id / "disk"

    # -- processes ------------------------------------------------------------------

    def process(self, instance_id: str) -> Process:
        """Return the process of an instance, whether there is one or not."""
        return Process(self.instances / instance_id, self._hands)

    def boot(self, instance: Instance, address: Address) -> None:
        """Start the instance, and return when it answers as itself at its address.

        Raises:
            BootError: it ended, or another answers there.
            TimeoutError: it lives and does not answer.
        """
        process = self.process(instance.id)
        started = False

        def is_healthy() -> bool:
            nonlocal started
            answer = probe.ask(address.host, address.port)
            if answer is not None and answer.get("instance_id") == instance.id:
                return True
            if not process.lives():
                if started:
                    raise BootError(f"{instance.id} ended: {process.last_words()}")
                started = process.start()
            return False

        probe.wait_until(is_healthy, HEALTHY_SECONDS, f"{instance.id} answers at {address.url}")

    def shut_down(self, instance: Instance) -> None:
        self.process(instance.id).end()


def name_of(prefix: str, ticket: str) -> str:
    """Return the name of what `ticket` makes: the same each time, and another's never."""
    return f"{prefix}-{hashlib.sha256(ticket.encode()).hexdigest()[:12]}"


def volume_data(volume_id: str, size_mib: int) -> Iterator[bytes]:
    """Yield the data of a volume: a greeting, then noise."""
    greeting = f"Hello from volume {volume_id}.\n".encode()
    for index in range(size_mib):
        noise = hashlib.shake_128(f"{volume_id} {index}".encode()).digest(MIB)
        yield noise if index else greeting + noise[len(greeting) :]


def address_parts(name: str) -> tuple[str, int]:
    """Split an address of the ledger into host and port."""
    host, _, port = name.rpartition(":")
    return host, int(port)


def inventory(root: Path) -> Sequence[Slot]:
    """Return what a new machine has: some addresses, and servers of several sizes.

    The ports follow from the directory, so that machines side by side seldom meet; they
    are below those that systems hand out to connections.
    """
    place = int.from_bytes(hashlib.sha256(str(root).encode()).digest()[:4])
    port = 10_000 + ADDRESSES * (place % 5_000)
    return [
        *(Slot("address", f"{HOST}:{port + index}", 0) for index in range(ADDRESSES)),
        *(
            Slot("server", f"server-{index}", room_mib)
            for index, room_mib in enumerate(SERVER_ROOMS_MIB, start=1)
        ),
    ]
