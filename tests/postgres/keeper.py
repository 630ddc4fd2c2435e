"""Keeps one server for all test processes of a run, for as long as one of them lives.

Each process holds a connection to the keeper's socket. When the last has gone, in whatever
way, the keeper stops the server and deletes it: nothing is left behind by a killed run.
"""

from __future__ import annotations

import fcntl
import selectors
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.postgres.server import Server

FIRST_SECONDS: Final = 60.0
"""How long to wait for the first client."""
READY: Final = b"ready\n"


class KeptServer:
    """A connection to the keeper of a run; the first to come starts it."""

    def __init__(self, folder: Path) -> None:
        """Find the keeper in `folder`, which all processes of the run share."""
        with (folder / "postgres.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = folder / "postgres.socket"
            connection = _connected(path)
            if connection is None:
                path.unlink(missing_ok=True)
                _start_keeper(path)
                connection = _connected(path)
        assert connection is not None
        self._connection: Final = connection
        with connection.makefile() as lines:
            self.url: Final = lines.readline().strip()
        assert self.url, "the keeper of the PostgreSQL server has gone"

    def close(self) -> None:
        """Need the server no more."""
        self._connection.close()


def _connected(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


def _start_keeper(path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    # Not waited for here: it outlives whoever started it, and not the last that needs it.
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.postgres.keeper", path],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert keeper.stdout is not None
    with keeper.stdout:
        assert keeper.stdout.readline() == READY, "the keeper of the PostgreSQL server failed"
    keeper.returncode = 0  # not ours to wait for: no warning when the object goes


def keep(path: Path) -> None:
    """Run a server until nobody is connected any more."""
    server = Server()
    try:
        server.start()
        with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as waiting:
            listener.bind(str(path))
            listener.listen()
            waiting.register(listener, selectors.EVENT_READ)
            sys.stdout.buffer.write(READY)
            sys.stdout.close()
            _serve(listener, waiting, f"{server.url()}\n".encode())
            path.unlink(missing_ok=True)
    finally:
        server.remove()


def _serve(listener: socket.socket, waiting: selectors.BaseSelector, url: bytes) -> None:
    clients = 0
    while ready := waiting.select(None if clients else FIRST_SECONDS):
        for key, _ in ready:
            if key.fileobj is listener:
                client, _ = listener.accept()
                client.sendall(url)
                waiting.register(client, selectors.EVENT_READ)
                clients += 1
            else:
                # Clients say nothing: this is the end of one.
                waiting.unregister(key.fileobj)
                clients -= 1
        if not clients:
            return


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
