"""What passes between the nodes of the provisioning saga: plain, frozen, JSON-able.

Whatever holds something on the machine carries its `ticket`: the effect key of the node
that took it. By its ticket an effect is found again, whoever asks and however often: the
do that runs again after a crash, the undo that was never told what the do returned, the
teardown a week later.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asks for: the params of the saga."""

    instance_name: str
    volume_mib: int = 4


@dataclass(frozen=True, slots=True)
class Instance:
    """A virtual machine, so far in name only."""

    id: str
    name: str
    ticket: str


@dataclass(frozen=True, slots=True)
class Address:
    """A loopback address, taken from the pool."""

    host: str
    port: int
    ticket: str

    @property
    def url(self) -> str:
        """Where the instance will answer."""
        return f"http://{self.host}:{self.port}/"


@dataclass(frozen=True, slots=True)
class Volume:
    """A file full of data, and what its data must add up to."""

    id: str
    size_bytes: int
    sha256: str
    ticket: str


@dataclass(frozen=True, slots=True)
class ServerParams:
    """The params of the subsaga: how much room the server must have."""

    room_mib: int


@dataclass(frozen=True, slots=True)
class PickedServer:
    """A server that is held for us, not yet reserved."""

    id: str
    ticket: str


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ours: the ticket of who picked it, and of who reserved it."""

    id: str
    ticket: str
    reservation: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that an instance is made of; on disk it is what the service starts from."""

    instance: Instance
    address: Address
    volume: Volume
    server: Server


@dataclass(frozen=True, slots=True)
class Disk:
    """A volume that is attached."""

    volume_id: str
    instance_id: str


@dataclass(frozen=True, slots=True)
class Service:
    """The result of the saga: something that answers."""

    url: str
    made_of: Configuration
