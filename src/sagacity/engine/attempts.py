"""One attempt of one node: calls the user's code and turns what comes of it into an event.

The three outcomes of an attempt are told apart here and nowhere else: succeeded,
failed without effect, unknown. Whatever the user's code raises ends here too.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from sagacity.authoring.context import Context
from sagacity.core.events import (
    MAX_MESSAGE_CHARS,
    MAX_TRACEBACK_CHARS,
    Effect,
    ErrorKind,
    ErrorRecord,
    Failed,
    How,
    Succeeded,
    UndoFailed,
    UndoFinished,
)
from sagacity.core.values import encode
from sagacity.engine.injection import INJECTED
from sagacity.errors import ActionFailed, InputMismatch, NoSuchInput, ValueNotStorable
from sagacity.errors import UndoFailed as UndoFailedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from uuid import UUID

    from sagacity.core.actions import Action
    from sagacity.core.state import SagaState
    from sagacity.core.values import Json
    from sagacity.engine.injection import Faults

MAX_ERROR_DATA_BYTES: Final = 64 * 1024


class Trying(Protocol):
    """The saga whose node is tried."""

    @property
    def saga_id(self) -> UUID:
        """Its id."""
        ...

    @property
    def epoch(self) -> int:
        """The epoch of its owner: the fencing token of the attempts."""
        ...

    @property
    def state(self) -> SagaState:
        """What its log adds up to now."""
        ...

    @property
    def faults(self) -> Faults | None:
        """What is injected into it."""
        ...

    def cuts(self, node: int) -> bool:
        """Whether the coordinator itself has cancelled the attempt of `node`."""
        ...

    def runs_in(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether `task` is one of this saga's."""
        ...


