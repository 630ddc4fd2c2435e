"""Sagas to which everything happens: no promise is broken, and none stands still without a reason."""

from __future__ import annotations

from collections import Counter
from typing import Final

import pytest

from sagacity.core.events import ErrorKind
from sagacity.core.folding import replay
from sagacity.core.values import NULL
from sagacity.testing.checkers import judge
from tests.recovery.chaos import Chaos
from tests.recovery.walker import snapshot

PARTS: Final = 4
SAGAS: Final = 150
"""In each part."""
MOST: Final = 200
AT_LEAST: Final = 5
"""Of each kind of event in each part, so that a change cannot make it tame unseen."""


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_happens_in_whatever_order_is_recovered_and_breaks_no_promise(part: int) -> None:
    """What a coordinator means to do next is at any moment what the log alone says is to be done."""
    ends: Counter[str] = Counter()
    events: Counter[str] = Counter()
    for seed in range(part * SAGAS, (part + 1) * SAGAS):
        chaos = Chaos(seed)
        chaos.run(MOST)
        state = chaos.state
        assert judge(chaos.dag, chaos.log) == [], (seed, chaos.log)
        again = replay(chaos.dag, NULL, chaos.log)
        # When it expires is taken by the planner, as what is on the agenda is.
        assert snapshot(again, without={"expiry_ms"}) == snapshot(state, without={"expiry_ms"})
        ends[str(state.finished)] += 1
        events.update(event.kind for event in chaos.log)
        events["poison"] += any(error.kind is ErrorKind.DIED for _, error, _ in state.failures)
    assert ends["succeeded"] > SAGAS // 10, ends
    assert ends["unwound"] > SAGAS // 10, ends
    for kind in ("adopted", "released", "decided", "attempt_failed", "undo_attempt_failed",
                 "undo_failed", "unwinding", "poison"):  # fmt: skip
        assert events[kind] >= AT_LEAST, (kind, events)
