"""The slots themselves: no limit is passed, nobody waits who could go on, all get their turn."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sagacity.engine.slots import Gate, Pass, Slots, kept_of

SAGAS = "abc"
GATES = {"narrow": 1, "wide": 3}


def waiting(
    slots: Slots, group: str = "a", *, gate: Gate | None = None, undoes: bool = False
) -> tuple[Pass, list[Pass], bool]:
    """Return one that wants a slot, where it lands when it is granted, and whether it has one."""
    granted: list[Pass] = []
    pass_ = Pass(group, granted.append, gate, undoes=undoes)
    return pass_, granted, slots.enter(pass_)


@pytest.mark.parametrize(
    ("limit", "kept"), [(1, 0), (2, 1), (8, 1), (15, 1), (16, 2), (1_000, 125)]
)
def test_one_slot_in_eight_is_kept_for_undoing(limit: int, kept: int) -> None:
    """At least one, unless there is only one in all."""
    assert kept_of(limit) == kept


def test_a_saga_with_thousands_waiting_lets_others_have_every_other_turn() -> None:
    """Whoever came last with one waits for one turn of each saga before it, not for all nodes."""
    slots, order, held = Slots(1), list[str](), list[Pass]()

    def granted(who: Pass) -> None:
        order.append(str(who.group))
        held.append(who)

    assert slots.take()
    for name in ["crowd"] * 10_000 + ["second", "third"]:
        assert not slots.enter(Pass(name, granted, None, undoes=False))
    slots.give_back()
    for _ in range(4):  # whoever was granted a slot gives it back
        slots.leave(held.pop())
    assert order == ["crowd", "second", "third", "crowd", "crowd"]


def test_what_is_kept_for_undoing_is_taken_by_undos_only() -> None:
    """Dos that hang for ever leave it free."""
    slots = Slots(4, kept=1)
    assert [slots.take() for _ in range(4)] == [True, True, True, False]
    undo, _, has = waiting(slots, undoes=True)
    assert has
    _, granted, has = waiting(slots, undoes=True)
    assert not has
    slots.leave(undo)
    assert len(granted) == 1


def test_an_undo_goes_before_all_dos_that_wait() -> None:
    """However long they have."""
    slots = Slots(1)
    assert slots.take()
    _, do, _ = waiting(slots)
    _, undo, _ = waiting(slots, undoes=True)
    slots.give_back()
    assert (len(do), len(undo)) == (0, 1)


def test_an_undo_waits_for_no_do_of_its_gate() -> None:
    """They are counted apart, so a do that hangs blocks no undo."""
    slots = Slots(4, kept=1)
    assert waiting(slots, gate=slots.gate("x", b"", 1, undoes=False))[2]
    assert waiting(slots, gate=slots.gate("x", b"", 1, undoes=True), undoes=True)[2]


def test_who_waits_at_a_gate_takes_no_slot_from_others() -> None:
    """It holds nothing before it can go."""
    slots = Slots(2)
    first, _, has = waiting(slots, gate=slots.gate("x", b"", 1, undoes=False))
    assert has
    _, granted, has = waiting(slots, gate=slots.gate("x", b"", 1, undoes=False))
    assert not has
    assert slots.take()
    slots.leave(first)
    assert len(granted) == 1


@given(st.integers(1, 50))
def test_a_gate_is_there_only_while_it_is_used(keys: int) -> None:
    """As many keys as there are values may come by; none stays."""
    slots = Slots(keys + 1)
    passes = [
        waiting(slots, gate=slots.gate("x", b"%d" % key, 1, undoes=False))[0] for key in range(keys)
    ]
    assert len(slots._gates) == keys
    for each in passes:
        slots.leave(each)
    assert slots.is_unused


def test_a_grant_that_gives_its_slot_back_at_once_does_not_recurse() -> None:
    """However many do so in a row."""
    slots, passed = Slots(1), Counter[str]()
    assert slots.take()

    def pass_on(who: Pass) -> None:
        passed["all"] += 1
        slots.leave(who)

    for _ in range(10_000):
        slots.enter(Pass("a", pass_on, slots.gate("x", b"", 1, undoes=False), undoes=False))
    slots.give_back()
    assert passed["all"] == 10_000
    assert slots.is_unused


class Crowd(RuleBasedStateMachine):
    """Sagas that come, wait, go, and think better of it, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = Slots(4, kept=1)
        self.holding: list[Pass] = []
        self.waiting: list[Pass] = []
        self.plain = 0

    def granted(self, who: Pass) -> None:
        self.waiting.remove(who)
        self.holding.append(who)

    @rule(saga=st.sampled_from(SAGAS), gate=st.sampled_from([None, *GATES]), undoes=st.booleans())
    def comes(self, saga: str, gate: str | None, undoes: bool) -> None:
        """One wants a slot."""
        found = None if gate is None else self.slots.gate(gate, b"", GATES[gate], undoes=undoes)
        who = Pass(saga, self.granted, found, undoes=undoes)
        (self.holding if self.slots.enter(who) else self.waiting).append(who)

    @rule()
    def comes_plain(self) -> None:
        """One wants a slot, and does without if there is none."""
        self.plain += self.slots.take()

    @precondition(lambda self: self.plain)
    @rule()
    def goes_plain(self) -> None:
        """One gives back what it took."""
        self.plain -= 1
        self.slots.give_back()

    @precondition(lambda self: self.holding or self.waiting)
    @rule(data=st.data())
    def goes(self, data: st.DataObject) -> None:
        """One is done, or does not want any more."""
        who = data.draw(st.sampled_from(self.holding + self.waiting))
        (self.holding if who in self.holding else self.waiting).remove(who)
        self.slots.leave(who)

    @invariant()
    def no_limit_is_passed(self) -> None:
        """In all, forward, and at each gate."""
        forward = self.plain + sum(not each.undoes for each in self.holding)
        assert forward <= 3
        assert self.plain + len(self.holding) <= 4
        for (name, _, _), count in Counter(
            each.gate.key for each in self.holding if each.gate
        ).items():
            assert count <= GATES[name]

    @invariant()
    def nobody_waits_who_could_go_on(self) -> None:
        """No grant is ever lost."""
        used = self.plain + len(self.holding)
        forward = self.plain + sum(not each.undoes for each in self.holding)
        at_gates = Counter(each.gate.key for each in self.holding if each.gate)
        for each in self.waiting:
            room = used < 4 and (each.undoes or forward < 3)
            gate = each.gate
            assert not (room and (gate is None or at_gates[gate.key] < gate.limit))

    @invariant()
    def nothing_is_kept_that_nobody_uses(self) -> None:
        """Counters are there while somebody holds or waits."""
        assert set(self.slots._gates) == {
            each.gate.key for each in self.holding + self.waiting if each.gate
        }
        assert self.slots.is_unused == (not (self.plain or self.holding or self.waiting))


TestCrowd = Crowd.TestCase
TestCrowd.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), min_size=1, max_size=60))
def test_each_saga_gets_a_turn_before_any_has_a_second(comings: list[tuple[str, bool]]) -> None:
    """Of those that wait on, within dos and within undos; and each saga's own come in order."""
    slots = Slots(1)
    held: list[Pass] = []
    assert slots.take()
    passes = [Pass(group, held.append, None, undoes=undoes) for group, undoes in comings]
    for each in passes:
        slots.enter(each)
    slots.give_back()
    order: list[Pass] = []
    while held:
        order.append(held.pop())
        slots.leave(order[-1])
    assert [each.undoes for each in order] == sorted((each.undoes for each in order), reverse=True)
    for undoes in (True, False):
        mine = [each for each in order if each.undoes is undoes]
        for group in {each.group for each in mine}:
            own = [each for each in mine if each.group == group]
            assert own == [each for each in passes if each in own]
        for place, each in enumerate(mine):
            later = {other.group for other in mine[place + 1 :]}
            for other in later - {each.group}:  # each that waits on had as many turns, or one less
                turns = Counter(before.group for before in mine[: place + 1])
                assert turns[other] >= turns[each.group] - 1
