"""A DAG walked from its edges alone: the judge trusts nothing that the DAG has worked out."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagacity.core.dag import Dag


def walk(dag: Dag) -> tuple[list[int], Sequence[Sequence[int]], Sequence[Sequence[int]]]:
    """Return the nodes with parents before children, and both relations, from the edges alone."""
    count = len(dag.nodes)
    parents: list[list[int]] = [[] for _ in range(count)]
    children: list[list[int]] = [[] for _ in range(count)]
    for parent, child in dag.edges:
        parents[child].append(parent)
        children[parent].append(child)
    unmet = [len(each) for each in parents]
    ready = deque(node for node in range(count) if not unmet[node])
    order: list[int] = []
    while ready:
        node = ready.popleft()
        order.append(node)
        for child in children[node]:
            unmet[child] -= 1
            if not unmet[child]:
                ready.append(child)
    return order, parents, children
