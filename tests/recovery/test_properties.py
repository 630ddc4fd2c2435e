"""The same questions, asked of sagas, outcomes, orders and crashes by chance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from sagacity.core.codec import decode_log, encode_record
from sagacity.core.dag import Dag
from sagacity.core.definition import constants_of, dag_of, definition_of
from sagacity.core.events import Adopted, Event, FinalState, Finished
from sagacity.core.folding import replay
from sagacity.core.nodes import NodeKind
from sagacity.core.planner import plan
from sagacity.core.values import NULL
from sagacity.core.viewing import event_view, nodes_of
from sagacity.testing.checkers import judge
from sagacity.testing.strategies import dags
from tests.recovery.left_to_do import left_to_do
from tests.recovery.walker import Do, Script, Walker, snapshot

MAX_CRASHES = 4


@st.composite
def scripts(draw: st.DrawFn, dag: Dag) -> Script:
    """How each node behaves: most do what they should."""
    nodes = [index for index, marker in enumerate(dag.markers) if not marker]
    if not nodes:
        return Script()
    actions = [index for index in nodes if dag.nodes[index].kind is NodeKind.ACTION]
    dos = draw(st.dictionaries(st.sampled_from(nodes), st.just(Do.NONE), max_size=2))
    if actions:
        dos |= draw(st.dictionaries(st.sampled_from(actions), st.sampled_from(Do), max_size=2))
    return Script(dos, frozenset(draw(st.sets(st.sampled_from(nodes), max_size=1))))


def crashing_walk(data: st.DataObject, dag: Dag, script: Script) -> Walker:
    """Run a saga in any order; let its coordinator die now and then, at any event."""
    limit = data.draw(st.none() | st.integers(1, 3))

    def choose(ways: int) -> int:
        return data.draw(st.integers(0, ways - 1))

    walker = Walker(dag, script, choose, limit=limit, joins=True)
    walker.create()
    walker.run()
    for _ in range(data.draw(st.integers(0, MAX_CRASHES))):
        length = data.draw(st.integers(1, len(walker.log)))
        if isinstance(walker.log[length - 1], Finished):
            continue
        walker = Walker(dag, script, choose, log=walker.log[:length], limit=limit, joins=True)
        walker.adopt()
        walker.run()
    return walker


@given(dags(), st.data())
@settings(max_examples=300)
def test_the_judge_finds_nothing_in_what_the_fold_takes(dag: Dag, data: st.DataObject) -> None:
    """In any order, with any failures, and however often its coordinators die."""
    walker = crashing_walk(data, dag, data.draw(scripts(dag)))
    assert judge(dag, walker.log) == [], walker.log
    assert walker.kind() in ("succeeded", "unwound", "stuck")


@given(dags(), st.data())
def test_what_is_left_to_do_can_be_read_from_the_log(dag: Dag, data: st.DataObject) -> None:
    """At any place of any log: a coordinator that begins there plans just that."""
    log = crashing_walk(data, dag, data.draw(scripts(dag))).log
    length = data.draw(st.integers(1, len(log)))
    state = replay(dag, NULL, log[:length])
    if state.finished is None:
        state.apply(Adopted("next"))
        commands = plan(state)
        assert len(set(commands)) == len(commands)
        assert set(commands) == left_to_do(dag, log[:length])


@given(dags(), st.data())
def test_a_log_that_was_stored_folds_into_the_same(dag: Dag, data: st.DataObject) -> None:
    """Definition, constants and records, written and read: nothing of the state is lost."""
    log = crashing_walk(data, dag, data.draw(scripts(dag))).log
    records: list[tuple[int, bytes]] = []
    for start, end in in_parts(data, log):
        records.append((start + 1, encode_record(log[start:end], time_ms=start, epoch=1)))
    read = dag_of(definition_of(dag).document, constants_of(dag))
    logged = list(decode_log(records))
    assert [each.event for each in logged] == log
    state, stored = replay(dag, NULL, log), replay(read, NULL, [each.event for each in logged])
    assert snapshot(stored) == snapshot(state)
    assert len(nodes_of(stored, logged)) == len(dag.by_path)
    assert [event_view(dag, each).sequence for each in logged] == list(range(1, len(log) + 1))


def in_parts(data: st.DataObject, log: Sequence[Event]) -> list[tuple[int, int]]:
    """Cut a log into appends."""
    cuts = sorted(data.draw(st.sets(st.integers(1, len(log)), max_size=5)) | {0, len(log)})
    return list(pairwise(cuts))


@given(dags(), st.data())
def test_an_abandoned_saga_is_one_at_any_moment(dag: Dag, data: st.DataObject) -> None:
    """A person may end it wherever nothing is in flight; the judge agrees with the fold."""
    log = crashing_walk(data, dag, data.draw(scripts(dag))).log
    length = data.draw(st.integers(1, len(log)))
    state = replay(dag, NULL, log[:length])
    if state.finished is None and not state.in_flight:
        ended = [*log[:length], Finished(FinalState.ABANDONED)]
        assert replay(dag, NULL, ended).finished is FinalState.ABANDONED
        assert judge(dag, ended) == []
