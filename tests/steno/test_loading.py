"""Reading a serialized saga: what Steno writes is taken, what makes no sense is refused."""

import copy
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from sagacity.core.dag import OnStuck
from sagacity.core.events import EventKind
from sagacity.core.nodes import NodeKind, Undoing
from sagacity.core.outcome import Stuck, Unwound
from sagacity.core.planner import RunAction, plan
from sagacity.errors import NotSteno
from sagacity.steno import dump, load, status_text
from tests.steno.driver import SAGA_ID, Run
from tests.steno.expectations import order_mistakes
from tests.steno.spec import Spec, action_node, registry

# a, then b and c, then d: the smallest saga with two parallel actions.
DIAMOND: Spec = {
    "saga_name": "small",
    "stages": [
        [action_node("a")],
        [action_node("b", "a"), action_node("c", "a")],
        [action_node("d", "b", "c")],
    ],
}
START, END = 4, 5


def node(name: str) -> Any:
    return {"Action": {"name": name, "label": f"Do{name.upper()}", "action_name": f"do_{name}"}}


def serialized(
    nodes: list[Any], edges: list[tuple[int, int]], start: int, events: Iterable[tuple[int, Any]]
) -> dict[str, Any]:
    """Return a serialized saga whose end is behind its start."""
    return {
        "saga_id": str(SAGA_ID),
        "dag": {
            "saga_name": "small",
            "graph": {
                "nodes": [*nodes, {"Start": {"params": 1}}, "End"],
                "node_holes": [],
                "edge_property": "directed",
                "edges": [[*edge, None] for edge in edges],
            },
            "start_node": start,
            "end_node": start + 1,
        },
        "events": [
            {"saga_id": str(SAGA_ID), "node_id": index, "event_type": kind}
            for index, kind in events
        ],
    }


def diamond(*events: tuple[int, Any]) -> dict[str, Any]:
    """Return the small saga, new for each caller."""
    edges = [(0, 1), (0, 2), (1, 3), (2, 3), (4, 0), (3, 5)]
    return serialized([node(name) for name in "abcd"], edges, START, events)


def done(index: int, output: Any = None) -> list[tuple[int, Any]]:
    return [(index, "started"), (index, {"succeeded": output})]


def failed(index: int) -> list[tuple[int, Any]]:
    return [(index, "started"), (index, {"failed": "InjectedError"})]


def undo_failed(index: int) -> list[tuple[int, Any]]:
    error = {"PermanentFailure": {"source_error": {"message": "x"}}}
    return [(index, "undo_started"), (index, {"undo_failed": error})]


UNTIL_B_AND_C = [*done(START), *done(0), *done(1), (2, "started")]


def resume(document: Any) -> Run:
    return Run.resumed(load(document), registry(DIAMOND, []))


def test_a_loaded_saga_has_stenos_contract() -> None:
    """Atomic actions with an undo, of version 1, and the first failed undo stops the others."""
    saga = load(diamond())
    actions = [node for node in saga.dag.nodes if node.kind is NodeKind.ACTION]
    assert [node.action for node in actions] == ["do_a", "do_b", "do_c", "do_d"]
    assert all(
        node.atomic and node.undoing is Undoing.KNOWN and node.version == "1" for node in actions
    )
    assert saga.dag.on_stuck is OnStuck.HALT
    assert (saga.saga_id, saga.params, saga.events) == (SAGA_ID, b"1", ())


def test_text_and_parsed_json_are_the_same() -> None:
    """A file can be handed over as it was read."""
    document = diamond(*UNTIL_B_AND_C)
    text = json.dumps(document)
    assert load(text).events == load(text.encode()).events == load(document).events


def end_as_object(document: Any) -> None:
    document["dag"]["graph"]["nodes"][END] = {"End": None}


def no_holes(document: Any) -> None:
    del document["dag"]["graph"]["node_holes"]


