"""Notices attempts that take longer than is expected of them, and says so once for each.

Looks now and then at what is in flight; nothing is done for an attempt while it runs. What
an author declares is counted from the attempt's beginning, what is learned from the first
look that saw it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from sagacity.core.expecting import LEARNED_LEAST_MS
from sagacity.core.transitions import NodeStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from uuid import UUID

    from sagacity.core.actions import Action
    from sagacity.engine.clock import Clock
    from sagacity.engine.executor import Execution
    from sagacity.engine.expectations import Expectations
    from sagacity.engine.observing import Observing

log: Final = logging.getLogger("sagacity")

LOOK_SECONDS: Final = 5
"""How often it looks, at the most."""
MAX_LEARNED: Final = 10
"""Of how many names of sagas one look reads the history."""


class _Flying(NamedTuple):
    """An attempt in flight; the same as long as it is the same attempt."""

    saga_id: UUID
    node: int
    undo: bool
    attempt: int


class Hanging:
    """The attempts of one coordinator, as they were seen."""

    def __init__(
        self,
        actions: Mapping[str, Action],
        expectations: Expectations,
        observing: Observing,
        clock: Clock,
    ) -> None:
        """Begin with nothing seen."""
        self._actions: Final = actions
        self._expectations: Final = expectations
        self._observing: Final = observing
        self._clock: Final = clock
        self._looked_ms = clock.now_ms()
        self._begun_ms: dict[tuple[UUID, int], int] = {}
        """When attempts began of which it is said how long they may take."""
        self._seen: dict[_Flying, tuple[int, bool]] = {}
        """Since when each is known, and whether it was told."""

    def began(self, saga_id: UUID, node: int) -> None:
        """Know that an attempt begins now of which it is said how long it may take."""
        self._begun_ms[saga_id, node] = self._clock.now_ms()

    async def look(self, executions: Iterable[Execution]) -> None:
        """Tell of attempts that are hung now, unless that was done a moment ago."""
        now_ms = self._clock.now_ms()
        if now_ms - self._looked_ms < LOOK_SECONDS * 1_000:
            return
        self._looked_ms = now_ms
        untold = self._see(executions, now_ms)
        to_learn = MAX_LEARNED
        for execution, flying, running_ms in untold:
            action = execution.state.dag.nodes[flying.node].action
            patience_ms = self._declared_ms(action, undo=flying.undo)
            if not patience_ms:
                if running_ms < LEARNED_LEAST_MS:
                    continue
                if not self._expectations.remembers(execution.name, now_ms):
                    if not to_learn:
                        continue  # at the next look
                    to_learn -= 1
                learned = await self._expectations.of(execution.name, now_ms)
                patience_ms = learned.get((action, flying.undo), 0)
            # While the history was read it may have ended.
            if patience_ms and running_ms >= patience_ms and flying in set(_flying(execution)):
                self._tell(execution, flying, running_ms)

    def _see(
        self, executions: Iterable[Execution], now_ms: int
    ) -> list[tuple[Execution, _Flying, int]]:
        """Return what is in flight and was not told, with how long it is; forget what is not."""
        before, self._seen = self._seen, {}
        untold: list[tuple[Execution, _Flying, int]] = []
        for execution in executions:
            for flying in _flying(execution):
                begun_ms = self._begun_ms.get((flying.saga_id, flying.node), now_ms)
                since_ms, told = self._seen[flying] = before.get(flying) or (begun_ms, False)
                if not told:
                    untold.append((execution, flying, now_ms - since_ms))
        current = {(each.saga_id, each.node) for each in self._seen}
        self._begun_ms = {key: at for key, at in self._begun_ms.items() if key in current}
        return untold

    def _declared_ms(self, name: str, *, undo: bool) -> float:
        action = self._actions.get(name)
        if action is None:
            return 0
        return 1_000 * ((action.undo_expected if undo else action.expected) or 0)

    def _tell(self, execution: Execution, flying: _Flying, running_ms: int) -> None:
        since_ms, _ = self._seen[flying]
        self._seen[flying] = since_ms, True
        path = execution.state.dag.paths[flying.node]
        log.warning(
            'saga %s: %snode "%s" is hung: attempt %d runs for %d s',
            execution.saga_id,
            "the undo of " if flying.undo else "",
            path,
            flying.attempt,
            running_ms // 1_000,
        )
        self._observing.hung(execution, flying.node, flying.attempt, running_ms)


def _flying(execution: Execution) -> Iterator[_Flying]:
    state = execution.state
    for node in state.in_flight:
        undo = state.status[node] is NodeStatus.UNDO_STARTED
        attempts = state.undo_attempts if undo else state.attempts
        yield _Flying(execution.saga_id, node, undo, attempts[node])
