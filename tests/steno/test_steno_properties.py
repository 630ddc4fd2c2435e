"""Any DAG of a builder and any crash: edges as Steno's builder adds them, logs that load."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sagacity.core.outcome import Stuck, Succeeded, Unwound
from sagacity.core.values import NULL
from sagacity.core.views import SagaView
from sagacity.steno import dump, load, log_text, status_text
from sagacity.steno.graph_writing import from_dag
from sagacity.steno.layout import places
from tests.steno.driver import Faults, Run
from tests.steno.expectations import as_set, has_failed, order_mistakes, result_of
from tests.steno.spec import Spec, action_node, build, registry


@st.composite
def specs(draw: st.DrawFn, depth: int = 2, prefix: str = "n") -> Spec:
    """Make specs with parallel stages and nested subsagas; each action is its own."""
    stages: list[list[Spec]] = []
    earlier: list[str] = []
    for stage in range(draw(st.integers(1, 4))):
        width = draw(st.integers(1, 3))
        names = [f"{prefix}{stage}{'abc'[place]}" for place in range(width)]
        stages.append([draw(_nodes(name, earlier, depth)) for name in names])
        earlier += names
    if len(stages[-1]) > 1:
        stages.append([action_node(f"{prefix}z", *earlier)])
    return {"saga_name": f"saga {prefix}", "stages": stages}


def _nodes(name: str, earlier: list[str], depth: int) -> st.SearchStrategy[Spec]:
    choices: list[st.SearchStrategy[Spec]] = [
        st.just(action_node(name, *earlier, use_params=True)),
        st.integers(0, 9).map(lambda value: {"kind": "constant", "name": name, "value": value}),
    ]
    if earlier and depth:
        choices.append(
            specs(depth - 1, f"{name}_").map(
                lambda dag: {"kind": "subsaga", "name": name, "params_node": earlier[0], "dag": dag}
            )
        )
    return st.one_of(choices)


@dataclass
class Reference:
    """Steno's builder as its notes describe it: every stage connected with the one before."""

    count: int = 0
    edges: list[tuple[int, int]] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, spec: Spec) -> "Reference":
        """Build a (sub)saga, without start and end."""
        made = cls()
        for stage in spec["stages"]:
            ends = [made._add(node) for node in stage]
            made.last = [end for _, end in ends]
            made.first = made.first or [begin for begin, _ in ends]
        return made

    def _add(self, node: Spec) -> tuple[int, int]:
        begin = self._new(self.last)
        if node["kind"] != "subsaga":
            return begin, begin
        inner = Reference.of(node["dag"])
        for index in range(inner.count):
            incoming = [parent for parent, child in inner.edges if child == index]
            self.edges += [(begin + 1 + parent, begin + 1 + index) for parent in incoming[::-1]]
        self.edges += [(begin, begin + 1 + index) for index in inner.first]
        self.count += inner.count
        return begin, self._new([begin + 1 + inner.last[0]])

    def _new(self, parents: list[int]) -> int:
        self.edges += [(parent, self.count) for parent in parents]
        self.count += 1
        return self.count - 1

    def finished(self) -> list[tuple[int, int]]:
        """Return all edges, with those of start and end."""
        start = self.count
        from_start = [(start, index) for index in self.first]
        return [*self.edges, *from_start, (self.last[0], start + 1)]


@given(specs())
def test_edges_are_in_stenos_order(spec: Spec) -> None:
    """Also inside of subsagas, where each level of nesting reverses them once more."""
    steno = from_dag(build(spec), NULL)
    assert list(steno.edges) == Reference.of(spec).finished()
    assert (steno.start_node, steno.end_node) == (len(steno.nodes) - 2, len(steno.nodes) - 1)


