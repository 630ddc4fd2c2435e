"""Steno's texts, where the vectors do not reach: in flight, parallel subsagas, odd names."""

import sys

import pytest

from sagacity.core.actions import ActionFunc
from sagacity.core.bindings import OutputOf, ParamsOf
from sagacity.core.builder import DagBuilder, NodeFactory
from sagacity.core.dag import Dag
from sagacity.core.nodes import Node, NodeKind
from sagacity.steno import dot, log_text, status_text
from sagacity.steno.rust import debug, quoted
from tests.steno.driver import SAGA_ID, Faults, Run
from tests.steno.spec import Spec, action_node, build, registry

PAIR: Spec = {
    "saga_name": "pair",
    "stages": [[action_node("a"), action_node("b")], [action_node("c", "a", "b")]],
}


def run_of(spec: Spec) -> Run:
    return Run.created(build(spec), None, registry(spec, []))


def lines(text: str) -> list[str]:
    return text.removeprefix(f"+ saga execution: {SAGA_ID}\n").splitlines()


def test_calls_in_flight_are_working() -> None:
    """Both siblings have begun; what depends on them is blocked."""
    assert lines(status_text(run_of(PAIR).crash_after(0))) == [
        "+-- done: (start node)",
        "+-- (parallel actions):",
        '        +-- working: DoA (produces "a")',
        '        +-- working: DoB (produces "b")',
        '+-- blocked: DoC (produces "c")',
        "+-- blocked: (end node)",
    ]


def test_undos_in_flight_are_undo_working() -> None:
    """And what will never run is abandoned."""
    view = run_of(PAIR).crash_after(2, Faults(errors=frozenset({2})))
    assert lines(status_text(view)) == [
        "+-- done: (start node)",
        "+-- (parallel actions):",
        '        +-- undo-working: DoA (produces "a")',
        '        +-- undo-working: DoB (produces "b")',
        '+-- failed: DoC (produces "c")',
        "+-- abandoned: (end node)",
    ]


def test_what_a_failed_undo_leaves_standing_is_done() -> None:
    """Nothing is queued any more, also what became free later."""
    view = run_of(PAIR).drive(Faults(errors=frozenset({2}), undo_errors=frozenset({1})))
    assert lines(status_text(view))[:4] == [
        "+-- done: (start node)",
        "+-- (parallel actions):",
        '        +-- undone: DoA (produces "a")',
        '        +-- undo-failed: DoB (produces "b")',
    ]


def subsaga(name: str) -> Spec:
    """Return a subsaga with two parallel actions; the name makes its actions its own."""
    stages = [[action_node(f"{name}p"), action_node(f"{name}q")], [action_node(f"{name}r")]]
    dag = {"saga_name": f"in-{name}", "stages": stages}
    return {"kind": "subsaga", "name": name, "params_node": "k", "dag": dag}


def test_subsagas_side_by_side_are_indented_each() -> None:
    """A stage of a subsaga that is parallel has a heading of its own."""
    spec: Spec = {
        "saga_name": "s",
        "stages": [
            [{"kind": "constant", "name": "k", "value": {"b": [1, 2.5], "a": "ä"}}],
            [subsaga("m"), subsaga("n")],
            [action_node("z")],
        ],
    }

    def block(name: str) -> list[str]:
        return [
            f'        +-- blocked: (subsaga start: "in-{name}")',
            "                +-- (parallel actions):",
            f'                        +-- blocked: Do{name.upper()}p (produces "{name}p")',
            f'                        +-- blocked: Do{name.upper()}q (produces "{name}q")',
            f'                +-- blocked: Do{name.upper()}r (produces "{name}r")',
            f'        +-- blocked: (subsaga end) (produces "{name}")',
        ]

    assert lines(status_text(run_of(spec).view())) == [
        "+-- queued-todo: (start node)",
        '+-- blocked: (constant = {"a":"ä","b":[1,2.5]}) (produces "k")',
        "+-- (parallel actions):",
        *block("m"),
        *block("n"),
        '+-- blocked: DoZ (produces "z")',
        "+-- blocked: (end node)",
    ]


