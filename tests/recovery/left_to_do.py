"""What a log leaves to be done, worked out from the log alone, without the engine's fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sagacity.core.dag import Dag, OnStuck
from sagacity.core.events import (
    AttemptFailed,
    Effect,
    Event,
    Failed,
    FinalState,
    Finished,
    Started,
    StartRequested,
    Succeeded,
    UndoAttemptFailed,
    UndoFailed,
    UndoFinished,
    UndoStarted,
    Unwinding,
)
from sagacity.core.nodes import NodeKind, Undoing
from sagacity.core.planner import (
    Command,
    Conclude,
    ConcludeUndo,
    Finish,
    GiveUp,
    RunAction,
    RunUndo,
)
from tests.recovery.shapes import is_stuck_when_unknown


@dataclass
class _Node:
    starts: int = 0
    runs: bool = False  # an attempt of the do has no outcome
    tainted: bool = False
    pending: bool = False  # the last attempt of the do failed, and is retried
    not_before: int = 0
    undo_not_before: int = 0
    undo_starts: int = 0
    succeeded: bool = False
    effect: Effect | None = None  # of its failure
    undone: bool = False
    undo_failed: bool = False

    @property
    def settled(self) -> bool:
        return not self.starts or self.effect is Effect.NONE or self.undone


@dataclass
class _Read:
    nodes: list[_Node]
    requested: bool = False
    turned: bool = False
    forward_only: bool = False
    finished: bool = False
    stuck: set[int] = field(default_factory=set[int])


def left_to_do(dag: Dag, log: Sequence[Event]) -> set[Command]:
    """Return the commands of a coordinator that has just adopted the saga."""
    read = _read(dag, log)
    if not read.requested or read.finished:
        return set()
    if read.turned:
        read.stuck |= _asking(dag, read)
    if read.stuck and dag.on_stuck is OnStuck.HALT:
        return set()
    commands = _undos(dag, read) if read.turned else _dos(dag, read)
    if commands or read.stuck:
        return commands
    return {Finish(FinalState.UNWOUND if read.turned else FinalState.SUCCEEDED)}


def _asking(dag: Dag, read: _Read) -> set[int]:
    """Return the nodes that ask a person, now that all that depends on them is settled."""
    settled = _along(dag, [node.settled for node in read.nodes], up=True)
    return {
        index
        for index, node in enumerate(read.nodes)
        if dag.nodes[index].undoing is Undoing.ASK
        and (node.succeeded or node.effect is Effect.POSSIBLE)
        and not node.undone
        and all(settled[child] for child in dag.children[index])
    }


def _read(dag: Dag, log: Sequence[Event]) -> _Read:
    read = _Read([_Node() for _ in dag.nodes], forward_only=dag.forward_only)
    for event in log:
        match event:
            case StartRequested():
                read.requested = True
            case Unwinding():
                read.turned = True
            case Finished():
                read.finished = True
            case Started(node):
                it = read.nodes[node]
                it.tainted |= it.runs  # whoever began it before is gone
                it.starts, it.runs, it.pending = it.starts + 1, True, False
            case AttemptFailed(node, _, effect, at_ms):
                it = read.nodes[node]
                it.runs, it.pending, it.not_before = False, True, at_ms
                it.tainted = effect is Effect.POSSIBLE or (
                    it.tainted and not dag.nodes[node].atomic
                )
            case UndoAttemptFailed(node, _, at_ms):
                read.nodes[node].undo_not_before = at_ms
            case Succeeded(node):
                read.nodes[node].succeeded = True
                read.forward_only = read.forward_only or dag.nodes[node].undoing is Undoing.PIVOT
            case Failed(node, _, effect):
                read.nodes[node].effect = effect
                pivot = dag.nodes[node].undoing is Undoing.PIVOT
                if read.forward_only or (pivot and effect is Effect.POSSIBLE):
                    read.stuck.add(node)
                    continue
                read.turned = True
                if effect is Effect.POSSIBLE and is_stuck_when_unknown(dag.nodes[node]):
                    read.stuck.add(node)
            case UndoStarted(node):
                read.nodes[node].undo_starts += 1
            case UndoFinished(node):
                read.nodes[node].undone = True
            case UndoFailed(node):
                read.nodes[node].undo_failed = True
                read.stuck.add(node)
            case _:
                pass
    return read


def _dos(dag: Dag, read: _Read) -> set[Command]:
    passed = _along(dag, [node.succeeded for node in read.nodes], up=False)
    return {
        _do(dag, read, index)
        for index, node in enumerate(read.nodes)
        if not (dag.nodes[index].kind.is_marker or node.succeeded or index in read.stuck)
        and all(passed[parent] for parent in dag.parents[index])
    }


def _do(dag: Dag, read: _Read, index: int) -> Command:
    attempt = read.nodes[index].starts + 1
    action = dag.nodes[index].kind is NodeKind.ACTION
    not_before = read.nodes[index].not_before
    return RunAction(index, attempt, not_before) if action else Conclude(index, attempt)


def _undos(dag: Dag, read: _Read) -> set[Command]:
    settled = _along(dag, [node.settled for node in read.nodes], up=True)
    commands: set[Command] = set()
    for index, node in enumerate(read.nodes):
        what = dag.nodes[index]
        if what.kind.is_marker or node.settled or index in read.stuck:
            continue
        if not all(settled[child] for child in dag.children[index]):
            continue
        cut_off = not (node.succeeded or node.effect or node.undo_starts)
        if cut_off and what.atomic and (node.tainted or node.runs):
            commands.add(_do(dag, read, index))
        elif cut_off and (node.pending or what.undoing is Undoing.ASK):
            commands.add(GiveUp(index))
        elif what.undoing is Undoing.NOTHING:
            commands.add(ConcludeUndo(index))
        else:
            commands.add(RunUndo(index, node.undo_starts + 1, node.undo_not_before))
    return commands


def _along(dag: Dag, holds: list[bool], *, up: bool) -> list[bool]:
    """Carry what holds of nodes through markers, downwards from parents or up from children."""
    order = sorted(range(len(holds)), key=dag.rank.__getitem__, reverse=up)
    next_to = dag.children if up else dag.parents
    for index in order:
        if dag.nodes[index].kind.is_marker:
            holds[index] = all(holds[each] for each in next_to[index])
    return holds
