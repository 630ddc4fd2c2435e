"""The point of no return: where it may stand in a DAG, and what stands behind it.

While a pivot has not succeeded its saga can be unwound, and after that never. So
nothing may run beside it that could fail and turn the saga meanwhile: every other node
is its ancestor or its descendant. (Constants cannot fail, and are free.) What is behind
a pivot is never undone, and needs no undo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.core.nodes import NodeKind, Undoing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sagacity.core.dag import Dag

MAX_PIVOTS: Final = 100
"""Each is held against all other nodes."""
_NAMED: Final = 5


def reached(starts: Iterable[int], neighbours: Callable[[int], Iterable[int]]) -> set[int]:
    """Return what can be reached from `starts`, which are left out."""
    found: set[int] = set()
    stack = list(starts)
    while stack:
        for node in neighbours(stack.pop()):
            if node not in found:
                found.add(node)
                stack.append(node)
    return found


def is_undoable(undoing: Undoing, *, atomic: bool) -> bool:
    """Whether a node of this contract can stand where it may have to be taken back."""
    return undoing is not Undoing.NEVER and (undoing is not Undoing.KNOWN or atomic)


def pivot_mistakes(dag: Dag) -> list[str]:
    """Find pivots with something beside them, and nodes that cannot be taken back before one."""
    pivots = sorted(dag.pivots)
    if len(pivots) > MAX_PIVOTS:
        return [f"{len(pivots):,} pivots are over the limit of {MAX_PIVOTS}"]
    mistakes: list[str] = []
    for pivot in pivots:
        comparable = (
            reached([pivot], dag.parents.__getitem__)
            | reached([pivot], dag.children.__getitem__)
            | {pivot}
        )
        beside = [
            f'"{dag.paths[node]}"'
            for node in range(len(dag.nodes))
            if node not in comparable and dag.nodes[node].kind is NodeKind.ACTION
        ]
        if beside:
            more = f" and {len(beside) - _NAMED:,} more" if len(beside) > _NAMED else ""
            mistakes.append(
                f'node "{dag.paths[pivot]}" is a pivot, and stands beside '
                f"{', '.join(beside[:_NAMED])}{more}: let each of them come before or after it"
            )
    if dag.forward_only:
        return mistakes
    behind = reached(pivots, dag.children.__getitem__)
    for index, node in enumerate(dag.nodes):
        if index not in behind and not is_undoable(node.undoing, atomic=node.atomic):
            mistakes.append(f'node "{dag.paths[index]}": {_WHY[node.undoing]}')
    return mistakes


_WHY: Final = {
    Undoing.NEVER: "it has no undo, and is not behind a pivot",
    Undoing.KNOWN: "its undo cannot meet an unknown outcome and it is not atomic",
}
