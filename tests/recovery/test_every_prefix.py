"""Every prefix of every log of many small sagas recovers, and ends the same way.

The sagas are all DAG shapes of up to 4 nodes (and of 5 without spare edges) and those
with a name, with contracts varied, and with every failure that one or two nodes and
one undo can have. The logs are all interleavings of each, up to a limit.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import Final

import pytest

from sagacity.core.dag import Dag, OnStuck, Siblings
from sagacity.core.events import (
    Adopted,
    Created,
    Effect,
    Event,
    Failed,
    How,
    Started,
    Succeeded,
    UndoFinished,
    UndoStarted,
    Unwinding,
)
from sagacity.core.folding import replay
from sagacity.core.nodes import NodeKind, Undoing
from sagacity.core.planner import plan
from sagacity.core.state import SagaState
from sagacity.core.values import NULL
from sagacity.testing.checkers import judge
from tests.recovery.left_to_do import left_to_do
from tests.recovery.shapes import (
    PATTERNS,
    is_stuck_when_unknown,
    named,
    small,
    with_contracts,
    with_pivot,
)
from tests.recovery.walker import (
    BROKEN,
    Do,
    Model,
    Odometer,
    Script,
    Walker,
    recovered,
    snapshot,
    walk,
)

PARTS: Final = 24
MAX_LOGS: Final = 4
"""Of one saga: all interleavings when they are no more than these, else these many by chance."""
PIVOTS_EVERY: Final = 3
"""One script in so many is also tried with a point of no return."""
SECOND_CRASH_EVERY: Final = 24
"""One log in so many is also tried with a second crash at each place."""

# What each part has at the least, so that a change cannot make it small unseen.
LOGS_AT_LEAST: Final = 600
KIND_AT_LEAST: Final = 20

Case = tuple[Dag, Script]


# -- the sagas ---------------------------------------------------------------------------


def unrelated(dag: Dag, one: int, other: int) -> bool:
    return not (dag.depends_on(one, other) or dag.depends_on(other, one))


def ordinary(dag: Dag) -> list[int]:
    """Return the nodes that are not markers."""
    return [index for index, marker in enumerate(dag.markers) if not marker]


def failures(dag: Dag) -> Iterator[Script]:
    """Yield a success, each failure of one node, and two failures at once."""
    nodes = ordinary(dag)
    yield Script()
    for node in nodes:
        yield Script({node: Do.NONE})
        if dag.nodes[node].kind is NodeKind.ACTION:
            yield Script({node: Do.POSSIBLE})
    for one, other in combinations(nodes, 2):
        if unrelated(dag, one, other):
            yield Script({one: Do.NONE, other: Do.POSSIBLE})
            yield Script({one: Do.NONE, other: Do.NONE})


def undo_failures(dag: Dag) -> Iterator[Script]:
    """Yield each failing undo behind each failing do (the node of the bad undo itself is fine)."""
    nodes = ordinary(dag)
    for failing in nodes:
        for bad in nodes:
            if bad != failing and not dag.depends_on(bad, failing):
                yield Script({failing: Do.NONE}, frozenset({bad}))


def retries(dag: Dag) -> Iterator[Script]:
    """Yield attempts that are retried: alone, beside a failure, and those of undos."""
    nodes = [index for index in ordinary(dag) if dag.nodes[index].kind is NodeKind.ACTION]
    for turn, node in enumerate(nodes):
        effect = Effect.POSSIBLE if turn % 2 else Effect.NONE
        yield Script(tries={node: (effect,)})
        yield Script({node: Do.NONE}, tries={node: (Effect.NONE, effect)})
        if turn == len(nodes) // 2:
            told = frozenset({node})
            yield Script({node: Do.POSSIBLE}, tries={node: (effect,)}, beating=told)
        for other in nodes:
            if unrelated(dag, node, other):
                yield Script({other: Do.NONE}, tries={node: (effect,)})
            elif dag.depends_on(other, node):
                yield Script({other: Do.NONE}, undo_tries={node: 1 + turn % 2})


def cases(dag: Dag) -> Iterator[Case]:
    """Yield sagas of one shape: each script with two or three sets of contracts and policies."""
    turn = 0
    for script in failures(dag):
        for pattern in (PATTERNS[turn % len(PATTERNS)], PATTERNS[(turn + 2) % len(PATTERNS)]):
            yield with_contracts(dag, pattern), script
        if script.dos and turn % 2:
            pattern = PATTERNS[1 + turn % (len(PATTERNS) - 1)]
            yield with_contracts(dag, pattern, siblings=Siblings.CANCEL), script
        turn += 1
    for script in retries(dag):
        siblings = Siblings.CANCEL if turn % 3 == 0 else Siblings.FINISH
        yield with_contracts(dag, PATTERNS[turn % len(PATTERNS)], siblings=siblings), script
        turn += 1
    for place, script in enumerate([*failures(dag), *retries(dag)][::PIVOTS_EVERY]):
        # A plain pivot that was interrupted cannot say any more that it had no effect.
        failing = frozenset(node for node, how in script.dos.items() if how is Do.NONE)
        yield from ((other, script) for other in with_pivot(dag, place, atomic=failing))
    for script in undo_failures(dag):
        on_stuck = OnStuck.HALT if turn % 2 else OnStuck.CONTINUE
        siblings = Siblings.CANCEL if turn % 3 == 0 else Siblings.FINISH
        pattern = PATTERNS[turn % len(PATTERNS)]
        yield with_contracts(dag, pattern, siblings=siblings, on_stuck=on_stuck), script
        turn += 1


def storable(case: Case) -> bool:
    """Leave out an atomic action without an undo whose outcome is unknown: nothing follows."""
    dag, script = case
    return all(
        not (how is Do.POSSIBLE and dag.nodes[node].kind is not NodeKind.ACTION)
        for node, how in script.dos.items()
    )


def logs_of(case: Case, *, joins: bool, most: int = MAX_LOGS) -> Iterator[Walker]:
    """Yield the interleavings of one saga: all, or `most` by chance if they are more."""
    dag, script = case
    odometer = Odometer()
    walked: list[Walker] = []
    while len(walked) <= most:
        walked.append(walk(dag, script, odometer.choose, joins=joins))
        if not odometer.advance():
            yield from walked
            return
    chance = random.Random(repr(script))
    for _ in range(most):
        yield walk(dag, script, chance.randrange, joins=joins)


def part(number: int) -> Iterator[Case]:
    """Yield every case of one part of all shapes."""
    shapes = [*small(), *named().values()]
    for dag in shapes[number::PARTS]:
        yield from filter(storable, cases(dag))


# -- what is asked of each log ------------------------------------------------------------


def check_states(walker: Walker) -> None:
    """(a) and (b): a fold of each prefix is the state of that moment, and plans all that is left."""
    live = SagaState(walker.dag)
    for length, event in enumerate([None, *walker.log]):
        if event is not None:
            live.apply(event)
            plan(live)
        prefix = walker.log[:length]
        read = replay(walker.dag, NULL, prefix)
        assert snapshot(read) == snapshot(live), prefix
        if read.finished is not None or not prefix:
            continue
        read.apply(Adopted("next"))
        commands = plan(read)
        assert len(set(commands)) == len(commands), prefix
        assert set(commands) == left_to_do(walker.dag, prefix), prefix
        assert plan(read) in ([], commands), prefix


def check_ends(walker: Walker) -> None:
    """(c) and (d): each prefix, gone on with, ends as the whole log did, and nothing is amiss."""
    for length in range(len(walker.log) + 1):
        again = recovered(walker, length)
        assert judge(walker.dag, again.log) == [], again.log
        # In the middle of an append there was no moment to begin what only came with its end.
        if length in walker.boundaries:
            assert again.kind() == walker.kind(), again.log
        if again.kind() == "succeeded":
            assert again.state.output() == walker.state.output()


def check_second_crashes(walker: Walker) -> int:
    """(e): a recovery that is cut off anywhere, and gone on with, ends the same way."""
    tried = 0
    for length in sorted(walker.boundaries):
        again = recovered(walker, length)
        for cut in range(length + 1, len(again.log)):
            last = recovered(again, cut)
            assert judge(walker.dag, last.log) == [], last.log
            if cut in again.boundaries:
                assert last.kind() == walker.kind(), last.log
            tried += 1
    return tried


def check_judged(walker: Walker) -> None:
    """(d): the judge finds nothing, however early the log is cut off."""
    for length in range(len(walker.log) + 1):
        assert judge(walker.dag, walker.log[:length]) == [], walker.log[:length]


def check_swallowed(walker: Walker) -> None:
    """(S): without its `unwinding` events a log folds into the same state."""
    without = [event for event in walker.log if not isinstance(event, Unwinding)]
    if len(without) == len(walker.log):
        return
    lost = replay(walker.dag, NULL, without)
    assert snapshot(lost, without=["sequence"]) == snapshot(walker.state, without=["sequence"])


def check_all(sagas: Iterator[Case]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for turn, case in enumerate(sagas):
        # In every other saga a second outcome can join an append, before anything new is begun.
        for walker in logs_of(case, joins=turn % 2 == 1):
            counts["logs"] += 1
            counts["prefixes"] += len(walker.log) + 1
            counts[walker.kind()] += 1
            check_states(walker)
            check_ends(walker)
            check_judged(walker)
            check_swallowed(walker)
            if counts["logs"] % SECOND_CRASH_EVERY == 0:
                counts["second crashes"] += check_second_crashes(walker)
    return counts


@pytest.mark.parametrize("number", range(PARTS))
def test_every_prefix_recovers_and_ends_the_same_way(number: int) -> None:
    """A fold of any prefix is the live state of its moment; gone on with, it ends as it would have.

    Also when the recovery is cut off itself. The judge finds nothing in any of these logs.
    """
    counts = check_all(part(number))

    print(f"part {number}: {dict(counts)}")  # noqa: T201 - shown with -rP
    assert counts["logs"] >= LOGS_AT_LEAST
    assert counts["prefixes"] >= 12 * counts["logs"]
    assert counts["second crashes"] >= 2 * LOGS_AT_LEAST
    assert min(counts["succeeded"], counts["unwound"], counts["stuck"]) >= KIND_AT_LEAST


def certain(case: Case) -> bool:
    """Whether a saga ends the same way whichever of its nodes begin first: none gets stuck."""
    dag, script = case
    unknown = any(
        how is Do.POSSIBLE and is_stuck_when_unknown(dag.nodes[node])
        for node, how in script.dos.items()
    )
    stops = {Undoing.ASK, Undoing.PIVOT}
    asks = script.dos and any(node.undoing in stops for node in dag.nodes)
    return not (script.bad_undos or unknown or asks)


@pytest.mark.parametrize("name", named())
@pytest.mark.parametrize("limit", [1, 2])
def test_every_prefix_recovers_under_a_limit(name: str, limit: int) -> None:
    """What waits for a slot when the log is cut off is begun by the next coordinator."""
    for dag, script in filter(certain, cases(named()[name])):
        chance = random.Random(repr(script))
        walker = walk(dag, script, chance.randrange, limit=limit, joins=True)
        check_states(walker)
        check_judged(walker)
        for length in sorted(walker.boundaries - {0, len(walker.log)}):
            again = Walker(dag, script, chance.randrange, log=walker.log[:length], limit=limit)
            again.adopt()
            again.run()
            assert judge(dag, again.log) == [], again.log
            assert again.kind() == walker.kind(), again.log


@pytest.mark.parametrize("name", ["line of 6", "diamond", "a constant among actions", "a subsaga"])
def test_every_prefix_of_a_log_from_elsewhere_recovers(name: str) -> None:
    """A log taken over from Steno has events for markers too, and may end anywhere."""
    for dag, script in filter(certain, cases(named()[name])):
        log = foreign_log(dag, script)
        for length in range(len(log) + 1):
            walker = Walker(dag, script, log=[Created("elsewhere"), *log[:length]])
            walker.adopt()
            walker.run_in_order_of(Model(log))
            assert judge(dag, walker.log) == [], walker.log
            assert walker.kind() == ("unwound" if script.dos else "succeeded"), walker.log


def foreign_log(dag: Dag, script: Script) -> list[Event]:
    """Return the events of a coordinator that runs one node after the other, markers too."""
    log: list[Event] = []
    done: list[int] = []
    for node in sorted(range(len(dag.nodes)), key=dag.rank.__getitem__):
        log.append(Started(node, 1))
        how = script.dos.get(node, Do.OK)
        if how is Do.OK:
            log.append(Succeeded(node, b"1"))
            done.append(node)
            continue
        possible = how is Do.POSSIBLE
        log.append(Failed(node, BROKEN, Effect.POSSIBLE if possible else Effect.NONE))
        done += [node] if possible else []
        break
    else:
        return log
    for node in reversed(done):
        log += [UndoStarted(node, 1), UndoFinished(node, How.UNDONE)]
    return log
