"""On which kind of file system a file is, where the system tells."""

from __future__ import annotations

from pathlib import Path
from typing import Final

NETWORK: Final = frozenset(
    {"afs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3"}
    | {"smbfs"}
)
MOUNTS: Final = Path("/proc/self/mounts")


def network_file_system(path: Path) -> str:
    """Return the kind of network file system that `path` is on; "" if none that we know of.

    Only Linux tells. Elsewhere a wrong place shows when the write-ahead log cannot be
    kept, or not at all.
    """
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    return network_kind(mounts, path.resolve())


def network_kind(mounts: str, path: Path) -> str:
    """Return the kind, if it is a network's, of the mount that `path` is below."""
    depth, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:  # noqa: PLR2004 - device, place, kind
            continue
        place = Path(fields[1].replace("\\040", " "))
        # Of two mounts on one place the later hides the earlier.
        if path.is_relative_to(place) and len(place.parts) >= depth:
            depth, kind = len(place.parts), fields[2]
    return kind if kind in NETWORK else ""
