"""One attempt of one node: calls the user's code and turns what comes of it into an event.

The three outcomes of an attempt are told apart here and nowhere else: succeeded,
failed without effect, unknown. Whatever the user's code raises ends here too.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from sagacity.authoring.context import Context
from sagacity.core.actions import is_async
from sagacity.core.events import (
    AttemptFailed,
    Effect,
    ErrorKind,
    ErrorRecord,
    Failed,
    How,
    Succeeded,
    UndoAttemptFailed,
    UndoFailed,
    UndoFinished,
)
from sagacity.core.planner import RunUndo
from sagacity.core.values import within
from sagacity.engine.apart import Apart, output_of
from sagacity.engine.error_records import error_record
from sagacity.engine.injection import INJECTED
from sagacity.engine.retrying import retry_at_ms, retry_policy
from sagacity.engine.system import chance
from sagacity.engine.watch import CutOffError
from sagacity.errors import ActionFailed, InputMismatch, NoSuchInput
from sagacity.errors import UndoFailed as UndoFailedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sagacity.core.actions import Action
    from sagacity.core.events import Event
    from sagacity.core.policies import GoneCheck, Retry
    from sagacity.core.state import SagaState
    from sagacity.core.values import Json
    from sagacity.engine.calling import Caller
    from sagacity.engine.clock import Clock
    from sagacity.engine.flights import Call
    from sagacity.engine.heartbeats import Pulse
    from sagacity.engine.injection import Faults

log: Final = logging.getLogger("sagacity")

_NONE: Final = Effect.NONE  # looked up once, and not for each attempt
_POSSIBLE: Final = Effect.POSSIBLE

GONE_SECONDS: Final = 30.0
"""How long the `gone=` of a policy may take."""


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

    def lingers(self, node: int, end: asyncio.Future[Any]) -> None:
        """Know that an attempt of `node` has been given up and still runs, until `end`."""
        ...

    def cuts(self, node: int) -> bool:
        """Whether the coordinator itself has cancelled the attempt of `node`."""
        ...

    def pulse(self, node: int, attempt: int, *, undo: bool) -> Pulse:
        """Return what hears the heartbeats of an attempt; called by any thread."""
        ...

    def connection(self, node: int) -> Any:
        """Return the connection of the transaction that the attempt of `node` is."""
        ...

    def runs_in(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether `task` is one of this saga's."""
        ...


class Limits(NamedTuple):
    """How many seconds a call may take, and be silent."""

    seconds: float | None
    silence: float | None


class Trial(NamedTuple):
    """An attempt that has failed, and is judged."""

    saga: Trying
    node: int
    action: Action
    context: Context[Any]
    began_ms: int


