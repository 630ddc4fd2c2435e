"""The instance: a process that answers HTTP with what its configuration and its volume say.

Run as a script, by path, with nothing but the standard library: it knows neither sagas
nor the package it lies in. Its arguments are the instance's directory and the number of
an open file, which the parent has locked for it.

That lock is its life sign. It is on the open file itself, so this process has it from
its first instruction, before anybody could record that it exists, and loses it when it
is dead, however it dies. Into the same file it writes its process id, for who must end it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any


def main(directory: Path, lock: int) -> None:
    """Go to the background and serve until killed.

    Exits with a message when the volume is not what the configuration says.
    """
    if os.fork():  # The parent waits for this exit and so leaves no zombie behind.
        os._exit(0)
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    made_of = json.loads((directory / "config.json").read_bytes())
    disk = directory / "disk"
    if hashlib.sha256(disk.read_bytes()).hexdigest() != made_of["volume"]["sha256"]:
        sys.exit(f"the volume {disk} is damaged")
    address = made_of["address"]
    with _Server((address["host"], address["port"]), _handler(made_of, disk)) as server:
        server.serve_forever()


class _Server(ThreadingHTTPServer):
    def server_bind(self) -> None:
        # Not HTTPServer's, which asks the resolver for the host's name: that can take seconds.
        TCPServer.server_bind(self)


def _handler(made_of: Any, disk: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Say who answers, and the first line of the volume."""
            with disk.open("rb") as volume:
                greeting = volume.readline(200).decode().strip()
            answer = {
                "instance_id": made_of["instance"]["id"],
                "name": made_of["instance"]["name"],
                "server": made_of["server"]["id"],
                "volume": made_of["volume"]["id"],
                "directory": str(disk.parent),
                "says": greeting,
            }
            body = json.dumps(answer, indent=2).encode() + b"\n"
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
            """Keep the console for what goes wrong."""

    return Handler


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