@given(specs())
def test_a_graph_is_read_as_it_was_written(spec: Spec) -> None:
    """Nodes, edges, scopes and what subsagas take and give."""
    dag = build(spec)
    document = dump(Run.created(dag, 1, registry(spec, [])).view())
    loaded = load(document).dag
    assert dump(Run.created(loaded, 1, registry(spec, [])).view()) == document
    count = len(loaded.nodes)
    assert loaded.paths == dag.paths[:count]
    assert [node.scope for node in loaded.nodes] == [node.scope for node in dag.nodes[:count]]
    assert [node.value for node in loaded.nodes] == [node.value for node in dag.nodes[:count]]


def faults(data: st.DataObject, run: Run, *, errors: int, undo: bool) -> Faults:
    """Choose at most so many nodes to fail, and one whose undo fails."""
    nodes = st.sampled_from(sorted(run.state.dag.by_path.values()))
    return Faults(
        errors=frozenset(data.draw(st.sets(nodes, max_size=errors))),
        undo_errors=frozenset(data.draw(st.sets(nodes, max_size=1)) if undo else ()),
    )


def status_words(view: SagaView) -> dict[int, str]:
    """Return the words of a status text by node."""
    # An undo that failed can leave others queued that were ready and had not begun.
    text = status_text(view).replace("queued-undo: ", "done: ")
    _, *lines = text.splitlines()
    shown = zip(places(view.dag), lines, strict=True)
    return {
        node: line.split("+-- ")[1].split(":")[0] for (_, node), line in shown if node is not None
    }


def words_of(document: Any) -> dict[int, str]:
    """Return what a node's last event says of it, once nothing is in flight."""
    words = {
        "succeeded": "done",
        "failed": "failed",
        "undo_finished": "undone",
        "undo_failed": "undo-failed",
    }
    events = document["events"]
    never = "abandoned" if has_failed(events) else "blocked"
    found = dict.fromkeys(range(len(document["dag"]["graph"]["nodes"])), never)
    for event in events:
        kind = event["event_type"]
        found[event["node_id"]] = words.get(kind if isinstance(kind, str) else min(kind), "")
    return found


@given(specs(), st.data())
def test_a_dump_keeps_the_order_that_its_graph_asks_for(spec: Spec, data: st.DataObject) -> None:
    """Markers included; and the texts can be made of any log."""
    run = Run.created(build(spec), 1, registry(spec, []))
    view = run.drive(faults(data, run, errors=3, undo=True))
    assert isinstance(view.outcome, Succeeded | Unwound | Stuck)
    document = dump(view)
    assert order_mistakes(document) == []
    assert f"({len(document['events'])} total)" in log_text(view)
    assert status_words(view) == words_of(document)


@given(specs(), st.data())
def test_every_part_of_a_log_loads_and_ends_the_same(spec: Spec, data: st.DataObject) -> None:
    """Whatever was lost of a log by a crash, and in whatever order it is handed over."""
    run = Run.created(build(spec), 1, registry(spec, []))
    wrong = faults(data, run, errors=1, undo=False)
    view = run.drive(wrong)
    document = dump(view)
    events: list[Any] = document["events"]
    before = data.draw(st.permutations(events[: data.draw(st.integers(0, len(events)))]))
    again = Run.resumed(load({**document, "events": before}), registry(spec, []))
    assert as_set(dump(again.view())["events"]) == as_set(before)
    ended = again.drive(wrong)
    assert result_of(ended) == result_of(view)
    assert order_mistakes(dump(ended)) == []
    assert as_set(before) <= as_set(dump(ended)["events"])
    if not wrong.errors:
        assert as_set(dump(ended)["events"]) == as_set(events)


@given(specs(), st.integers(0, 6), st.integers(0, 3), st.data())
def test_crashes_of_ours_leave_a_log_of_stenos(
    spec: Spec, first: int, second: int, data: st.DataObject
) -> None:
    """However often nodes were called: one start each, and the end is the same."""
    run = Run.created(build(spec), 1, registry(spec, []))
    wrong = faults(data, run, errors=2, undo=True)
    for rounds in (first, second):
        run.crash_after(rounds, wrong)
        if run.state.finished is None:
            run.crash()
    document = dump(run.drive(wrong))
    assert len(as_set(document["events"])) == len(document["events"])
    assert order_mistakes(document) == []
    load(document)
