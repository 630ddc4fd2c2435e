"""A small disk for the server, to be filled and made empty again: where one may be mounted."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator

SIZE: Final = "320m"
SETTINGS: Final = {"max_wal_size": "64MB", "min_wal_size": "32MB"}
"""Of the server, so that it has enough while nobody fills the disk."""
CHUNK: Final = bytes(64 * 1024)


class SmallDisk:
    """A file system of a bounded size, on which the server has a folder."""

    def __init__(self, mounted: Path) -> None:
        """Use what is mounted there."""
        self.folder: Final = mounted / "server"
        self.folder.mkdir()
        self._ballast: Final = mounted / "ballast"

    def fill(self) -> None:
        """Leave not one byte."""
        with self._ballast.open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(CHUNK)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def make_room(self) -> None:
        """Give everything back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk() -> Generator[SmallDisk | str]:
    """Mount one for a while, or say why that is not possible."""
    with tempfile.TemporaryDirectory(prefix="sagacity-disk-") as name:
        if os.geteuid() != 0:
            yield "only root may mount a small disk"
            return
        Path(name).chmod(0o755)
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "sagacity-chaos", name]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            yield f"a small disk cannot be mounted here: {done.stderr.strip()}"
            return
        try:
            yield SmallDisk(Path(name))
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)
