"""Standard output and standard error that may lose their reader.

`sagacity run ... | head -1` must do what it does without the pipe: a saga does not end
another way, and an exit code does not change, because nobody reads any more. So what
nobody reads is dropped where it leaves the process, below everything that prints: the
result, progress, the log, rich and the code of users.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _UntilNobodyReads(io.FileIO):
    """A file descriptor of the process; what is written after its reader is gone is dropped."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def outlive_readers() -> None:
    """Put streams in the place of Python's own that go on when their reader has gone.

    An odd encoding does not stop them either: it must not turn a name with an umlaut
    into a crash.
    """
    sys.stdout = _stream(sys.stdout, 1)
    sys.stderr = _stream(sys.stderr, 2)


def _stream(before: TextIO | None, descriptor: int) -> TextIO:
    if before is None:
        # Closed by who started us (`>&-`): else the store would get this descriptor, and
        # what a child process prints would be written into the middle of it.
        _take(descriptor)
        return open(descriptor, "w", encoding="utf-8", closefd=False)
    if not isinstance(before, io.TextIOWrapper):
        return before
    before.flush()
    raw = _UntilNobodyReads(descriptor, "w", closefd=False)
    return io.TextIOWrapper(
        # As PYTHONUNBUFFERED has it: `io` takes a raw file there, though it is not typed so.
        raw if before.write_through else io.BufferedWriter(raw),
        encoding=before.encoding,
        errors="backslashreplace",
        line_buffering=before.line_buffering,
        write_through=before.write_through,
    )


def _take(descriptor: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != descriptor:
        os.dup2(opened, descriptor)
        os.close(opened)