class Attempts:
    """Runs the attempts of one coordinator's sagas."""

    def __init__(
        self, deps: Any, callers: tuple[Caller, Caller], clock: Clock, max_value_bytes: int
    ) -> None:
        """`deps` goes to every context; `callers` are that of dos and that of undos.

        Two, so that no undo waits for a thread behind dos that hang.
        """
        self._deps: Final = deps
        self._callers: Final = callers
        self._clock: Final = clock
        self._max_value_bytes: Final = max_value_bytes

    async def close(self) -> None:
        """Let go of what calls are made in."""
        for caller in self._callers:
            await caller.close()

    async def run_do(
        self, saga: Trying, node: int, number: int, action: Action, began_ms: int
    ) -> Succeeded | AttemptFailed | Failed:
        """Call the action of the node for the `number`-th time and return what came of it.

        `began_ms` is when the first attempt began, as the log has it.

        Raises:
            asyncio.CancelledError: this task was cancelled; nothing may be recorded.
        """
        state, faults = saga.state, saga.faults
        repeat = 1
        # An earlier attempt may have had its effect. Of an atomic action the body can tell that
        # there is none; what fails before it is called cannot.
        uncalled = _POSSIBLE if node in state.tainted else _NONE
        before = _NONE if action.atomic else uncalled
        if faults is not None:
            if node in faults.errors:
                return Failed(node, INJECTED, uncalled)
            repeat = faults.repeats.get(node, (1, 1))[0]
        try:
            arguments = action.do_arguments(state.inputs(node))
        except BaseException as error:  # noqa: BLE001 - a border: validators are user code too
            return Failed(node, error_record(ErrorKind.INPUT, error), uncalled)
        is_undo, known = False, True
        context = Context(saga, node, self._deps, number, is_undo, known, began_ms)
        seconds = state.dag.nodes[node].timeout or action.timeout
        result: Any = None
        store: Callable[[Any], Json] = action.encode_output
        try:
            if (  # the commonest
                seconds is None and not action.do_blocks and repeat == 1 and not action.heartbeat
            ):
                result = await action.do(context, **arguments)
            else:
                limits = Limits(seconds, action.heartbeat)
                call: Callable[[], Any] | Apart = partial(action.do, context, **arguments)
                if action.isolated:
                    call, store = Apart(action, context, state.inputs(node), None), output_of
                for last in range(repeat):
                    if last:  # injected: those before may have had their effect
                        before = Effect.NONE if action.atomic else Effect.POSSIBLE
                    result = await self._call(context, limits, action.do_blocks, call)
        except ActionFailed as error:
            trial = Trial(saga, node, action, context, began_ms)
            return await self._failed(trial, ErrorKind.ACTION_FAILED, error, before)
        except CutOffError as error:
            if error.lingering is not None:
                saga.lingers(node, error.lingering)
            trial = Trial(saga, node, action, context, began_ms)
            return await self._failed(trial, error.kind, error, _effect_of(action))
        except BaseException as error:  # noqa: BLE001 - a border: user code may raise anything
            _pass_on_cancellation(error, saga, node)
            effect = Effect.NONE if action.atomic else Effect.POSSIBLE
            looked_up = isinstance(error, NoSuchInput | InputMismatch)
            kind = ErrorKind.INPUT if looked_up else ErrorKind.EXCEPTION
            trial = Trial(saga, node, action, context, began_ms)
            return await self._failed(trial, kind, error, effect)
        try:
            output = store(result)
            if len(output) > self._max_value_bytes:
                _ = within(output, self._max_value_bytes)  # it raises, and says why
            return Succeeded(node, output)
        except BaseException as error:  # noqa: BLE001 - a border: serialisers are user code too
            trial = Trial(saga, node, action, context, began_ms)
            return await self._failed(trial, ErrorKind.OUTPUT, error, _effect_of(action))

    async def not_committed(
        self, saga: Trying, command: Call, action: Action, began_ms: int, error: Exception
    ) -> Event:
        """Return what came of an attempt whose transaction was taken back after it had ended."""
        node, is_undo = command.node, type(command) is RunUndo
        known = not is_undo or node in saga.state.outputs
        context = Context(saga, node, self._deps, command.attempt, is_undo, known, began_ms)
        trial = Trial(saga, node, action, context, began_ms)
        if is_undo:
            return await self._undo_failed(trial, ErrorKind.EXCEPTION, error)
        return await self._failed(trial, ErrorKind.EXCEPTION, error, Effect.NONE)

    async def run_undo(
        self, saga: Trying, node: int, number: int, action: Action, began_ms: int
    ) -> UndoFinished | UndoAttemptFailed | UndoFailed:
        """Call the undo of the node for the `number`-th time; as `run_do`.

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
        is_undo, known = True, output is not None
        context = Context(saga, node, self._deps, number, is_undo, known, began_ms)
        trial = Trial(saga, node, action, context, began_ms)
        call: Callable[[], Any] | Apart = partial(undo, context, *arguments)
        if action.isolated and action.undo_blocks:
            call = Apart(action, context, state.inputs(node), output)
        try:
            for _ in range(repeat):
                limits = Limits(action.undo_timeout, action.undo_heartbeat)
                await self._call(context, limits, action.undo_blocks, call)
        except UndoFailedError as error:
            _remember(trial)
            record = error_record(ErrorKind.ACTION_FAILED, error)
            _let_go_of(error)
            return UndoFailed(node, record)
        except CutOffError as error:
            if error.lingering is not None:
                saga.lingers(node, error.lingering)
            return await self._undo_failed(trial, error.kind, error)
        except BaseException as error:  # noqa: BLE001 - a border: user code may raise anything
            _pass_on_cancellation(error, saga, node)
            return await self._undo_failed(trial, ErrorKind.EXCEPTION, error)
        return UndoFinished(node, How.UNDONE)

    async def _call(
        self,
        context: Context[Any],
        limits: Limits,
        blocks: bool,  # noqa: FBT001
        call: Callable[[], Any] | Apart,
    ) -> Any:
        seconds, silence = limits
        caller = self._callers[context.is_undo]
        if isinstance(call, Apart):
            pulse = context.pulse
            return await caller.in_process(seconds, call, silence=silence, pulse=pulse)
        if seconds is None and silence is None:
            return await (caller.in_thread(call) if blocks else call())
        pulse = None if silence is None else context.pulse
        return await caller.within(seconds, call, blocks=blocks, silence=silence, pulse=pulse)

    async def _failed(
        self, trial: Trial, kind: ErrorKind, error: BaseException, effect: Effect
    ) -> AttemptFailed | Failed:
        node, record = trial.node, error_record(kind, error)
        _remember(trial)
        policy = retry_policy(trial.saga.state, node, trial.action, effect)
        try:
            at_ms = self._retry_at_ms(trial, policy, error)
            if at_ms is not None and policy.gone:
                if await self._is_gone(trial, policy.gone):
                    return Failed(node, record, effect)
                at_ms = self._retry_at_ms(trial, policy, error)  # to ask has taken its time
        finally:
            _let_go_of(error)
        if at_ms is None:
            return Failed(node, record, effect)
        return AttemptFailed(node, record, effect, at_ms)

    async def _undo_failed(
        self, trial: Trial, kind: ErrorKind, error: BaseException
    ) -> UndoFinished | UndoAttemptFailed | UndoFailed:
        node, record, policy = trial.node, error_record(kind, error), trial.action.undo_retry
        _remember(trial)
        try:
            if policy.gone and await self._is_gone(trial, policy.gone):
                return UndoFinished(node, How.GONE)
            at_ms = self._retry_at_ms(trial, policy, error)
        finally:
            _let_go_of(error)
        if at_ms is None:
            return UndoFailed(node, record)
        return UndoAttemptFailed(node, record, at_ms)

    async def _is_gone(self, trial: Trial, check: GoneCheck) -> bool:
        """Whether the target has ceased to exist; a check that fails or takes too long says no."""
        call = partial(check, trial.context)
        try:
            caller = self._callers[trial.context.is_undo]
            return bool(await caller.within(GONE_SECONDS, call, blocks=not is_async(check)))
        except BaseException as error:  # noqa: BLE001 - a border: this is user code too
            _pass_on_cancellation(error, trial.saga, trial.node)
            log.warning("the gone= of a retry policy failed: %s: %s", type(error).__name__, error)
            _let_go_of(error)
            return False

    def _retry_at_ms(self, trial: Trial, policy: Retry, error: BaseException) -> int | None:
        state, now_ms = trial.saga.state, self._clock.now_ms()
        return retry_at_ms(state, trial.node, policy, error, now_ms=now_ms, chance=chance())


def _effect_of(action: Action) -> Effect:
    """Return what may be left of an attempt that did not come to its end."""
    return Effect.NONE if action.transaction else Effect.POSSIBLE


def _remember(trial: Trial) -> None:
    """Keep of an attempt that has failed what the next one is told."""
    undo = trial.context.is_undo
    trial.saga.state.remember_begin(trial.node, undo=undo, time_ms=trial.began_ms)
    if trial.context.has_pulse:
        trial.context.pulse.tell()


def _let_go_of(error: BaseException) -> None:
    """Let what the failed call had at hand be freed, now that the error is on record.

    Its traceback holds the frames that it went through, and one of them holds the future
    that it came in: only the cyclic collector would free them.
    """
    # Not by setting the attribute: that of a frozen dataclass, for one, cannot be set.
    BaseException.with_traceback(error, None)
    if isinstance(error, CutOffError):
        error.lingering = None


def _pass_on_cancellation(error: BaseException, saga: Trying, node: int) -> None:
    """Raise on what is meant for us: the coordinator cuts the attempt, or the loop is closed.

    However the action answered to being cut: nobody knows what it was in the middle of.
    What it made up itself (a `CancelledError`, a `GeneratorExit`) is an error as any other.
    """
    try:
        if saga.cuts(node):
            if isinstance(error, asyncio.CancelledError):
                raise error
            raise asyncio.CancelledError from error
        if isinstance(error, GeneratorExit) and not saga.runs_in(_running_task()):
            raise error
    finally:
        del error  # its traceback holds this frame: see `_let_go_of`


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