def test_subsagas_may_nest_deeper_than_python_does() -> None:
    """A text is no place to find out how deep the stack is."""
    depth = sys.getrecursionlimit() + 100
    starts = [Node(NodeKind.SUBSAGA_START, "s", scope=scope) for scope in range(-1, depth - 1)]
    ends = [Node(NodeKind.SUBSAGA_END, "s", scope=node.scope) for node in reversed(starts)]
    nodes = (*starts, Node(NodeKind.ACTION, "leaf", "Leaf", depth - 1), *ends)
    chain = tuple((index, index + 1) for index in range(len(nodes) - 1))
    view = Run.created(Dag("deep", nodes, chain), None, registry({"stages": []}, [])).view()
    assert f'{" " * 8 * depth}+-- blocked: Leaf (produces "leaf")' in lines(status_text(view))


def test_the_log_before_the_start_is_empty() -> None:
    """It has a heading all the same."""
    assert log_text(run_of(PAIR).view()) == (
        f"SAGA LOG:\nsaga id:   {SAGA_ID}\ndirection: forward\nevents (0 total):\n\n"
    )


def traced() -> Dag:
    pay = Node(NodeKind.ACTION, "pay", "Pay", action="pay", inputs={"trip": ParamsOf(-1)})
    buy = Node(NodeKind.ACTION, "buy", "Buy", action="buy", inputs={"paid": OutputOf(0)})
    return Dag("traced", (pay, buy), ((0, 1),), output=OutputOf(1))


def test_a_traced_saga_has_texts_too() -> None:
    """Steno cannot have it, but people can read it."""
    assert dot(traced()) == (
        "digraph {\n"
        '    0 [ label = "Action { name: \\"pay\\", label: \\"Pay\\", action_name: \\"pay\\" }" ]\n'
        '    1 [ label = "Action { name: \\"buy\\", label: \\"Buy\\", action_name: \\"buy\\" }" ]\n'
        "    0 -> 1 [ ]\n"
        "}\n"
    )
    view = Run.created(traced(), None, registry({"stages": []}, [])).view()
    assert lines(status_text(view)) == [
        '+-- queued-todo: Pay (produces "pay")',
        '+-- blocked: Buy (produces "buy")',
    ]


def test_names_are_quoted_twice_in_a_drawing() -> None:
    """Once as Rust does it for programmers, once for graphviz."""

    async def do(_ctx: object) -> None: ...

    builder = DagBuilder("s")
    builder.append(NodeFactory.action('a"b\\c\n', "A", ActionFunc("x", do)))
    assert dot(builder.build(), None).splitlines()[1] == (
        '    0 [ label = "Action { name: \\"a\\\\\\"b\\\\\\\\c\\\\n\\", '
        'label: \\"A\\", action_name: \\"x\\" }" ]'
    )


@pytest.mark.parametrize(
    ("json", "text"),
    [
        (b"null", "Null"),
        (b"true", "Bool(true)"),
        (b"-3", "Number(-3)"),
        (b"0.5", "Number(0.5)"),
        (b'"a\\"b"', 'String("a\\"b")'),
        (b"[1,[]]", "Array [Number(1), Array []]"),
        (b'{"a":{},"b":false}', 'Object {"a": Object {}, "b": Bool(false)}'),
    ],
)
def test_values_are_printed_as_rust_does(json: bytes, text: str) -> None:
    """With the type of each."""
    assert debug(json) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", '""'),
        ("ä", '"ä"'),
        ("a\tb", '"a\\tb"'),
        ("\x7f", '"\\u{7f}"'),
        ("e\u0301", '"e\\u{301}"'),
    ],
)
def test_text_is_quoted_as_rust_does(text: str, shown: str) -> None:
    """What does not print, or joins the letter before it, is a number."""
    assert quoted(text) == shown
