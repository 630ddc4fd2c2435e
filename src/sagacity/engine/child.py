"""The program of a child process: makes the calls that its coordinator sends, one at a time.

It ends with its coordinator, whatever it is in the middle of, and takes all that its
bodies have started with it. What a body prints goes where the coordinator's output
goes; `ctx.log`, heartbeats and look-ups go through the line to the coordinator.
"""

from __future__ import annotations

import ctypes
import importlib
import logging
import os
import queue
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson

from sagacity.authoring import Context, DeclaredAction
from sagacity.core.events import ErrorKind
from sagacity.core.isolation import find
from sagacity.core.masking import revived
from sagacity.core.values import encode, encode_again
from sagacity.engine.apart import failure
from sagacity.engine.error_records import error_record
from sagacity.engine.frames import HEAD, length_of, packed, unpacked
from sagacity.errors import NoSuchInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from sagacity.core.data import SagaData
    from sagacity.core.values import Json

_PR_SET_PDEATHSIG: Final = 1
MAX_LOG_CHARS: Final = 16_000


def main(descriptor: int) -> None:
    """Make calls until the coordinator ends, or ends this process."""
    _die_with_the_coordinator()
    line = Line(socket.socket(fileno=descriptor))
    threading.Thread(target=line.listen, name="sagacity line", daemon=True).start()
    logger = logging.getLogger("sagacity.actions")
    logger.propagate = False
    logger.addHandler(_Forwarder(line))
    line.say({"kind": "ready"})
    deps: dict[tuple[str, str], Any] = {}
    while True:
        request = line.calls.get()
        logger.setLevel(int(request["log_level"]))
        line.say(_answer(request, line, deps))


