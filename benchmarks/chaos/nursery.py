"""Forks workers on demand: a process that has imported everything, and has no threads.

A line of JSON is a job; the answer is the process id of who does it. Workers die with the
nursery, and the nursery ends when nobody can ask any more.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import signal
import sys
import traceback
from typing import Final

from benchmarks.chaos.worker import Job, work

PR_SET_PDEATHSIG: Final = 1


def fork(job: Job) -> int:
    """Return the process id of a new worker."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        asyncio.run(work(job))
        status = 0
    except BaseException:  # noqa: BLE001 - it must not go on as the nursery
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    """Serve standard input."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    for line in sys.stdin:
        pid = fork(Job(*json.loads(line)))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
