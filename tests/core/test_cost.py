"""What folding and planning cost: counted in lines that run, not in seconds.

Lines of C do not count, so what walks over a whole collection in one of them (`list`,
`sorted`, a comprehension's source) is counted where the collection is asked for its items.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any

import pytest

from sagacity.core import agenda, planner, state, steering
from sagacity.core.builder import NodeFactory
from sagacity.core.dag import Dag
from sagacity.core.events import Event
from sagacity.core.state import SagaState
from tests.recovery.shapes import act, acts, staged
from tests.recovery.walker import Do, Script, walk

COUNTED = {module.__file__ for module in (agenda, planner, state, steering)}


class Counting(dict[int, None]):
    """A dict that counts the items it hands out."""

    handed_out = 0

    def __iter__(self) -> Iterator[int]:
        Counting.handed_out += len(self)
        return super().__iter__()


class CountingSet(set[int]):
    """A set that does."""

    def __iter__(self) -> Iterator[int]:
        Counting.handed_out += len(self)
        return super().__iter__()


def lines_of(work: Callable[[], object]) -> int:
    """Return how many lines of the fold and the planner `work` runs, and items it walks over."""
    lines = 0
    Counting.handed_out = 0

    def trace(frame: FrameType, event: str, _arg: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_filename not in COUNTED:
            return None
        lines += event == "line"
        return trace

    before = sys.gettrace()  # a coverage tool's, say
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines + Counting.handed_out


def cost_of(dag: Dag, log: list[Event]) -> int:
    """Return what folding and planning the whole log costs, event by event, after the making."""
    read = SagaState(dag)
    read.waiting, read._frontier = Counting(read.waiting), Counting()
    read.in_flight, read.interrupted = CountingSet(), CountingSet()

    def fold() -> None:
        for event in log:
            take(read, event)

    cost = lines_of(fold)
    assert type(read.waiting) is Counting
    assert type(read.in_flight) is CountingSet
    return cost


def line(size: int) -> Dag:
    return staged("line", *[acts(f"n{index}") for index in range(size)])


def fan(size: int) -> Dag:
    return staged("fan", acts("a"), [act(f"n{index}") for index in range(size)], acts("z"))


def stages_of_2(size: int) -> Dag:
    stages = [acts(f"n{index}x", f"n{index}y") for index in range(size)]
    return staged("stages", *stages, acts("z"))


def subsagas(size: int) -> Dag:
    inner = staged("inner", acts("i"), acts("j", "k"), acts("l"))
    return staged(
        "outer", acts("a"), [NodeFactory.subsaga(f"s{index}", inner, "a") for index in range(size)],
        acts("z"),
    )  # fmt: skip


def last(dag: Dag) -> Script:
    """Return the script in which the last action fails, after everything else."""
    return Script({dag.parents[next(n for n, node in enumerate(dag.nodes) if node.kind == "end")][0]:
                   Do.NONE})  # fmt: skip


def take(read: SagaState, event: Event) -> None:
    """Fold one event, and plan."""
    read.apply(event)
    planner.plan(read)


SHAPES = [line, fan, stages_of_2, subsagas]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fails", [False, True], ids=["succeeds", "unwinds"])
def test_an_event_costs_the_same_in_a_large_saga(shape: Callable[[int], Dag], fails: bool) -> None:
    """Folded and planned on average, whatever the shape: forward, and back."""
    costs: list[float] = []
    for size in (11, 44, 176):
        dag = shape(size)
        log = walk(dag, last(dag) if fails else Script()).log
        costs.append(cost_of(dag, log) / len(log))
    assert costs[1] <= costs[0] * 1.1
    assert costs[2] <= costs[1] * 1.02
    assert costs[2] < 60


@pytest.mark.parametrize("shape", [line, stages_of_2])
def test_no_single_event_costs_more_in_a_large_saga(shape: Callable[[int], Dag]) -> None:
    """Where no node has many neighbours, not even the dearest event does, forward or back."""
    dearest: list[int] = []
    for size in (11, 176):
        dag = shape(size)
        log = walk(dag, last(dag)).log
        read = SagaState(dag)
        dearest.append(max(lines_of(partial(take, read, event)) for event in log))
    assert dearest[0] == dearest[1]


@pytest.mark.parametrize("shape", SHAPES)
def test_failing_at_once_costs_little_in_a_large_saga(shape: Callable[[int], Dag]) -> None:
    """What never started is not walked over to be left alone."""
    costs: list[int] = []
    for size in (11, 176):
        dag = shape(size)
        first = dag.children[dag.roots[0]][0]
        costs.append(cost_of(dag, walk(dag, Script({first: Do.NONE})).log))
    assert costs[0] == costs[1]


def test_every_edge_is_walked_a_bounded_number_of_times() -> None:
    """Two wide stages cost their nodes and edges, with the join between them."""
    costs: list[float] = []
    for size in (20, 200):
        stages = [[act(f"{stage}{place}") for place in range(size)] for stage in "ab"]
        dag = staged("wide", *stages, acts("z"))
        log = walk(dag, last(dag)).log
        costs.append(cost_of(dag, log) / (len(dag.nodes) + len(dag.edges)))
    assert costs[1] <= costs[0] * 1.05
