"""A saga in a caller's hand: start it, wait for it, look at it, inject faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from sagacity.core.breakpoints import At
from sagacity.core.decisions import Verb
from sagacity.core.events import FinalState
from sagacity.core.immutable import Immutable
from sagacity.core.masking import shown
from sagacity.core.outcome import Abandoned, Stuck, Succeeded, Unwound, outcome_of, output_of
from sagacity.core.values import MOST_VALUE_BYTES, encode
from sagacity.engine.requests import new_request, verb_named
from sagacity.errors import SagaAbandoned, SagaStuck, SagaUnwound

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sagacity.core.outcome import NodeError, Outcome
    from sagacity.core.state import SagaState
    from sagacity.core.values import Json
    from sagacity.core.views import SagaView
    from sagacity.core.why import Why
    from sagacity.engine.forecasting import Plan
    from sagacity.engine.requests import Request

R = TypeVar("R")


class Ending(Immutable):
    """How a saga ended: with an output, as stored and not read yet, or otherwise."""

    saga_name: str
    output: Json | None
    otherwise: Unwound | Stuck | Abandoned | None

    @property
    def outcome(self) -> Outcome:
        """What `wait` gives."""
        if self.otherwise is not None:
            return self.otherwise
        assert self.output is not None
        return Succeeded(shown(self.output))


def ending_of(saga_name: str, state: SagaState) -> Ending | None:
    """Return how the saga of `state` ended, or None while it has not."""
    if state.finished is FinalState.SUCCEEDED:
        return Ending(saga_name, output_of(state), None)
    outcome = outcome_of(state)
    if outcome is None:
        return None
    assert not isinstance(outcome, Succeeded)
    return Ending(saga_name, None, outcome)


class Backend(Protocol):
    """Who carries out what a handle is asked: a coordinator, or a client of one."""

    async def start(self, saga_id: UUID) -> None: ...
    async def wait(self, saga_id: UUID) -> Ending: ...
    async def get(self, saga_id: UUID) -> SagaView: ...
    async def why(self, saga_id: UUID) -> Why: ...
    async def inject(
        self, saga_id: UUID, verb: str, node: str, counts: tuple[int, int]
    ) -> None: ...
    async def decide(self, saga_id: UUID, request: Request) -> bool: ...
    async def plan(self, saga_id: UUID, request: Request) -> Plan: ...
    def decoder_of(self, saga_name: str) -> Callable[[Json], Any]: ...


class Handle(Generic[R]):
    """One saga. Holds its id and nothing else of it: all is asked of the store or coordinator."""

    __slots__ = ("_backend", "_decode_output", "id")

    def __init__(
        self, backend: Backend, saga_id: UUID, decode_output: Callable[[Json], R] | None = None
    ) -> None:
        """Made by a coordinator; not by users."""
        self._backend = backend
        self._decode_output = decode_output
        self.id = saga_id

    def __repr__(self) -> str:
        """Show the id."""
        return f"<Handle of saga {self.id}>"

    async def start(self) -> None:
        """Let a created saga run. Returns when this is durable.

        Raises:
            SagaStateError: it was started before.
            NoSuchSaga: it does not exist.
        """
        await self._backend.start(self.id)

    async def wait(self) -> Outcome:
        """Wait until the saga has ended or is stuck, and return how.

        Raises:
            NoSuchSaga: it does not exist.
            CoordinatorClosed: this coordinator stopped first.
        """
        return (await self._backend.wait(self.id)).outcome

    async def result(self) -> R:
        """Wait for the saga and return its output.

        Raises:
            SagaUnwound: it failed and was taken back.
            SagaStuck: a person must decide.
            SagaAbandoned: a person ended it.
        """
        ending = await self._backend.wait(self.id)
        decode_output: Callable[[Json], R] = self._decode_output or self._backend.decoder_of(
            ending.saga_name
        )
        return result_of(self.id, ending, decode_output)

    async def view(self) -> SagaView:
        """Return the saga as it is in the store now."""
        return await self._backend.get(self.id)

    async def why(self) -> Why:
        """Say why the saga does not go on, or that it does; and what may be done about it."""
        return await self._backend.why(self.id)

    # -- control and repair: each is durable, and in the log with who, why and when ----------
    #
    # `by` is who asks (the user of this process unless it is said). With a `request_id`
    # the same request can be sent again and is carried out once. All return True, or False
    # if it changes nothing (it was done before, or is so already), and raise:
    #     SagaStateError: the saga is in no state for it; the text says why.
    #     NoSuchSaga, NoSuchNode: it, or the node, does not exist.

    async def pause(
        self, reason: str = "", *, by: str | None = None, request_id: UUID | None = None
    ) -> bool:
        """Let nothing new begin, forward or unwinding; what is in flight may finish."""
        return await self._decide(Verb.PAUSE, "", reason, by, request_id)

    async def unpause(
        self, reason: str = "", *, by: str | None = None, request_id: UUID | None = None
    ) -> bool:
        """Let a paused saga go on."""
        return await self._decide(Verb.UNPAUSE, "", reason, by, request_id)

    async def step(
        self,
        node: str = "",
        reason: str = "",
        *,
        by: str | None = None,
        request_id: UUID | None = None,
    ) -> bool:
        """Let one node pass and hold the rest, forward or unwinding; pauses the saga if need be.

        The node at path `node`, or the one that has waited longest.
        """
        return await self._decide(Verb.STEP, node, reason, by, request_id)

    async def set_breakpoint(
        self,
        node: str = "",
        at: str = "before",
        reason: str = "",
        *,
        by: str | None = None,
        request_id: UUID | None = None,
    ) -> bool:
        """Let the saga pause by itself when it comes to a place, once.

        `at` is "before" or "after" (the do of the node at path `node`), "before-undo" or
        "after-undo", or "failure" (an attempt of the node failed; without one: any attempt).

        Raises:
            ValueError: there is no such `at`.
        """
        value = encode(At(at).value)
        return await self._decide(Verb.SET_BREAKPOINT, node, reason, by, request_id, value)

    async def clear_breakpoint(
        self,
        node: str = "",
        at: str | None = None,
        reason: str = "",
        *,
        by: str | None = None,
        request_id: UUID | None = None,
    ) -> bool:
        """Take breakpoints back: at a place, all of a node, or all."""
        value = None if at is None else encode(At(at).value)
        return await self._decide(Verb.CLEAR_BREAKPOINT, node, reason, by, request_id, value)

    async def abort(
        self, reason: str = "", *, by: str | None = None, request_id: UUID | None = None
    ) -> bool:
        """Take everything back. Nothing interrupts that."""
        return await self._decide(Verb.ABORT, "", reason, by, request_id)

    async def retry(
        self,
        node: str = "",
        reason: str = "",
        *,
        by: str | None = None,
        request_id: UUID | None = None,
    ) -> bool:
        """Try again now what is stuck or waits for a retry, with a fresh budget: a node, or all."""
        return await self._decide(Verb.RETRY, node, reason, by, request_id)

    async def skip(
        self, node: str, reason: str = "", *, by: str | None = None, request_id: UUID | None = None
    ) -> bool:
        """Take the node as undone: a person has undone it by hand."""
        return await self._decide(Verb.SKIP, node, reason, by, request_id)

    async def set_output(
        self,
        node: str,
        output: Any,
        reason: str = "",
        *,
        by: str | None = None,
        request_id: UUID | None = None,
    ) -> bool:
        """Take the node as succeeded with this output (JSON), as a person has found out.

        Raises:
            ValueNotStorable: it is no output of the node's action.
        """
        value = encode(output, limit_bytes=MOST_VALUE_BYTES)
        return await self._decide(Verb.SET_OUTPUT, node, reason, by, request_id, value)

    async def abandon(
        self, reason: str = "", *, by: str | None = None, request_id: UUID | None = None
    ) -> bool:
        """End the saga as it is; `view` shows what it still holds."""
        return await self._decide(Verb.ABANDON, "", reason, by, request_id)

    async def _decide(  # noqa: PLR0917
        self,
        verb: Verb,
        node: str,
        reason: str,
        by: str | None,
        request_id: UUID | None,
        value: Json | None = None,
    ) -> bool:
        request = new_request(verb, node, reason=reason, by=by, request_id=request_id, value=value)
        return await self._backend.decide(self.id, request)

    async def plan(self, verb: str, node: str = "", *, output: Any = None) -> Plan:
        """Return what a decision would do if it were made now; nothing is changed.

        `verb` is `pause`, `abort`, `retry` ...; `output` is that of `set_output`.

        Raises:
            ValueError: there is no such verb.
            NoSuchSaga, NoSuchNode: it, or the node, does not exist.
        """
        wanted = verb_named(verb)
        value = encode(output, limit_bytes=MOST_VALUE_BYTES) if wanted is Verb.SET_OUTPUT else None
        return await self._backend.plan(self.id, new_request(wanted, node, by="", value=value))

    # -- faults ----------------------------------------------------------------------------

    async def inject_error(self, node: str) -> None:
        """Let the node at path `node` fail instead of running.

        Raises:
            NoSuchNode: the saga has no such node.
            SagaStateError: the saga has ended.
        """
        await self._backend.inject(self.id, "inject_error", node, (1, 1))

    async def inject_undo_error(self, node: str) -> None:
        """Let the undo of the node at path `node` fail instead of running. Raises as above."""
        await self._backend.inject(self.id, "inject_undo_error", node, (1, 1))

    async def inject_repeat(self, node: str, action: int = 2, undo: int = 2) -> None:
        """Run the action (undo) of the node so many times in one attempt; the last result counts.

        Raises:
            ValueError: a count is not within 1 to 1,000.
        """
        await self._backend.inject(self.id, "inject_repeat", node, (action, undo))


def result_of(saga_id: UUID, ending: Ending, decode_output: Callable[[Json], R]) -> R:
    """Return the output of a saga that succeeded; raise what says how another ended."""
    match ending.otherwise:
        case None:
            assert ending.output is not None
            return decode_output(ending.output)
        case Unwound(errors) as outcome:
            raise SagaUnwound(saga_id, outcome, f"saga {saga_id} unwound: {_told(errors)}")
        case Stuck(reason, errors, undo_errors) as outcome:
            raise SagaStuck(
                saga_id,
                outcome,
                f"saga {saga_id} is stuck ({reason}): {_told(errors + undo_errors)}",
            )
        case Abandoned(reason) as outcome:
            raise SagaAbandoned(saga_id, outcome, f"saga {saga_id} was abandoned: {reason}")


def _told(errors: tuple[NodeError, ...]) -> str:
    told = "; ".join(
        f'{"undo of " if error.undo else ""}node "{error.node}": {error.message}'
        for error in errors[:5]
    )
    return f"{told}; and {len(errors) - 5} more" if len(errors) > 5 else told  # noqa: PLR2004