def unknown_members(document: Any) -> None:
    for part in (document, document["dag"], document["dag"]["graph"]):
        part["later"] = {"version": 2}


def other_uuid_text(document: Any) -> None:
    document["saga_id"] = SAGA_ID.hex.upper()


@pytest.mark.parametrize("change", [end_as_object, no_holes, unknown_members, other_uuid_text])
def test_what_steno_takes_is_taken(change: Callable[[Any], None]) -> None:
    """Other ways to say the same are the same."""
    document = diamond(*UNTIL_B_AND_C)
    change(document)
    assert dump(resume(document).view()) == dump(resume(diamond(*UNTIL_B_AND_C)).view())


def test_any_numbering_is_taken() -> None:
    """Start and end may stand anywhere; what is dumped has the same numbers again."""
    document = diamond()
    graph = document["dag"]["graph"]
    graph["nodes"] = [graph["nodes"][old] for old in (4, 5, 3, 1, 2, 0)]
    new = {old: index for index, old in enumerate((4, 5, 3, 1, 2, 0))}
    graph["edges"] = [[new[parent], new[child], None] for parent, child, _ in graph["edges"]]
    document["dag"].update(start_node=0, end_node=1)
    run = resume(document)
    assert dump(run.view())["dag"] == document["dag"]
    assert status_text(run.drive()) == status_text(resume(diamond()).drive())


