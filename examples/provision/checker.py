"""Judges the machine by itself: is what stands on it whole, and is there anything else?

It reads files, the ledger, the list of processes and asks every address. It does not
read the saga log and trusts no action: a saga that ended well leaves an instance that
answers and is made of what its configuration says; one that was taken back, nothing.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from examples.provision import probe
from examples.provision.machine import CONFIGURATION, Machine, address_parts
from examples.provision.model import Configuration
from examples.provision.process import SERVICE


@dataclass(slots=True)
class Report:
    """What is on the machine."""

    serving: list[Configuration] = field(default_factory=list[Configuration])
    """Instances that answer and are whole."""
    leftovers: list[str] = field(default_factory=list[str])
    """Everything else, one sentence each."""

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing but whole instances."""
        return not self.leftovers


def check(machine: Machine) -> Report:
    """Look at everything that the machine has."""
    report = Report()
    explained: set[Path] = set()
    for directory in _inside(machine.instances):
        configuration = _configuration(directory)
        faults = (
            ["it has no configuration"]
            if configuration is None
            else list(_faults(machine, directory, configuration))
        )
        if configuration is None or faults:
            report.leftovers.append(f"instance {directory.name}: {'; '.join(faults)}")
        else:
            report.serving.append(configuration)
            explained |= _files_of(machine, configuration)
    report.leftovers += [
        f"file {path.relative_to(machine.root)}"
        for path in _files(machine.root)
        if path not in explained and not _is_of_the_machine(machine, path)
    ]
    report.leftovers += _held_by_nobody(machine, report.serving)
    report.leftovers += _living_for_nobody(machine, report.serving)
    return report


def _faults(machine: Machine, directory: Path, made_of: Configuration) -> Iterator[str]:
    """Say what is wrong with an instance."""
    if made_of.instance.id != directory.name:
        yield f"its configuration is that of {made_of.instance.id}"
    missing = [path for path in _files_of(machine, made_of) if not path.exists()]
    yield from (f"{path.relative_to(machine.root)} is missing" for path in missing)
    disk = directory / "disk"
    volume = machine.volumes / made_of.volume.id
    if disk.exists() and volume.exists():
        if not disk.samefile(volume):
            yield "its disk is not its volume"
        if hashlib.sha256(disk.read_bytes()).hexdigest() != made_of.volume.sha256:
            yield "its volume is damaged"
    if not machine.process(directory.name).lives():
        yield "its process does not run"
    address = made_of.address
    answer = probe.ask(address.host, address.port)
    if answer is None or answer.get("instance_id") != made_of.instance.id:
        yield f"it does not answer at {address.url}"


def _held_by_nobody(machine: Machine, serving: Iterable[Configuration]) -> Iterator[str]:
    held = {
        (kind, name, holder, reserved_by)
        for made_of in serving
        for kind, name, holder, reserved_by in (
            (
                "address",
                f"{made_of.address.host}:{made_of.address.port}",
                made_of.address.ticket,
                None,
            ),
            ("server", made_of.server.id, made_of.server.ticket, made_of.server.reservation),
        )
    }
    seen: set[tuple[str, str, str, str | None]] = set()
    for slot in machine.ledger.slots():
        if slot.holder is not None:
            row = (slot.kind, slot.name, slot.holder, slot.reserved_by)
            seen.add(row)
            if row not in held:
                yield f"{slot.kind} {slot.name}: held by {slot.reserved_by or slot.holder}"
    for kind, name, holder, _ in held - seen:
        yield f"{kind} {name}: in use by {holder}, and the ledger does not say so"


def _living_for_nobody(machine: Machine, serving: Iterable[Configuration]) -> Iterator[str]:
    """Find processes in three ways that have nothing in common: locks, addresses, command lines."""
    ids = {made_of.instance.id for made_of in serving}
    for directory in _inside(machine.instances):
        if directory.name not in ids and machine.process(directory.name).lives():
            yield f"process of instance {directory.name}: it holds its lock"
    for slot in machine.ledger.slots():
        if slot.kind == "address":
            answer = probe.ask(*address_parts(slot.name)) or {}
            served = Path(answer.get("directory", "/"))
            if served.parent == machine.instances and served.name not in ids:
                yield f"process of instance {served.name}: it answers at {slot.name}"
    for instance_id, count in _processes(machine).items():
        if instance_id not in ids or count > 1:
            yield f"process of instance {instance_id}: {count} in the list of processes"


def _processes(machine: Machine) -> Counter[str]:
    """Count the processes that serve each instance of this machine, by their command lines."""
    arguments = (command.partition(f"{SERVICE} {machine.instances}/")[2] for command in _commands())
    return Counter(each.split(" ", 1)[0] for each in arguments if each)


def _commands() -> Iterator[str]:
    """Yield the command lines of all living processes."""
    proc = Path("/proc")
    if (proc / "self" / "cmdline").exists():
        for path in proc.glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it has ended, or is not ours to see
                yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    else:
        listed = subprocess.run(
            ["/bin/ps", "-axww", "-o", "command="], capture_output=True, check=True
        )
        yield from listed.stdout.decode(errors="replace").splitlines()


def _configuration(directory: Path) -> Configuration | None:
    try:
        return CONFIGURATION.validate_json((directory / "config.json").read_bytes())
    except (OSError, ValidationError):
        return None


def _files_of(machine: Machine, made_of: Configuration) -> set[Path]:
    directory = machine.instances / made_of.instance.id
    volume = machine.volumes / made_of.volume.id
    return {
        *(directory / name for name in ("record.json", "config.json", "disk")),
        *(directory / name for name in ("process", "console.log")),
        volume,
        volume.with_name(f"{volume.name}.attached"),
    }


def _is_of_the_machine(machine: Machine, path: Path) -> bool:
    """Whether the machine has this file also when nothing is on it."""
    return path.parent == machine.root and path.name.startswith("ledger.db")


def _inside(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.exists() else []


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if not path.is_dir() or (path.parent == root / "instances" and not any(path.iterdir())):
            yield path
