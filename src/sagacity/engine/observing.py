"""Tells observers what happens: what became durable, taken apart into notices.

Nothing here is on the way of a coordinator that nobody observes. Notices are made only
if an observer overrides one of their methods.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from sagacity.core.events import (
    Adopted,
    AttemptFailed,
    Decided,
    EventKind,
    Failed,
    Finished,
    Started,
    Succeeded,
    UndoAttemptFailed,
    UndoFailed,
    UndoFinished,
    UndoStarted,
    Unwinding,
)
from sagacity.errors import SagacityError
from sagacity.ports.observer import Notice, Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from sagacity.core.events import Event
    from sagacity.engine.clock import Clock
    from sagacity.engine.executor import Execution
    from sagacity.ports.observer import Listener, Recorded

log: Final = logging.getLogger("sagacity")

NOTICES: Final = (
    "before_attempt",
    "after_attempt",
    "before_undo",
    "after_undo",
    "adopted",
    "released",
    "decided",
    "stuck",
    "hung",
    "unwinding",
    "finished",
)
_ENDS: Final = frozenset(
    {Succeeded, AttemptFailed, Failed, UndoFinished, UndoAttemptFailed, UndoFailed}
)
_OF_UNDO: Final = frozenset({UndoFinished, UndoAttemptFailed, UndoFailed})


class Observing:
    """The observers of one coordinator."""

    def __init__(self, observers: Iterable[Listener], clock: Clock) -> None:
        """Look once at what each observer wants to hear."""
        self._observers: Final = tuple(observers)
        self._clock: Final = clock
        self._hooks: Final[dict[str, list[Callable[[Notice], None]]]] = {}
        for name in NOTICES:
            for observer in self._observers:
                # One from before these methods existed has none, and needs none.
                if getattr(type(observer), name, None) not in (None, getattr(Observer, name)):
                    self._hooks.setdefault(name, []).append(getattr(observer, name))
        self._begun: Final[dict[tuple[UUID, int], tuple[int, int]]] = {}
        """Attempts in flight: number, and when they began."""
        self.recorded: Final = self._recorded if self._observers else None
        """Told of what has become durable; None when nobody wants to know."""

    def report(self, saga_id: UUID | None, error: Exception) -> None:
        """Tell logs and observers of an error that harms at most this saga (None: no saga)."""
        # What sagacity raises on purpose says all in its text; a store in trouble says it often.
        trace = None if isinstance(error, SagacityError) else error
        whose = "coordinator" if saga_id is None else f"saga {saga_id}"
        log.error("%s: %s: %s", whose, type(error).__name__, error, exc_info=trace)
        for observer in self._observers:
            _call(observer.trouble, saga_id, error)

    def hung(self, execution: Execution, node: int, attempt: int, running_ms: int) -> None:
        """Tell that an attempt takes longer than is expected of it."""
        self._of_saga("hung", execution, node=node, attempt=attempt, took_ms=running_ms)

    def stuck(self, execution: Execution) -> None:
        """Tell that a saga waits for a person."""
        reason = execution.state.stuck
        if reason is not None:
            stuck_on = execution.state.stuck_on
            node = next(each for each, why in stuck_on.items() if why is reason)
            self._of_saga("stuck", execution, node=node, detail=reason.value)

    def released(self, execution: Execution, why: str) -> None:
        """Tell that an unfinished saga is driven no more."""
        for node in execution.state.in_flight:
            self._begun.pop((execution.saga_id, node), None)
        self._of_saga("released", execution, detail=why)

    def _of_saga(self, name: str, execution: Execution, *, node: int = -1, **more: Any) -> None:
        hooks = self._hooks.get(name)
        if not hooks:
            return
        state = execution.state
        if node >= 0:
            more |= {"node": state.dag.paths[node], "action": state.dag.nodes[node].action}
        notice = Notice(
            name, execution.saga_id, execution.name, state.owner, execution.epoch, **more
        )
        for hook in hooks:
            _call(hook, notice)

    def _recorded(self, what: Recorded) -> None:
        for observer in self._observers:
            _call(observer.recorded, what)
        if self._hooks:
            for event in what.events:
                self._tell(what, event)

    def _tell(self, what: Recorded, event: Event) -> None:
        told = self._told(what, event)
        if told is None:
            return
        name, more = told
        hooks = self._hooks.get(name)
        if hooks:
            notice = Notice(name, what.saga_id, what.saga_name, what.owner, what.epoch, **more)
            for hook in hooks:
                _call(hook, notice)

    def _told(self, what: Recorded, event: Event) -> tuple[str, dict[str, Any]] | None:
        """Return which method is told of `event`, and what; None if none is."""
        match event:
            case Started(node=node, attempt=attempt) | UndoStarted(node=node, attempt=attempt):
                if not what.dag.nodes[node].action:  # a constant, or the end of a subsaga
                    return None
                self._begun[what.saga_id, node] = attempt, self._clock.now_ms()
                name = "before_attempt" if event.kind is EventKind.STARTED else "before_undo"
                return name, {**_place(what, node), "attempt": attempt}
            case Adopted(missing=missing):
                return "adopted", {"detail": "; ".join(missing)}
            case Decided(verb=verb, node=node, by=by, reason=reason):
                place = _place(what, node) if node >= 0 else {}
                return "decided", {**place, "detail": verb, "by": by, "reason": reason}
            case Unwinding(reason=reason):
                return "unwinding", {"detail": reason}
            case Finished(outcome=outcome):
                return "finished", {"detail": outcome.value}
            case _ if type(event) in _ENDS:
                return self._ended(what, event)
            case _:
                return None

    def _ended(self, what: Recorded, event: Any) -> tuple[str, dict[str, Any]] | None:
        begun = self._begun.pop((what.saga_id, event.node), None)
        if begun is None:  # nothing was called: given up while it waited, or nothing to undo
            return None
        attempt, begun_ms = begun
        more = {
            **_place(what, event.node),
            "attempt": attempt,
            "detail": event.kind.value,
            "took_ms": self._clock.now_ms() - begun_ms,
        }
        error = getattr(event, "error", None)
        if error is not None:
            more |= {"error_kind": error.kind.value, "error_class": error.class_name}
        return ("after_undo" if type(event) in _OF_UNDO else "after_attempt"), more


def _place(what: Recorded, node: int) -> dict[str, Any]:
    return {"node": what.dag.paths[node], "action": what.dag.nodes[node].action}


def _call(hook: Callable[..., None], *arguments: Any) -> None:
    try:
        hook(*arguments)
    except Exception:
        log.exception("an observer failed")