def _die_with_the_coordinator() -> None:
    """Have the system end this process with its parent, also while code of C holds the lock."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Line:
    """The line to the coordinator."""

    def __init__(self, line: socket.socket) -> None:
        """Talk over `line`."""
        self._line: Final = line
        self._saying: Final = threading.Lock()
        self._asking: Final = threading.Lock()
        self.calls: Final = queue.SimpleQueue[dict[str, Any]]()
        self._replies: Final = queue.SimpleQueue[dict[str, Any]]()

    def say(self, message: dict[str, Any]) -> None:
        """Send a message; by any thread."""
        frame = packed(message)
        with self._saying:
            self._line.sendall(frame)

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message and wait for the reply; by any thread."""
        with self._asking:
            self.say(message)
            return self._replies.get()

    def listen(self) -> None:
        """Take what comes, until nothing can come any more: then all of this ends."""
        try:
            while True:
                message = unpacked(self._receive(length_of(self._receive(HEAD.size))))
                (self.calls if message["kind"] == "call" else self._replies).put(message)
        finally:
            os.killpg(os.getpgrp(), signal.SIGKILL)

    def _receive(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count:
            part = self._line.recv(min(count, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


class _Forwarder(logging.Handler):
    """Sends what `ctx.log` says to the coordinator, where it is logged."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line
        self._usual = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                text = f"{text}\n{''.join(traceback.format_exception(record.exc_info[1]))}"
            extra = {
                name: value if isinstance(value, str | int | float) else f"{value}"
                for name, value in vars(record).items()
                if name not in self._usual and name not in {"saga_id", "node", "attempt"}
            }
            message = {"kind": "log", "level": record.levelno, "extra": extra}
            self._line.say({**message, "message": text[:MAX_LOG_CHARS]})
        except Exception:  # noqa: BLE001 - as every handler: an error in logging is no error
            self.handleError(record)


# -- a call ---------------------------------------------------------------------------------


def _answer(
    request: dict[str, Any], line: Line, deps: dict[tuple[str, str], Any]
) -> dict[str, Any]:
    kind = ErrorKind.EXCEPTION
    try:
        context = ChildContext(line, request, _deps(request["deps"], deps))
        inputs = {name: encode_again(value) for name, value in request["inputs"].items()}
        call, store = _bound(request, inputs)
        result = call(context)
        kind = ErrorKind.OUTPUT
        return {"kind": "answer", "output": [orjson.Fragment(store(result))]}
    except BaseException as error:  # noqa: BLE001 - a border: user code may raise anything
        return failure(error, kind, error_record(kind, error))


def _bound(
    request: dict[str, Any], inputs: dict[str, Json]
) -> tuple[Callable[[Any], Any], Callable[[Any], Json]]:
    """Return the call that the request is for, and what stores its result."""
    found, undo = _imported(request["do"]), request["undo"]
    if not isinstance(found, DeclaredAction):  # of the lower layer: functions, inputs as JSON
        if undo is not None:
            return _imported(undo), encode
        arguments = {name: revived(value) for name, value in inputs.items()}
        return lambda context: found(context, **arguments), encode
    action = found.typed
    if [action.name, action.version] != request["action"]:
        raise RuntimeError(
            f'this process has action "{action.name}" version {action.version} '
            f"in the place of {request['action']}"
        )
    if undo is None:
        given = action.do_arguments(inputs)
        return lambda context: action.do(context, **given), action.encode_output
    output = encode_again(request["output"][0]) if request["output"] else None
    positional, take_back = action.undo_arguments(inputs, output), action.undo
    assert take_back is not None
    return lambda context: take_back(context, *positional), encode


def _imported(place: list[str]) -> Any:
    """Return what the coordinator has registered: it says where, and no store does."""
    module, qualname = place
    found = find(importlib.import_module(module), qualname)
    if found is None:
        raise RuntimeError(f'module "{module}" has no "{qualname}" in this process')
    return found


def _deps(place: list[str] | None, made: dict[tuple[str, str], Any]) -> Any:
    if place is None:
        return NoDeps()
    key = (place[0], place[1])
    if key not in made:
        made[key] = _imported(place)()
    return made[key]


class NoDeps:
    """Stands for deps that could not come along."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(
            f"ctx.deps.{name}: the deps of the coordinator cannot travel to another process; "
            "give the action process_deps=, a function that makes them there"
        )


class _Home:
    """The saga that calls, as far as a child knows it. It is also who hears the heartbeats."""

    def __init__(self, line: Line, saga_id: UUID, epoch: int, before: Json | None) -> None:
        self._line = line
        self.saga_id = saga_id
        self.epoch = epoch
        self.before = before

    @property
    def state(self) -> SagaData:
        raise AssertionError("a child has no state of a saga")

    def pulse(self, node: int, attempt: int, *, undo: bool) -> _Home:
        del node, attempt, undo
        return self

    def connection(self, node: int) -> None:
        del node

    def beat(self, detail: Json | None) -> None:
        told = [] if detail is None else [orjson.Fragment(detail)]
        self._line.say({"kind": "heartbeat", "detail": told})


class ChildContext(Context[Any]):
    """A context whose saga is in another process."""

    __slots__ = ("_facts", "_line")

    def __init__(self, line: Line, request: dict[str, Any], deps: Any) -> None:
        """Keep what the coordinator has sent."""
        facts, before = request["context"], request["before"]
        told = encode_again(before[0]) if before else None
        super().__init__(
            _Home(line, UUID(facts["saga_id"]), facts["epoch"], told),
            -1,
            deps=deps,
            attempt=facts["attempt"],
            undo=facts["undo"],
            outcome_known=facts["outcome_known"],
            began_ms=facts["began_ms"],
        )
        self._line = line
        self._facts = facts

    @property
    def node_name(self) -> str:
        """The node's name, unique in its (sub)saga."""
        return str(self._facts["name"])

    @property
    def node_label(self) -> str:
        """The node's label, for people."""
        return str(self._facts["label"])

    @property
    def _path(self) -> str:
        return str(self._facts["path"])

    def stored_output(self, name: str) -> Json:
        return self._ask({"kind": "lookup", "name": name})

    def stored_params(self) -> Json:
        return self._ask({"kind": "params"})

    def _ask(self, message: dict[str, Any]) -> Json:
        reply = self._line.ask(message)
        if "missing" in reply:
            raise NoSuchInput(str(reply["missing"]))
        return encode_again(reply["value"])
