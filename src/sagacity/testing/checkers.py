"""A judge of saga logs: reads what was written and says which promises it breaks.

`judge(dag, log)` takes a log, whole or cut off anywhere, and returns its violations,
none if all is well. It knows nothing of the engine's fold and planner: it has its
own, declarative reading of what must always hold (when each node started, succeeded
and was settled, compared along the edges), so that the two can be told apart when
one is wrong. It costs what the log and the DAG cost.

Of the promises that "What must always hold" numbers, a log can show 2 to 10, and a
stored saga also 1 and 16. Number 0 stands for what the log's own form and the nodes'
contracts demand beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sagacity.core.codec import LoggedEvent, decode_log
from sagacity.core.dag import OnStuck
from sagacity.core.definition import dag_of
from sagacity.core.events import (
    Adopted,
    AttemptFailed,
    Created,
    Decided,
    Effect,
    Failed,
    FinalState,
    Finished,
    Heartbeat,
    How,
    Released,
    Started,
    StartRequested,
    Succeeded,
    UndoAttemptFailed,
    UndoFailed,
    UndoFinished,
    UndoStarted,
    Unwinding,
)
from sagacity.core.nodes import Undoing
from sagacity.errors import LogCorrupt
from sagacity.ports.store import FINAL
from sagacity.testing._facts import NEVER, Facts
from sagacity.testing._walking import walk
from sagacity.testing.promises import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sagacity.core.dag import Dag
    from sagacity.core.events import Event, NodeEvent
    from sagacity.ports.store import StoredSaga

Log: TypeAlias = "Iterable[LoggedEvent] | Iterable[Event]"


def judge(dag: Dag, log: Log) -> list[Violation]:
    """Return the violations of a log, whole or cut off, in the order of the log.

    The log may be bare events; then nothing is said of sequences, epochs and owners.
    """
    case = _Case(dag)
    for position, each in enumerate(log, start=1):
        if isinstance(each, LoggedEvent):
            case.check_place(each, position)
            case.hear(each.event)
        else:
            case.sequence = position
            case.hear(each)
    case.check_order()
    return sorted(case.violations, key=lambda violation: violation.sequence)


def judge_stored(stored: StoredSaga) -> list[Violation]:
    """Return the violations of a saga as a store gives it: also whether it can be read.

    And whether its head says of its log what is true, because only sagas whose heads
    say so are recovered.
    """
    log: list[LoggedEvent] = []
    head = stored.head
    try:
        dag = dag_of(stored.document, stored.constants)
        log.extend(decode_log(stored.records))
    except LogCorrupt as error:
        return [Violation(16, len(log) + 1, "", f"it cannot be read: {error}")]
    violations = judge(dag, log)
    last = log[-1] if log else None
    if last is None or last.sequence != head.sequence:
        violations.append(
            Violation(2, head.sequence, "", f"the head says {head.sequence}, the log {len(log)}")
        )
    ending = last.event if last is not None else None
    finished = ending.outcome.value if isinstance(ending, Finished) else None
    if head.state in FINAL and head.state.value != finished:
        violations.append(
            Violation(
                1, head.sequence, "", f"the head says {head.state}, but its log has not ended"
            )
        )
    elif finished is not None and head.state.value != finished:
        violations.append(
            Violation(9, head.sequence, "", f"it has {finished}, and the head says {head.state}")
        )
    return violations


class _Case(Facts):
    """One log under judgement."""

    # -- event by event --------------------------------------------------------

    def check_place(self, logged: LoggedEvent, position: int) -> None:
        """Judge where an event stands and who wrote it."""
        self.sequence = logged.sequence
        if logged.sequence != position:
            self.violates(2, f"the {position}. event has sequence {logged.sequence}")
        if self.epoch is not None:
            if logged.epoch < self.epoch:
                self.violates(10, f"epoch {logged.epoch} after epoch {self.epoch}")
            if not isinstance(logged.event, Adopted):
                if logged.epoch != self.epoch:
                    self.violates(10, f"epoch {logged.epoch} without an adoption")
                if logged.owner != self.owner:
                    self.violates(10, f'an event of "{logged.owner}" without an adoption')
        self.epoch, self.owner = logged.epoch, logged.owner

    def hear(self, event: Event) -> None:
        """Take the next event."""
        if self.finished:
            self.violates(9, f"{event.kind} after the saga {self.finished}")
        if not self.created and not isinstance(event, Created):
            self.violates(0, f"{event.kind} before the saga was created")
            self.created = True
        match event:
            case Created() | StartRequested():
                self._hear_request(event)
            case Adopted() | Released():
                self.interrupted |= self.doing
                self.tainted |= self.doing
                self.retrying -= self.doing
                self.doing.clear()
                self.undoing.clear()
            case Unwinding():
                self.turned = True
            case Decided():
                self.hear_decision(event)
            case Finished():
                self._hear_end(event)
            case _:
                self._hear_node(event)

    def _hear_request(self, event: Created | StartRequested) -> None:
        before = self.created if isinstance(event, Created) else self.requested
        if before:
            self.violates(12, f"{event.kind} twice")
        if isinstance(event, Created):
            self.created = True
        else:
            self.requested = True
            self.requested_at = min(self.requested_at, self.sequence)

    def _hear_node(self, event: NodeEvent) -> None:
        node = event.node
        if not 0 <= node < len(self.dag.nodes):
            self.violates(0, f"{event.kind} of node {node}, which does not exist")
            return
        if self.requested and self.markers[node]:
            self.violates(0, f"{event.kind} of a marker", node)
        if self.paused and isinstance(event, Started | UndoStarted):
            if not self.steps:
                self.violates(0, "it starts while the saga is paused", node)
            self.steps -= 1
        match event:
            case Started():
                self._hear_start(event)
            case Heartbeat():
                if node not in self.doing and node not in self.undoing:
                    self.violates(10, "a heartbeat without an attempt in flight", node)
            case AttemptFailed():
                self._hear_retry(event)
            case Succeeded():
                self._hear_outcome(event)
                if node in self.succeeded:
                    self.violates(8, "it succeeded twice", node)
                self.hear_success(node)
            case Failed():
                asks = self.dag.nodes[node].undoing is Undoing.ASK and node in self.interrupted
                if (node in self.retrying or asks) and node not in self.doing:
                    self._hear_giving_up(node)
                else:
                    self._hear_outcome(event)
                self._hear_failure(event)
            case _:
                self._hear_undo(event)

    def _hear_undo(
        self, event: UndoStarted | UndoAttemptFailed | UndoFinished | UndoFailed
    ) -> None:
        match event:
            case UndoStarted(node):
                self._hear_undo_begin(node)
                self._count(self.undo_starts, event)
                self.undoing.add(node)
            case UndoFinished():
                self._hear_undo_end(event)
            case UndoFailed() | UndoAttemptFailed():
                self._hear_undo_failure(event)

    def _hear_retry(self, event: AttemptFailed) -> None:
        node = event.node
        self._hear_outcome(event)
        if event.effect is Effect.POSSIBLE:
            self.tainted.add(node)
        elif self.dag.nodes[node].atomic:
            self.tainted.discard(node)
        self.retrying.add(node)

    def _count(self, counts: dict[int, int], event: Started | UndoStarted) -> None:
        counts[event.node] = counts.get(event.node, 0) + 1
        if event.attempt != counts[event.node]:
            self.violates(
                0, f"{event.kind} counts {event.attempt}, not {counts[event.node]}", event.node
            )

    def _hear_start(self, event: Started) -> None:
        node = event.node
        again = node in self.first_start
        if node in self.doing or node in self.undoing:
            self.violates(0, "it starts while an attempt of it is in flight", node)
        elif node in self.succeeded:
            self.violates(8, "it starts again after it had succeeded", node)
        elif node in self.failed:
            self.violates(0, "it starts again after it had failed for good", node)
        if self.turned and not again:
            self.violates(6, "it starts while the saga unwinds", node)
        elif node in self.undo_began:
            self.violates(6, "it starts again after its undo began", node)
        elif self.turned and self.requested and not self.dag.nodes[node].atomic:
            self.violates(6, "it runs again while the saga unwinds, and is not atomic", node)
        self._count(self.starts, event)
        self.first_start.setdefault(node, self.sequence)
        self.doing.add(node)

    def _hear_outcome(self, event: Succeeded | AttemptFailed | Failed) -> None:
        node = event.node
        self.retrying.discard(node)
        if node not in self.doing:
            if node in self.interrupted:
                self.violates(10, "an outcome of an attempt of the owner before", node)
            else:
                self.violates(0, f"{event.kind} without an attempt in flight", node)
        self.doing.discard(node)

    def _hear_giving_up(self, node: int) -> None:
        self.retrying.discard(node)
        if not self.turned:
            self.violates(0, "it is given up while it waits for a retry", node)
        if node in self.tainted and self.dag.nodes[node].atomic:
            self.violates(0, "it is given up, and its outcome must be known", node)

    def _stands(self, event: Failed) -> bool:
        """Whether a failure must not turn the saga."""
        if self.forward_only or event.node in self.dag.pivots:
            return self.forward_only or event.effect is Effect.POSSIBLE
        return any(
            node in self.doing
            or (node not in self.succeeded and node in self.tainted | self.standing)
            for node in self.dag.pivots
        )

    def _hear_failure(self, event: Failed) -> None:
        node = event.node
        if self._stands(event):
            self.standing.add(node)
        else:
            self.turned = True
        self.failed[node] = (self.sequence, event.effect)
        may_have_had_one = node in self.tainted and not self.dag.nodes[node].atomic
        if event.effect is Effect.NONE and may_have_had_one:
            self.violates(
                7, "it failed without effect, but an earlier attempt may have had one", node
            )

    def _hear_undo_begin(self, node: int) -> None:
        if not self.turned:
            self.violates(4, "it is undone while the saga goes forward", node)
        if self.forward_only:
            self.violates(4, "it is undone behind the point of no return", node)
        if node not in self.first_start:
            self.violates(5, "it is undone, and never started", node)
        if node in self.undone:
            self.violates(5, "it is undone twice", node)
        if self.failed.get(node, (0, Effect.POSSIBLE))[1] is Effect.NONE:
            self.violates(5, "it is undone, and failed without effect", node)
        if node in self.doing or node in self.undoing:
            self.violates(4, "it is undone while an attempt of it is in flight", node)
        what = self.dag.nodes[node]
        if what.undoing is Undoing.KNOWN and node not in self.succeeded:
            self.violates(0, "its undo cannot meet an unknown outcome", node)
        if self.halted and self.requested:
            self.violates(0, "its undo begins after another failed, and the saga halts", node)
        self.undo_began.setdefault(node, self.sequence)

    def _hear_undo_end(self, event: UndoFinished) -> None:
        node = event.node
        if node in self.undoing:
            self.undoing.discard(node)
            if node in self.undone:
                self.violates(5, "it is undone twice", node)
        else:
            self._hear_undo_begin(node)
            if event.how is How.UNDONE:
                self.violates(0, "its undo finished without an attempt in flight", node)
            elif self.dag.nodes[node].undoing is not Undoing.NOTHING:
                self.violates(7, "it was passed over, and has an undo", node)
        self.undone.setdefault(node, self.sequence)

    def _hear_undo_failure(self, event: UndoFailed | UndoAttemptFailed) -> None:
        if event.node not in self.undoing:
            self.violates(0, "its undo failed without an attempt in flight", event.node)
        self.undoing.discard(event.node)
        if isinstance(event, UndoFailed):
            self.halted = self.dag.on_stuck is OnStuck.HALT

    # -- the end -----------------------------------------------------------------

    def _hear_end(self, event: Finished) -> None:
        for node in sorted(self.doing | self.undoing):
            self.violates(9, f"in flight when the saga {event.outcome}", node)
        self.finished = event.outcome.value
        if event.outcome is FinalState.UNWOUND:
            self._check_unwound()
        elif event.outcome is FinalState.SUCCEEDED:
            self._check_succeeded()

    def _check_unwound(self) -> None:
        if not self.turned:
            self.violates(7, "unwound, and nothing had failed")
        for node in self.first_start:
            without_effect = self.failed.get(node, (0, Effect.POSSIBLE))[1] is Effect.NONE
            if not (without_effect or node in self.undone or self.markers[node]):
                self.violates(7, "unwound, and it is not undone", node)

    def _check_succeeded(self) -> None:
        if self.turned:
            self.violates(8, "succeeded, and it had begun to unwind")
        for node, is_marker in enumerate(self.markers):
            if not is_marker and node not in self.succeeded:
                self.violates(8, "the saga succeeded, and it has not", node)

    # -- along the edges -------------------------------------------------------------

    def check_order(self) -> None:
        """Compare what happened when along each edge: promises 3 and 4."""
        order, parents, children = walk(self.dag)
        passed = [NEVER] * len(order)
        for node in order:
            passed[node] = self.succeeded.get(node, NEVER)
            if self.markers[node]:  # has events of its own only in a log from elsewhere
                above = max((passed[parent] for parent in parents[node]), default=0)
                passed[node] = min(passed[node], max(above, self.requested_at))
        settled = [NEVER] * len(order)
        for node in reversed(order):
            settled[node] = (
                max((settled[child] for child in children[node]), default=0)
                if self.markers[node]
                else self._settled_at(node)
            )
        for node in order:
            if self.markers[node]:
                continue
            start, undo = self.first_start.get(node), self.undo_began.get(node)
            if start is not None and any(passed[each] > start for each in parents[node]):
                self.sequence = start
                self.violates(3, "it starts before all it depends on have succeeded", node)
            if undo is not None and any(settled[each] > undo for each in children[node]):
                self.sequence = undo
                self.violates(4, "it is undone before what depends on it is settled", node)

    def _settled_at(self, node: int) -> float:
        if node not in self.first_start:
            return 0
        when, effect = self.failed.get(node, (0, Effect.POSSIBLE))
        return when if effect is Effect.NONE else self.undone.get(node, NEVER)
