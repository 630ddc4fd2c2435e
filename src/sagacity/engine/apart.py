"""One call in a child process: what is sent, what the body may ask, and what came of it.

Arguments go as they are stored, results come as they will be stored: the child has the
same codecs. Errors come as records; what is raised here stands for them, and tells
`Retry(on=...)` the names of the classes.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import orjson

from sagacity.core.events import ErrorKind, ErrorRecord
from sagacity.core.isolation import place_of
from sagacity.core.values import NULL, decode, encode_again
from sagacity.errors import ActionFailed, InputMismatch, NoSuchInput, UndoFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sagacity.authoring.context import Context
    from sagacity.core.actions import Action
    from sagacity.core.values import Json

_LOGGER: Final = logging.getLogger("sagacity.actions")


class Apart:
    """A call of the do or the undo of `action`, to be made elsewhere."""

    def __init__(
        self,
        action: Action,
        context: Context[Any],
        inputs: Mapping[str, Json],
        output: Json | None,
    ) -> None:
        """`context` is that of the attempt; in an undo `output` is what it takes back."""
        self._action: Final = action
        self._context: Final = context
        self._inputs: Final = inputs
        self._output: Final = output

    def request(self) -> dict[str, Any]:
        """Return what the child needs to make the call."""
        action, context = self._action, self._context
        before = context.pulse.before
        return {
            "kind": "call",
            "action": [action.name, action.version],
            "do": _place(action.do),
            "undo": _place(action.undo) if context.is_undo else None,
            "deps": None if action.process_deps is None else _place(action.process_deps),
            "inputs": {name: orjson.Fragment(value) for name, value in self._inputs.items()},
            "output": _optional(self._output),
            "context": context.facts(),
            "before": _optional(before),
            "log_level": _LOGGER.getEffectiveLevel(),
        }

    def reply_to(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Do what the body asks, and return the answer to it, if it waits for one."""
        context = self._context
        match message:
            case {"kind": "heartbeat", "detail": detail}:
                context.pulse.beat(encode_again(detail[0]) if detail else None)
            case {"kind": "log", "level": int(level), "message": str(text), "extra": extra}:
                context.log.log(level, "%s", text, extra=extra)
            case {"kind": "lookup", "name": str(name)}:
                return _answered(lambda: context.stored_output(name))
            case {"kind": "params"}:
                return _answered(context.stored_params)
            case _:
                raise ValueError(f"a message that no child says: {message!r:.100}")
        return None


def _place(function: Any) -> list[str]:
    place = place_of(function)
    return [place.module, place.qualname]


def _optional(value: Json | None) -> list[Any]:
    return [] if value is None else [orjson.Fragment(value)]


def _answered(ask: Callable[[], Json]) -> dict[str, Any]:
    try:
        return {"kind": "reply", "value": orjson.Fragment(ask())}
    except NoSuchInput as error:
        return {"kind": "reply", "missing": str(error)}


class Elsewhere:
    """What an exception has that stands for one of another process."""

    record: ErrorRecord
    class_names: tuple[str, ...]
    """Of its class and all that it inherits from, with their modules."""

    def record_as(self, kind: ErrorKind) -> ErrorRecord:
        """Return what is stored of it."""
        told = self.record
        trace = "" if kind is ErrorKind.ACTION_FAILED else told.traceback
        return ErrorRecord(kind, told.message, told.class_name, told.data, trace)


class RaisedElsewhereError(Exception, Elsewhere):
    """Stands for an exception of the body; `record` has its class, message and traceback."""


class ActionFailedElsewhere(ActionFailed, Elsewhere):
    """Stands for an `ActionFailed`."""


class UndoFailedElsewhere(UndoFailed, Elsewhere):
    """Stands for an `UndoFailed`."""


class MismatchElsewhere(InputMismatch, Elsewhere):
    """Stands for an input that does not fit, or is not there."""


def failure(error: BaseException, kind: ErrorKind, record: ErrorRecord) -> dict[str, Any]:
    """Return the answer of a child whose call has ended with `error`."""
    return {
        "kind": "answer",
        "error": kind.value,
        "raised": (
            "action_failed" if isinstance(error, ActionFailed)
            else "undo_failed" if isinstance(error, UndoFailed)
            else "input" if isinstance(error, NoSuchInput | InputMismatch)
            else "other"
        ),
        "message": record.message,
        "class_name": record.class_name,
        "class_names": [f"{each.__module__}.{each.__qualname__}" for each in type(error).__mro__],
        "data": _optional(record.data),
        "traceback": record.traceback,
        "final": isinstance(error, ActionFailed) and error.final,
    }  # fmt: skip


def output_of(answer: dict[str, Any]) -> Json:
    """Return what a call gave, as it is stored.

    Raises:
        Exception: it could not be stored.
    """
    if answer.get("error") == ErrorKind.OUTPUT.value:
        raise _error_of(answer)
    output = answer.get("output")
    return encode_again(output[0]) if output else NULL


def raise_failure(answer: dict[str, Any]) -> None:
    """Raise what the body has raised, if it has; what cannot be stored is no error of the body."""
    if "error" in answer and answer["error"] != ErrorKind.OUTPUT.value:
        raise _error_of(answer)


def _error_of(answer: dict[str, Any]) -> BaseException:
    data = encode_again(answer["data"][0]) if answer["data"] else None
    message = str(answer["message"])
    error: RaisedElsewhereError | ActionFailedElsewhere | UndoFailedElsewhere | MismatchElsewhere
    match answer["raised"]:
        case "action_failed":
            told = None if data is None else decode(data)
            error = ActionFailedElsewhere(message, told, final=bool(answer["final"]))
        case "undo_failed":
            error = UndoFailedElsewhere(message, None if data is None else decode(data))
        case "input":
            error = MismatchElsewhere(message)
        case _:
            error = RaisedElsewhereError(message)
    error.record = ErrorRecord(
        ErrorKind(answer["error"]), message, str(answer["class_name"]), data,
        str(answer["traceback"]),
    )  # fmt: skip
    error.class_names = tuple(map(str, answer["class_names"]))
    return error
