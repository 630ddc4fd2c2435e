"""A line of those who wait: groups take turns, and within a group it is first come, first served.

So who comes with ten thousand at once waits long, and nobody else does. All of it costs
the same however many wait.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable


class Waiting(Protocol):
    """One who waits; hashable by identity."""

    @property
    def group(self) -> Hashable:
        """Those who share their turns."""
        ...


W = TypeVar("W", bound=Waiting)


class Line(Generic[W]):
    """Those who wait for one thing."""

    __slots__ = ("_groups", "_size")

    def __init__(self) -> None:
        """Begin without any."""
        # Not a dict: to find its first key takes longer the more were removed before it.
        self._groups: OrderedDict[Hashable, OrderedDict[W, None]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        """Count all who wait."""
        return self._size

    def append(self, who: W) -> None:
        """Let `who` wait, as the last of its group."""
        group = self._groups.get(who.group)
        if group is None:
            group = self._groups[who.group] = OrderedDict()
        group[who] = None
        self._size += 1

    def put_back(self, who: W) -> None:
        """Let `who` wait on, who was taken out and could not go: its turn is the next."""
        self.append(who)
        self._groups[who.group].move_to_end(who, last=False)
        self._groups.move_to_end(who.group, last=False)

    def pop(self) -> W:
        """Take out the one whose turn it is.

        Raises:
            KeyError: nobody waits.
        """
        key, group = self._groups.popitem(last=False)
        who, _ = group.popitem(last=False)
        if group:
            self._groups[key] = group  # and now it is the turn of all others
        self._size -= 1
        return who

    def remove(self, who: W) -> None:
        """Take out one who does not wait any more.

        Raises:
            KeyError: it does not wait here.
        """
        group = self._groups[who.group]
        del group[who]
        if not group:
            del self._groups[who.group]
        self._size -= 1
