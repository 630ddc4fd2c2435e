"""A line of those who wait: groups take turns, and within a group it is first come, first served.

So who comes with ten thousand at once waits long, and nobody else does. All of it costs
the same however many wait.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable


class Waiting(Protocol):
    """One who waits; hashable by identity."""

    line: Line[Any] | None
    """Where it waits."""

    @property
    def group(self) -> Hashable:
        """Those who share their turns."""
        ...


W = TypeVar("W", bound=Waiting)


class Line(Generic[W]):
    """Those who wait for one thing."""

    __slots__ = ("groups",)

    def __init__(self) -> None:
        """Begin without any."""
        # Not a dict: to find its first key takes longer the more were removed before it.
        self.groups: Final[OrderedDict[Hashable, OrderedDict[W, None]]] = OrderedDict()
        """Those who wait, by group; none if nobody does. Looked at by others, changed here."""

    def append(self, who: W) -> None:
        """Let `who` wait, as the last of its group."""
        who.line = self
        group = self.groups.get(who.group)
        if group is None:
            group = self.groups[who.group] = OrderedDict()
        group[who] = None

    def put_back(self, who: W) -> None:
        """Let `who` wait on, who was taken out and could not go: its turn is the next."""
        self.append(who)
        self.groups[who.group].move_to_end(who, last=False)
        self.groups.move_to_end(who.group, last=False)

    def pop(self) -> W:
        """Take out the one whose turn it is.

        Raises:
            KeyError: nobody waits.
        """
        key, group = self.groups.popitem(last=False)
        who, _ = group.popitem(last=False)
        if group:
            self.groups[key] = group  # and now it is the turn of all others
        who.line = None
        return who

    def remove(self, who: W) -> None:
        """Take out one who does not wait any more.

        Raises:
            KeyError: it does not wait here.
        """
        group = self.groups[who.group]
        del group[who]
        if not group:
            del self.groups[who.group]
        who.line = None