class Attempts:
    """Runs the attempts of one coordinator's sagas."""

    def __init__(self, deps: Any, threads: Executor) -> None:
        """`deps` goes to every context; `threads` runs actions that are plain functions."""
        self._deps: Final = deps
        self._threads: Final = threads

    async def run_do(
        self, saga: Trying, node: int, number: int, action: Action
    ) -> Succeeded | Failed:
        """Call the action of the node for the `number`-th time and return what came of it.

        Raises:
            asyncio.CancelledError: this task was cancelled; nothing may be recorded.
        """
        state, faults = saga.state, saga.faults
        repeat = 1
        # An earlier attempt was interrupted, and may have had its effect. Of an atomic action the
        # body can tell that there is none; what fails before it is called cannot.
        uncalled = Effect.NONE if number == 1 else Effect.POSSIBLE
        before = Effect.NONE if action.atomic else uncalled
        if faults is not None:
            if node in faults.errors:
                return Failed(node, INJECTED, uncalled)
            repeat = faults.repeats.get(node, (1, 1))[0]
        try:
            arguments = action.do_arguments(state.inputs(node))
        except BaseException as error:  # noqa: BLE001 - a border: validators are user code too
            return Failed(node, error_record(ErrorKind.INPUT, error), uncalled)
        context = Context(
            state,
            node,
            deps=self._deps,
            saga_id=saga.saga_id,
            attempt=number,
            undo=False,
            outcome_known=True,
            fencing_token=saga.epoch,
        )
        result: Any = None
        try:
            for _ in range(repeat - 1):  # injected: these may have had their effect
                if action.do_blocks:
                    await self._in_thread(action.do, context, **arguments)
                else:
                    await action.do(context, **arguments)
                before = Effect.NONE if action.atomic else Effect.POSSIBLE
            if action.do_blocks:
                result = await self._in_thread(action.do, context, **arguments)
            else:
                result = await action.do(context, **arguments)
        except ActionFailed as error:
            return Failed(node, error_record(ErrorKind.ACTION_FAILED, error), before)
        except BaseException as error:  # noqa: BLE001 - a border: user code may raise anything
            _pass_on_cancellation(error, saga, node)
            effect = Effect.NONE if action.atomic else Effect.POSSIBLE
            looked_up = isinstance(error, NoSuchInput | InputMismatch)
            kind = ErrorKind.INPUT if looked_up else ErrorKind.EXCEPTION
            return Failed(node, error_record(kind, error), effect)
        try:
            return Succeeded(node, action.encode_output(result))
        except BaseException as error:  # noqa: BLE001 - a border: serialisers are user code too
            return Failed(node, error_record(ErrorKind.OUTPUT, error), Effect.POSSIBLE)

    async def run_undo(
        self, saga: Trying, node: int, number: int, action: Action
    ) -> UndoFinished | UndoFailed:
        """Call the undo of the node for the `number`-th time and return what came of it.

        Raises:
            asyncio.CancelledError: this task was cancelled; nothing may be recorded.
        """
        state, faults = saga.state, saga.faults
        repeat = 1
        if faults is not None:
            if node in faults.undo_errors:
                return UndoFailed(node, INJECTED)
            repeat = faults.repeats.get(node, (1, 1))[1]
        output = state.outputs.get(node)
        undo = action.undo
        if undo is None:  # the definition has an undo and the code has none: never guess
            message = f'action "{action.name}" has no undo any more'
            return UndoFailed(node, ErrorRecord(ErrorKind.INPUT, message))
        try:
            arguments = action.undo_arguments(state.inputs(node), output)
        except BaseException as error:  # noqa: BLE001 - a border: validators are user code too
            return UndoFailed(node, error_record(ErrorKind.INPUT, error))
        context = Context(
            state,
            node,
            deps=self._deps,
            saga_id=saga.saga_id,
            attempt=number,
            undo=True,
            outcome_known=output is not None,
            fencing_token=saga.epoch,
        )
        try:
            if action.undo_blocks:
                for _ in range(repeat):
                    await self._in_thread(undo, context, *arguments)
            else:
                for _ in range(repeat):
                    await undo(context, *arguments)
        except UndoFailedError as error:
            return UndoFailed(node, error_record(ErrorKind.ACTION_FAILED, error))
        except BaseException as error:  # noqa: BLE001 - a border: user code may raise anything
            _pass_on_cancellation(error, saga, node)
            return UndoFailed(node, error_record(ErrorKind.EXCEPTION, error))
        return UndoFinished(node, How.UNDONE)

    async def _in_thread(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        context = contextvars.copy_context()

        def call() -> tuple[Any, BaseException | None]:
            # Caught in the thread: a future cannot carry StopIteration, and the pool must live.
            try:
                return context.run(function, *args, **kwargs), None
            except BaseException as error:  # noqa: BLE001 - a border: user code may raise anything
                return None, error

        loop = asyncio.get_running_loop()
        result, error = await loop.run_in_executor(self._threads, call)
        if error is not None:
            raise error
        return await result if inspect.isawaitable(result) else result


def _pass_on_cancellation(error: BaseException, saga: Trying, node: int) -> None:
    """Raise on what is meant for us: the coordinator cuts the attempt, or the loop is closed.

    However the action answered to being cut: nobody knows what it was in the middle of.
    What it made up itself (a `CancelledError`, a `GeneratorExit`) is an error as any other.
    """
    if saga.cuts(node):
        if isinstance(error, asyncio.CancelledError):
            raise error
        raise asyncio.CancelledError from error
    if isinstance(error, GeneratorExit) and not saga.runs_in(_running_task()):
        raise error


def _running_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs: a coroutine that was left behind is thrown away
        return None


async def uncancel(task: asyncio.Task[Any]) -> None:
    """Undo what an action did that cancelled the task that it runs in."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)  # if it was not delivered yet, it is now
    while task.cancelling():
        task.uncancel()


def error_record(kind: ErrorKind, error: BaseException) -> ErrorRecord:
    """Return what is stored of `error`: storable and bounded, whatever it is."""
    reported = error if isinstance(error, ActionFailed | UndoFailedError) else None
    try:
        message = str(error if reported is None else reported.message) or type(error).__name__
    except Exception:  # noqa: BLE001 - an error that cannot be rendered is still an error
        message = "(this error cannot be shown as text)"
    data: Json | None = None
    if reported is not None and reported.data is not None:
        try:
            data = encode(reported.data, limit_bytes=MAX_ERROR_DATA_BYTES)
        except ValueNotStorable as reason:
            message = f"{message} (its data cannot be stored: {reason})"
    return ErrorRecord(
        kind,
        _storable(message, MAX_MESSAGE_CHARS),
        _storable(type(error).__qualname__, 200),
        data,
        "" if kind is ErrorKind.ACTION_FAILED else _traceback(error),
    )


def _traceback(error: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception(error, limit=-20))
    except Exception:  # noqa: BLE001 - hostile __str__ in the chain of causes
        return "(this traceback cannot be shown as text)"
    return _storable(text[-MAX_TRACEBACK_CHARS:], MAX_TRACEBACK_CHARS)


def _storable(text: str, limit: int) -> str:
    safe = text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    return safe if len(safe) <= limit else f"{safe[: limit - 3]}..."
