"""The machine's hands: every change of its files is one of these calls.

Each change is whole or not there, and nothing is left that `remove` would not find: a
file is written beside its place under a name that follows from its own, and moved in.
`before_change` is told before each change, so that a test or the `--fail` and `--kill-at`
of this example can stop the program at every point where a crash could make a difference.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

BeforeChange: TypeAlias = Callable[[str], None]


def go_on(change: str) -> None:
    """Let every change happen."""


def unfinished(path: Path) -> Path:
    """Return where a file is written before it is moved to `path`."""
    return path.with_name(f"{path.name}.part")


class Hands:
    """Changes of files, each told to `before_change` first."""

    def __init__(self, before_change: BeforeChange = go_on) -> None:
        self.before_change = before_change

    def write(self, path: Path, chunks: Iterable[bytes]) -> None:
        """Put a file at `path`. Nobody ever sees a part of it there; again is no harm."""
        part = unfinished(path)
        with part.open("wb") as file:
            for chunk in chunks:
                self.before_change(f"write {part.name}")
                file.write(chunk)
                file.flush()
            os.fsync(file.fileno())
        self.before_change(f"move {part.name} to {path.name}")
        part.replace(path)
        _sync(path.parent)

    def link(self, path: Path, target: Path) -> None:
        """Give the file `target` a second name; again is no harm.

        Raises:
            FileExistsError: another file has this name.
        """
        if path.exists() and path.samefile(target):
            return
        self.before_change(f"link {path.name} to {target.name}")
        path.hardlink_to(target)
        _sync(path.parent)

    def remove(self, path: Path) -> None:
        """See to it that there is no such file, nor one that was begun to be written."""
        for each in (unfinished(path), path):
            if each.exists():
                self.before_change(f"remove {each.name}")
                each.unlink(missing_ok=True)
                _sync(path.parent)

    def remove_directory(self, path: Path) -> None:
        """See to it that there is no such directory.

        Raises:
            OSError: something is still in it.
        """
        if path.exists():
            self.before_change(f"remove directory {path.name}")
            path.rmdir()
            _sync(path.parent)


def _sync(directory: Path) -> None:
    """Make names durable: a file's own fsync says nothing about the directory it is in."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
