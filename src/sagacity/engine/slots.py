"""What may run at once: so many in all, some of them kept for undoing, and so many at each gate.

A gate is a narrower limit that some have to pass as well: that of an action, of a saga's
name, or of one key of either. What must stay true: no limit is ever passed, and nobody
waits who could go on. Who waits, waits at one place: at its gate while that is full, else
in the common line. It holds nothing meanwhile, so who crowds a gate takes no room from
others. Those who undo stand in lines of their own and go first.

Attempts of actions take slots, and so do sagas their places: this knows of neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.engine.lines import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    GateKey = tuple[str, bytes, bool]

KEPT_SHARE: Final = 8
"""One slot of so many is kept for undoing, unless it is said otherwise."""


def kept_of(limit: int) -> int:
    """Return how many of `limit` slots are kept for undoing; of a single one, none can be."""
    return max(1, limit // KEPT_SHARE) if limit > 1 else 0


class Pass:
    """One who holds a slot, or waits for one; then `grant` is called once when it has it."""

    __slots__ = ("gate", "grant", "group", "line", "rests", "undoes")

    def __init__(
        self, group: Hashable, grant: Callable[[Pass], None], gate: Gate | None, *, undoes: bool
    ) -> None:
        """`group` shares its turns; `undoes`: it takes something back, and goes first."""
        self.group: Final = group
        self.grant: Final = grant
        self.gate: Final = gate
        self.undoes: Final = undoes
        self.line: Line[Pass] | None = None
        """Where it waits."""
        self.rests = False
        """Whether it has given its slot to others, and has kept its gate."""


class Gate:
    """A limit of its own. Dos and undos never share one: an undo waits for no do that hangs."""

    __slots__ = ("about", "held", "key", "limit", "line", "users")

    def __init__(self, key: GateKey, limit: int, about: str) -> None:
        """Let `limit` pass at once; `about`: for each value of what, for people."""
        self.about: Final = about
        self.key: Final = key
        self.limit: Final = limit
        self.users = 0
        """How many hold it or wait, here or in the common line."""
        self.held: dict[Pass, None] = {}
        self.line: Final[Line[Pass]] = Line()

    @property
    def is_full(self) -> bool:
        """Whether nobody more may pass."""
        return len(self.held) >= self.limit


class Slots:
    """Slots, gates, and those who wait for them."""

    def __init__(self, limit: int, kept: int = 0) -> None:
        """Let `limit` go at once, of which `kept` only undo."""
        self.limit: Final = limit
        self.kept: Final = kept
        self._free = limit
        self._free_forward = limit - kept
        self._forward: Final[Line[Pass]] = Line()
        self._undoing: Final[Line[Pass]] = Line()
        self._gates: dict[GateKey, Gate] = {}
        self._is_granting = False

    @property
    def free(self) -> int:
        """How many more could go at once."""
        return self._free

    @property
    def is_unused(self) -> bool:
        """Whether nobody holds a slot or waits for one."""
        lines = self._forward.groups or self._undoing.groups or self._gates
        return self._free == self.limit and not lines

    def gate(self, name: str, key: bytes, limit: int, *, undoes: bool, about: str = "") -> Gate:
        """Return the gate of a name (and a key); it is there as long as it is used."""
        known = self._gates.get((name, key, undoes))
        return Gate((name, key, undoes), limit, about) if known is None else known

    # -- those that need no pass -----------------------------------------------

    def take(self) -> bool:
        """Take a slot for what goes forward and has no gate; False: it has to wait."""
        if self._free_forward <= 0 or self._free <= 0:
            return False
        self._free_forward -= 1
        self._free -= 1
        return True

    def give_back(self) -> None:
        """Give back what `take` took."""
        may_wait = self._free_forward <= 0 or self._free <= 0  # nobody waits while there is room
        self._free_forward += 1
        self._free += 1
        if may_wait:
            self._grant()

    # -- those that have one ---------------------------------------------------

    @property
    def has_room(self) -> bool:
        """Whether `take` would take a slot now."""
        return self._free_forward > 0 and self._free > 0

    def may_enter(self, gate: Gate | None, *, undoes: bool) -> bool:
        """Whether one more would get a slot now."""
        if gate is not None and (gate.is_full or gate.line.groups):
            return False
        return self._has_room(undoes=undoes) and not self._line(undoes=undoes).groups

    def enter(self, who: Pass) -> bool:
        """Take a slot now (True), or be granted one later. What rests has passed its gate."""
        gate = who.gate
        if who.rests:
            who.rests = False
        elif gate is not None:
            self._gates[gate.key] = gate
            gate.users += 1
            if gate.is_full or gate.line.groups:
                gate.line.append(who)
                return False
        line = self._undoing if who.undoes else self._forward
        if line.groups or not self._has_room(undoes=who.undoes):
            line.append(who)
            return False
        self._take(who)
        return True

    def leave(self, who: Pass) -> None:
        """Give a slot back, or stop waiting for one."""
        gate, line = who.gate, who.line
        if line is not None:
            line.remove(who)
        elif not who.rests:
            self._free += 1
            self._free_forward += not who.undoes
        if gate is not None:
            gate.held.pop(who, None)
            gate.users -= 1
            if not gate.users:
                del self._gates[gate.key]
            elif gate.line.groups and not gate.is_full and line is not gate.line:
                # One has gone that counted here, so one comes: never more stand in the
                # common line for this gate than have left it, or came when it had room.
                next_ = gate.line.pop()
                self._line(undoes=next_.undoes).append(next_)
        self._grant()

    def rest(self, who: Pass) -> None:
        """Give a slot to others, but keep the gate; `enter` takes one again."""
        who.rests = True
        self._free += 1
        self._free_forward += not who.undoes
        self._grant()

    def _grant(self) -> None:
        """Let in whoever may go now."""
        if self._is_granting:
            return  # called by a grant that wants none any more: the loop below goes on
        self._is_granting = True
        try:
            while self._free > 0:
                if self._undoing.groups:
                    who = self._undoing.pop()
                elif self._forward.groups and self._free_forward > 0:
                    who = self._forward.pop()
                else:
                    return
                gate = who.gate
                if gate is not None and gate.is_full and who not in gate.held:
                    gate.line.put_back(who)
                    continue
                self._take(who)
                who.grant(who)
        finally:
            self._is_granting = False

    def _take(self, who: Pass) -> None:
        self._free -= 1
        self._free_forward -= not who.undoes
        if who.gate is not None:
            who.gate.held[who] = None

    def _line(self, *, undoes: bool) -> Line[Pass]:
        return self._undoing if undoes else self._forward

    def _has_room(self, *, undoes: bool) -> bool:
        return self._free > 0 and (undoes or self._free_forward > 0)
