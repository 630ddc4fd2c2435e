"""Sets of parents: large ones that several nodes share are put behind a join.

So a stage of m nodes before a stage of n costs about m + n edges, and not m x n.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sagacity.core.draft import DagDraft

_MANY: Final = 8


class ParentSets:
    """The sets of parents in one draft."""

    def __init__(self, draft: DagDraft) -> None:
        """Put joins into `draft` when they are worth it."""
        self._draft: Final = draft
        self._joins: Final[dict[tuple[int, ...], int | None]] = {}

    def of(self, groups: Iterable[Sequence[int]]) -> list[int]:
        """Return what a node depends on that depends on all nodes of all groups.

        A group is what the author gave in one place: `after=`, or one argument. That
        is what other nodes are likely to be given too.
        """
        parents: dict[int, None] = {}
        joined: set[int] = set()
        for group in groups:
            join = self._join_of(group)
            if join is None:
                parents |= dict.fromkeys(each for each in group if each not in joined)
            else:
                joined.update(group)
                parents[join] = None
        return list(parents)

    def _join_of(self, group: Sequence[int]) -> int | None:
        # The first node that has this group gets plain edges: most large groups have
        # one child only, and a join would be one node too many.
        if len(group) <= _MANY:
            return None
        key = tuple(sorted(group))
        if key not in self._joins:
            self._joins[key] = None
            return None
        join = self._joins[key]
        if join is None:
            join = self._joins[key] = self._draft.join(key)
        return join
