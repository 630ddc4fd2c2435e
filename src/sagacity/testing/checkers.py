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

import math
from typing import TYPE_CHECKING, Final, TypeAlias

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
    How,
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


_NEVER: Final = math.inf


class _Case:
    """One log under judgement."""

    def __init__(self, dag: Dag) -> None:
        self.dag: Final = dag
        self.violations: list[Violation] = []
        self.sequence = 0
        self._markers: Final = [node.kind.is_marker for node in dag.nodes]
        self._epoch: int | None = None
        self._owner = ""
        self._created = False
        self._requested = False
        self._requested_at: float = _NEVER
        self._finished = ""
        self._turned = False
        self._halted = False
        # By node: the sequence at which it first happened.
        self._first_start: dict[int, int] = {}
        self._succeeded: dict[int, int] = {}
        self._failed: dict[int, tuple[int, Effect]] = {}
        self._undo_began: dict[int, int] = {}
        self._undone: dict[int, int] = {}
        self._starts: dict[int, int] = {}
        self._undo_starts: dict[int, int] = {}
        self._doing: set[int] = set()
        self._undoing: set[int] = set()
        self._interrupted: set[int] = set()
        """Nodes that had an attempt (of the do) in flight when the owner changed."""
        self._requests: set[str] = set()
        self._paused = False
        self._tainted: set[int] = set()
        """Those, and nodes whose attempt failed with an effect possible."""
        self._retrying: set[int] = set()
        """Nodes whose last attempt (of the do) failed, and was not the last."""

    def _violates(self, promise: int, sentence: str, node: int | None = None) -> None:
        path = "" if node is None else self.dag.paths[node] or f"({self.dag.nodes[node].kind})"
        self.violations.append(Violation(promise, self.sequence, path, sentence))

    # -- event by event --------------------------------------------------------

    def check_place(self, logged: LoggedEvent, position: int) -> None:
        """Judge where an event stands and who wrote it."""
        self.sequence = logged.sequence
        if logged.sequence != position:
            self._violates(2, f"the {position}. event has sequence {logged.sequence}")
        if self._epoch is not None:
            if logged.epoch < self._epoch:
                self._violates(10, f"epoch {logged.epoch} after epoch {self._epoch}")
            if not isinstance(logged.event, Adopted):
                if logged.epoch != self._epoch:
                    self._violates(10, f"epoch {logged.epoch} without an adoption")
                if logged.owner != self._owner:
                    self._violates(10, f'an event of "{logged.owner}" without an adoption')
        self._epoch, self._owner = logged.epoch, logged.owner

    def hear(self, event: Event) -> None:
        """Take the next event."""
        if self._finished:
            self._violates(9, f"{event.kind} after the saga {self._finished}")
        if not self._created and not isinstance(event, Created):
            self._violates(0, f"{event.kind} before the saga was created")
            self._created = True
        match event:
            case Created() | StartRequested():
                self._hear_request(event)
            case Adopted():
                self._interrupted |= self._doing
                self._tainted |= self._doing
                self._retrying -= self._doing
                self._doing.clear()
                self._undoing.clear()
            case Unwinding():
                self._turned = True
            case Decided():
                self._hear_decision(event)
            case Finished():
                self._hear_end(event)
            case _:
                self._hear_node(event)

    def _hear_request(self, event: Created | StartRequested) -> None:
        before = self._created if isinstance(event, Created) else self._requested
        if before:
            self._violates(12, f"{event.kind} twice")
        if isinstance(event, Created):
            self._created = True
        else:
            self._requested = True
            self._requested_at = min(self._requested_at, self.sequence)

    def _hear_decision(self, event: Decided) -> None:
        """A person may do what the engine may not: judged is what follows."""
        if event.request in self._requests:
            self._violates(12, f"request {event.request} is carried out twice")
        self._requests.add(event.request)
        nodes = [event.node] if event.node >= 0 else sorted(self._failed)
        match event.verb:
            case "pause":
                self._paused = True
            case "unpause":
                self._paused = False
            case "abort":
                self._turned = True
            case "retry":
                for node in nodes:
                    unknown = self._failed.get(node, (0, Effect.NONE))[1] is Effect.POSSIBLE
                    if unknown and node not in self._undo_began:  # its do runs again
                        del self._failed[node]
                        self._tainted.add(node)
                self._halted = False
            case "skip":
                self._undone.setdefault(event.node, self.sequence)
                self._undo_began.setdefault(event.node, self.sequence)
                self._halted = False
            case "set_output":
                self._failed.pop(event.node, None)
                self._retrying.discard(event.node)
                self._succeeded.setdefault(event.node, self.sequence)
                self._halted = False
            case _:
                pass

    def _hear_node(self, event: NodeEvent) -> None:
        node = event.node
        if not 0 <= node < len(self.dag.nodes):
            self._violates(0, f"{event.kind} of node {node}, which does not exist")
            return
        if self._requested and self._markers[node]:
            self._violates(0, f"{event.kind} of a marker", node)
        if self._paused and isinstance(event, Started | UndoStarted):
            self._violates(0, "it starts while the saga is paused", node)
        match event:
            case Started():
                self._hear_start(event)
            case AttemptFailed():
                self._hear_retry(event)
            case Succeeded():
                self._hear_outcome(event)
                if node in self._succeeded:
                    self._violates(8, "it succeeded twice", node)
                self._succeeded.setdefault(node, self.sequence)
            case Failed():
                asks = self.dag.nodes[node].undoing is Undoing.ASK and node in self._interrupted
                if (node in self._retrying or asks) and node not in self._doing:
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
                self._count(self._undo_starts, event)
                self._undoing.add(node)
            case UndoFinished():
                self._hear_undo_end(event)
            case UndoFailed() | UndoAttemptFailed():
                self._hear_undo_failure(event)

    def _hear_retry(self, event: AttemptFailed) -> None:
        node = event.node
        self._hear_outcome(event)
        if event.effect is Effect.POSSIBLE:
            self._tainted.add(node)
        elif self.dag.nodes[node].atomic:
            self._tainted.discard(node)
        self._retrying.add(node)

    def _count(self, counts: dict[int, int], event: Started | UndoStarted) -> None:
        counts[event.node] = counts.get(event.node, 0) + 1
        if event.attempt != counts[event.node]:
            self._violates(
                0, f"{event.kind} counts {event.attempt}, not {counts[event.node]}", event.node
            )

    def _hear_start(self, event: Started) -> None:
        node = event.node
        again = node in self._first_start
        if node in self._doing or node in self._undoing:
            self._violates(0, "it starts while an attempt of it is in flight", node)
        elif node in self._succeeded:
            self._violates(8, "it starts again after it had succeeded", node)
        elif node in self._failed:
            self._violates(0, "it starts again after it had failed for good", node)
        if self._turned and not again:
            self._violates(6, "it starts while the saga unwinds", node)
        elif node in self._undo_began:
            self._violates(6, "it starts again after its undo began", node)
        elif self._turned and self._requested and not self.dag.nodes[node].atomic:
            self._violates(6, "it runs again while the saga unwinds, and is not atomic", node)
        self._count(self._starts, event)
        self._first_start.setdefault(node, self.sequence)
        self._doing.add(node)

    def _hear_outcome(self, event: Succeeded | AttemptFailed | Failed) -> None:
        node = event.node
        self._retrying.discard(node)
        if node not in self._doing:
            if node in self._interrupted:
                self._violates(10, "an outcome of an attempt of the owner before", node)
            else:
                self._violates(0, f"{event.kind} without an attempt in flight", node)
        self._doing.discard(node)

    def _hear_giving_up(self, node: int) -> None:
        self._retrying.discard(node)
        if not self._turned:
            self._violates(0, "it is given up while it waits for a retry", node)
        if node in self._tainted and self.dag.nodes[node].atomic:
            self._violates(0, "it is given up, and its outcome must be known", node)

    def _hear_failure(self, event: Failed) -> None:
        node = event.node
        self._turned = True
        self._failed[node] = (self.sequence, event.effect)
        may_have_had_one = node in self._tainted and not self.dag.nodes[node].atomic
        if event.effect is Effect.NONE and may_have_had_one:
            self._violates(
                7, "it failed without effect, but an earlier attempt may have had one", node
            )

    def _hear_undo_begin(self, node: int) -> None:
        if not self._turned:
            self._violates(4, "it is undone while the saga goes forward", node)
        if node not in self._first_start:
            self._violates(5, "it is undone, and never started", node)
        if node in self._undone:
            self._violates(5, "it is undone twice", node)
        if self._failed.get(node, (0, Effect.POSSIBLE))[1] is Effect.NONE:
            self._violates(5, "it is undone, and failed without effect", node)
        if node in self._doing or node in self._undoing:
            self._violates(4, "it is undone while an attempt of it is in flight", node)
        what = self.dag.nodes[node]
        if what.undoing is Undoing.KNOWN and node not in self._succeeded:
            self._violates(0, "its undo cannot meet an unknown outcome", node)
        if self._halted and self._requested:
            self._violates(0, "its undo begins after another failed, and the saga halts", node)
        self._undo_began.setdefault(node, self.sequence)

    def _hear_undo_end(self, event: UndoFinished) -> None:
        node = event.node
        if node in self._undoing:
            self._undoing.discard(node)
            if node in self._undone:
                self._violates(5, "it is undone twice", node)
        else:
            self._hear_undo_begin(node)
            if event.how is How.UNDONE:
                self._violates(0, "its undo finished without an attempt in flight", node)
            elif self.dag.nodes[node].undoing is not Undoing.NOTHING:
                self._violates(7, "it was passed over, and has an undo", node)
        self._undone.setdefault(node, self.sequence)

    def _hear_undo_failure(self, event: UndoFailed | UndoAttemptFailed) -> None:
        if event.node not in self._undoing:
            self._violates(0, "its undo failed without an attempt in flight", event.node)
        self._undoing.discard(event.node)
        if isinstance(event, UndoFailed):
            self._halted = self.dag.on_stuck is OnStuck.HALT

    # -- the end -----------------------------------------------------------------

    def _hear_end(self, event: Finished) -> None:
        for node in sorted(self._doing | self._undoing):
            self._violates(9, f"in flight when the saga {event.outcome}", node)
        self._finished = event.outcome.value
        if event.outcome is FinalState.UNWOUND:
            self._check_unwound()
        elif event.outcome is FinalState.SUCCEEDED:
            self._check_succeeded()

    def _check_unwound(self) -> None:
        if not self._turned:
            self._violates(7, "unwound, and nothing had failed")
        for node in self._first_start:
            without_effect = self._failed.get(node, (0, Effect.POSSIBLE))[1] is Effect.NONE
            if not (without_effect or node in self._undone or self._markers[node]):
                self._violates(7, "unwound, and it is not undone", node)

    def _check_succeeded(self) -> None:
        if self._turned:
            self._violates(8, "succeeded, and it had begun to unwind")
        for node, is_marker in enumerate(self._markers):
            if not is_marker and node not in self._succeeded:
                self._violates(8, "the saga succeeded, and it has not", node)

    # -- along the edges -------------------------------------------------------------

    def check_order(self) -> None:
        """Compare what happened when along each edge: promises 3 and 4."""
        order, parents, children = walk(self.dag)
        passed = [_NEVER] * len(order)
        for node in order:
            passed[node] = self._succeeded.get(node, _NEVER)
            if self._markers[node]:  # has events of its own only in a log from elsewhere
                above = max((passed[parent] for parent in parents[node]), default=0)
                passed[node] = min(passed[node], max(above, self._requested_at))
        settled = [_NEVER] * len(order)
        for node in reversed(order):
            settled[node] = (
                max((settled[child] for child in children[node]), default=0)
                if self._markers[node]
                else self._settled_at(node)
            )
        for node in order:
            if self._markers[node]:
                continue
            start, undo = self._first_start.get(node), self._undo_began.get(node)
            if start is not None and any(passed[each] > start for each in parents[node]):
                self.sequence = start
                self._violates(3, "it starts before all it depends on have succeeded", node)
            if undo is not None and any(settled[each] > undo for each in children[node]):
                self.sequence = undo
                self._violates(4, "it is undone before what depends on it is settled", node)

    def _settled_at(self, node: int) -> float:
        if node not in self._first_start:
            return 0
        when, effect = self._failed.get(node, (0, Effect.POSSIBLE))
        return when if effect is Effect.NONE else self._undone.get(node, _NEVER)
