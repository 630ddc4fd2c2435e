"""Asking an address over HTTP who is there, and waiting for a fact: both with a limit."""

from __future__ import annotations

import errno
import http.client
import json
import socket
import time
from collections.abc import Callable
from typing import Any

ASK_SECONDS = 2.0
PAUSE_SECONDS = 0.01


def ask(host: str, port: int) -> dict[str, Any] | None:
    """Return what the service at this address says of itself.

    None when nobody is there, {} when somebody is who is none of ours.
    """
    connection = http.client.HTTPConnection(host, port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", "/")
        answer: Any = json.loads(connection.getresponse().read())
    except ConnectionRefusedError:
        return None
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    finally:
        connection.close()
    match answer:
        case {"instance_id": str(), "directory": str()}:
            return dict(answer)
        case _:
            return {}


def is_free(host: str, port: int) -> bool:
    """Whether one could listen there now."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def wait_until(fact: Callable[[], bool], seconds: float, what: str) -> None:
    """Return when `fact()` is true.

    Raises:
        TimeoutError: it did not become so in time.
    """
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        # No loop is blocked: these waits are in the worker threads of plain functions.
        time.sleep(PAUSE_SECONDS)  # noqa: TID251