def test_a_log_in_any_order_is_put_in_order() -> None:
    """Steno's logs are sets: begun and done first, then the failures, then the undos."""
    events = [*UNTIL_B_AND_C, (2, {"failed": "InjectedError"}), (1, "undo_started")]
    loaded = load(diamond(*reversed(events))).events
    assert loaded == load(diamond(*events)).events
    assert [(event.node, event.kind.value) for event in loaded] == [
        (START, "started"), (START, "succeeded"), (0, "started"), (0, "succeeded"),
        (1, "started"), (1, "succeeded"), (2, "started"), (2, "failed"), (1, "undo_started"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "events",
    [
        [*done(START), *done(0), *done(1), *failed(2), (1, "undo_started")],
        [*done(START), *done(0), *done(1), *failed(2), (1, "undo_started"), (1, "undo_finished")],
        [*done(START), *done(0), *failed(1), *failed(2)],
        [*done(START), *done(0), *failed(1), *failed(2), (0, "undo_started")],
        [*done(START), *done(0), *failed(1), (2, "started")],
        [(START, "started")],
        [*done(START), *failed(0), (START, "undo_started")],
    ],
)
def test_logs_that_steno_cannot_take_back_are_taken(events: list[tuple[int, Any]]) -> None:
    """An undo begun beside a join that never started, two failures: the saga ends cleanly."""
    view = resume(diamond(*events)).drive()
    document = dump(view)
    assert order_mistakes(document) == []
    if not any("failed" in kind for _, kind in events):
        assert "failed" not in status_text(view)
        return
    assert isinstance(view.outcome, Unwound)
    assert "undone: (start node)" in status_text(view)


def test_two_failed_undos_are_taken() -> None:
    """Steno panics on its own log, again at each start; here it is stuck with both errors."""
    events = [
        *done(START),
        *done(0),
        *done(1),
        *done(2),
        *failed(3),
        *undo_failed(1),
        *undo_failed(2),
    ]
    view = resume(diamond(*events)).drive()
    assert isinstance(view.outcome, Stuck)
    assert [error.node for error in view.outcome.undo_errors] == ["c", "b"]


def test_a_failed_undo_leaves_other_undos_queued() -> None:
    """Also that of a subsaga's start, which needs no call: it must not get lost at the start."""
    start = {"SubsagaStart": {"saga_name": "inner", "params_node_name": "a"}}
    nodes = [
        node("a"),
        node("b"),
        node("c"),
        start,
        node("d"),
        {"SubsagaEnd": {"name": "s"}},
        node("e"),
    ]
    edges = [(0, 1), (0, 2), (0, 3), (3, 4), (4, 5), (1, 6), (2, 6), (5, 6), (7, 0), (6, 8)]
    log = [*done(7), *done(0), *done(1), *done(3), *failed(2), *undo_failed(1)]
    run = resume(serialized(nodes, edges, 7, log))
    before = status_text(run.view())
    assert '+-- queued-undo: (subsaga start: "inner")' in before
    assert status_text(run.drive()) == before
    assert dict.fromkeys([3]) == run.state.waiting


def test_what_was_in_flight_is_planned_once() -> None:
    """Also after a second crash: each call that is due is handed out once."""
    run = resume(diamond(*done(START), *done(0), (1, "started"), (2, "started")))
    run.crash_after(0)
    run.crash()
    assert plan(run.state) == [RunAction(1, attempt=3), RunAction(2, attempt=3)]
    assert plan(run.state) == []


def test_an_undo_of_nothing_that_steno_began_is_concluded() -> None:
    """Steno begins an undo of constants too; a crash in between leaves nothing to call."""
    constant = {"Constant": {"name": "k", "value": 1}}
    log = [*done(2), *done(0, 1), *failed(1), (0, "undo_started")]
    document = serialized([constant, node("a")], [(0, 1), (2, 0), (1, 3)], 2, log)
    view = resume(document).drive()
    assert isinstance(view.outcome, Unwound)
    rest = [(0, "undo_finished"), (2, "undo_started"), (2, "undo_finished")]
    assert dump(view)["events"][len(log) :] == diamond(*rest)["events"]


NAN = {"Constant": {"name": "a", "value": float("nan")}}
SUB_START = {"SubsagaStart": {"saga_name": "i", "params_node_name": "a"}}
SUB_END = {"SubsagaEnd": {"name": "s"}}
BEHIND_THE_END = [[*edge, None] for edge in ((0, 1), (0, 2), (1, 5), (2, 3), (4, 0), (5, 3))]
OTHER_ID = "11111111-2222-3333-4444-555555555555"

BROKEN: list[tuple[str, str, Any]] = [
    ("saga_id", r"saga_id: 5 is not the text of a UUID", 5),
    ("saga_id", r"not the text of a UUID", "0-4-9"),
    ("dag", r'^dag: "x"|dag: \'x\' is not an object', "x"),
    ("dag.saga_name", r"dag.saga_name: None is not text", None),
    ("dag.saga_name", r"surrogate", "\ud800"),
    ("dag.start_node", r"dag.start_node: -1 is not the index", -1),
    ("dag.start_node", r"start_node is 3, but the start nodes of the graph are \[4\]", 3),
    ("dag.graph.edge_property", r'must be "directed"', "undirected"),
    ("dag.graph.node_holes", r"must be \[\] or absent", [1]),
    ("dag.graph.nodes", r"is not an array", {}),
    ("dag.graph.nodes.0", r"nodes\[0\]: 'Start' is no node of Steno's", "Start"),
    ("dag.graph.nodes.0", r"nodes\[0\]: .* is no node of Steno's", {"Job": {}}),
    (
        "dag.graph.nodes.0",
        r'nodes\[0\].Constant has no member "value"',
        {"Constant": {"name": "a"}},
    ),
    ("dag.graph.nodes.0", r"Constant.value: nan is not a JSON number", NAN),
    ("dag.graph.nodes.0.Action.name", r'node "b": the name is used more than once', "b"),
    ("dag.graph.nodes.0", r'node 0 \("s"\) ends a subsaga that has no start', SUB_END),
    ("dag.graph.nodes.1", r"behind nodes of different subsagas", SUB_START),
    ("dag.graph.edges.0", r"edges\[0\]: \[0, 1\] is not \[from, to, null\]", [0, 1]),
    ("dag.graph.edges.0", r"edge 0 -> 9 names a node that does not exist", [0, 9, None]),
    ("dag.graph.edges.0", r"edge \(0, 2\) is there twice|behind no other", [0, 2, None]),
    ("dag.graph.edges.0", r"cycle: node 0", [0, 0, None]),
    ("dag.graph.edges.5", r"leads to no other node|must end in exactly one", [2, 5, None]),
    ("dag.graph.edges.4", r"is behind no other node", [0, 5, None]),
    ("dag.graph.edges", r"node 5 \(End\) has nodes behind it", BEHIND_THE_END),
    ("events", r"events: None is not an array", None),
    ("events.0", r"events\[0\]: 1 is not an object", 1),
    ("events.0.node_id", r"node_id: True is not the index", True),
    ("events.0.node_id", r"but the last node of the graph is 5", 6),
    ("events.0.event_type", r"event_type: 'begun' is no event of Steno's", "begun"),
    ("events.0.event_type", r"is no event of Steno's", ["started"]),
    (
        "events.0.event_type",
        r"succeeded of node 4 \(start\) without anything before",
        {"succeeded": 1},
    ),
    ("events.0.saga_id", r"an event of another saga", OTHER_ID),
]


@pytest.mark.parametrize(("place", "text", "value"), BROKEN)
def test_one_clear_error_says_what_is_wrong(place: str, text: str, value: Any) -> None:
    """With the place in the document, or the node or edge of the graph."""
    document: Any = copy.deepcopy(diamond((START, "started")))
    target = document
    *path, last = [int(part) if part.isdigit() else part for part in place.split(".")]
    for part in path:
        target = target[part]
    target[last] = value
    with pytest.raises(NotSteno, match=text):
        load(document)


@pytest.mark.parametrize("place", ["saga_id", "dag", "events", "dag.graph", "dag.end_node"])
def test_a_missing_member_is_named(place: str) -> None:
    """Nothing that Steno always writes has a default here."""
    document: Any = diamond()
    target, (*path, last) = document, place.split(".")
    for part in path:
        target = target[part]
    del target[last]
    with pytest.raises(NotSteno, match=f'has no member "{last}"'):
        load(document)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        (b"\xff", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "the saga: .* is not an object"),
        ('{"saga_id": "a", "saga_id": "b"}', 'member "saga_id" is there more than once'),
    ],
)
def test_text_that_is_no_saga_is_refused(text: str | bytes, reason: str) -> None:
    """Damaged text, too: never another error than ours."""
    with pytest.raises(NotSteno, match=reason):
        load(text)


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([*done(START), (1, "started")], r'node 1 \("b"\) cannot be'),
        ([*done(START), *done(0), (0, "undo_started")], "undone while going forward"),
        (
            [*done(START), *done(0), *failed(1), *done(2), (0, "undo_started")],
            "before what depends",
        ),
        ([(START, "started"), (START, {"failed": "InjectedError"})], r"\(start\) failed"),
        ([*done(0)], "before what it depends on"),
        ([*done(START), *done(START)], "started of node 4 .start. after started"),
        ([*done(START), *done(0), (0, {"failed": "InjectedError"})], "failed of node 0 .* after"),
    ],
)
def test_a_log_that_no_saga_can_have_is_refused(events: list[tuple[int, Any]], text: str) -> None:
    """By node and event, before anything is stored."""
    with pytest.raises(NotSteno, match=text):
        load(diamond(*events))


def test_every_kind_of_event_can_be_loaded() -> None:
    """A guard for the tests above: together they use the whole vocabulary."""
    events = [*done(START), *done(0), *done(1), *done(2), *failed(3), *undo_failed(1)]
    kinds = {
        event.kind
        for event in load(diamond(*events, (2, "undo_started"), (2, "undo_finished"))).events
    }
    assert kinds == {
        EventKind.STARTED, EventKind.SUCCEEDED, EventKind.FAILED,
        EventKind.UNDO_STARTED, EventKind.UNDO_FINISHED, EventKind.UNDO_FAILED,
    }  # fmt: skip
