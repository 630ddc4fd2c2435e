"""Hypothesis strategies: storable values, DAGs of every kind, events and whole logs of nonsense.

Import this module only where Hypothesis is installed; nothing else here needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from hypothesis import strategies as st

from sagacity.core.bindings import Const, ListOf, ObjectOf, OutputOf, ParamsOf
from sagacity.core.builder import DagBuilder, NodeFactory, NodeSpec
from sagacity.core.dag import Dag, OnStuck, Siblings
from sagacity.core.events import (
    Adopted,
    Created,
    Effect,
    ErrorKind,
    ErrorRecord,
    Failed,
    FinalState,
    Finished,
    Heartbeat,
    How,
    Started,
    StartRequested,
    Succeeded,
    UndoFailed,
    UndoFinished,
    UndoStarted,
    Unwinding,
)
from sagacity.core.nodes import Node, NodeKind, Undoing
from sagacity.core.values import INT_MAX, INT_MIN, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sagacity.core.bindings import Binding
    from sagacity.core.events import Event
    from sagacity.core.values import Json

T = TypeVar("T")

MAX_STAGES: Final = 4
MAX_WIDTH: Final = 3


def texts(max_size: int = 20) -> st.SearchStrategy[str]:
    """Texts that may be stored: no NUL, no lone surrogates."""
    return st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=max_size)


def json_values(max_leaves: int = 20) -> st.SearchStrategy[Any]:
    """Values that may enter the log."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(INT_MIN, INT_MAX)
        | st.floats(allow_nan=False, allow_infinity=False)
        | texts()
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts(8), inner, max_size=4),
        max_leaves=max_leaves,
    )


def jsons(max_leaves: int = 10) -> st.SearchStrategy[Json]:
    """Values that may enter the log, as they are stored."""
    return json_values(max_leaves).map(encode)


# -- DAGs -------------------------------------------------------------------------------


def contracts() -> st.SearchStrategy[tuple[bool, Undoing]]:
    """Whether an action is atomic, and what its undo can meet; only what a DAG may have."""
    return st.sampled_from(
        [
            (True, Undoing.KNOWN),
            (True, Undoing.ANY),
            (True, Undoing.NOTHING),
            (False, Undoing.ANY),
            (False, Undoing.NOTHING),
        ]
    )


def bindings(sources: Sequence[int], constants: int, scope: int = -1) -> st.SearchStrategy[Binding]:
    """Bindings to outputs of `sources`, to `constants` constants, and to the params of `scope`."""
    fields = st.lists(texts(5) | st.integers(0, 3), max_size=2).map(tuple)
    leaves: list[st.SearchStrategy[Binding]] = [st.builds(ParamsOf, st.just(scope), fields)]
    if sources:
        leaves.append(st.builds(OutputOf, st.sampled_from(list(sources)), fields))
    if constants:
        leaves.append(st.builds(Const, st.integers(0, constants - 1)))
    return st.recursive(
        st.one_of(leaves),
        lambda inner: (
            st.lists(inner, max_size=3).map(lambda items: ListOf(tuple(items)))
            | st.lists(st.tuples(texts(5), inner), max_size=3).map(
                lambda members: ObjectOf(tuple(members))
            )
        ),
        max_leaves=4,
    )


@st.composite
def plain_dags(draw: st.DrawFn, max_nodes: int = 7, *, with_inputs: bool = False) -> Dag:
    """DAGs of actions, constants and joins with any edges: many roots, many leaves, no stages."""
    count = draw(st.integers(1, max_nodes))
    pairs = [(parent, child) for child in range(count) for parent in range(child)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    above = _ancestors(count, edges)
    constants = tuple(draw(st.lists(jsons(3), max_size=3)))
    nodes: list[Node] = []
    for index in range(count):
        kinds = [NodeKind.ACTION] * 4 + [NodeKind.CONSTANT, NodeKind.JOIN]
        kind = draw(st.sampled_from(kinds))
        if kind is NodeKind.JOIN:
            nodes.append(Node(kind))
        elif kind is NodeKind.CONSTANT:
            value = draw(st.none() | bindings((), len(constants)))
            nodes.append(Node(kind, f"n{index}", atomic=True, value=value))
        else:
            atomic, undoing = draw(contracts())
            sources = [each for each in above[index] if not nodes[each].kind.is_marker]
            inputs = (
                draw(st.dictionaries(texts(5), bindings(sources, len(constants)), max_size=2))
                if with_inputs
                else None
            )
            nodes.append(
                Node(kind, f"n{index}", action="x", atomic=atomic, undoing=undoing, inputs=inputs)
            )
    return Dag(
        "plain",
        tuple(nodes),
        tuple(edges),
        constants=constants,
        siblings=draw(st.sampled_from(Siblings)),
        on_stuck=draw(st.sampled_from(OnStuck)),
        dynamic=draw(st.booleans()),
    )


def _ancestors(count: int, edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    above: list[set[int]] = [set() for _ in range(count)]
    for child in range(count):
        for parent, other in edges:
            if other == child:
                above[child] |= {parent} | above[parent]
    return [sorted(each) for each in above]


@st.composite
def staged_dags(draw: st.DrawFn, depth: int = 2, name: str = "staged") -> Dag:
    """DAGs that `DagBuilder` makes: stages of actions and constants, and subsagas in subsagas."""
    builder = DagBuilder(
        name,
        siblings=draw(st.sampled_from(Siblings)).value,
        on_stuck=draw(st.sampled_from(OnStuck)).value,
    )
    earlier: list[str] = []
    stages = draw(st.lists(st.integers(1, MAX_WIDTH), max_size=MAX_STAGES - 1))
    for stage, width in enumerate([*stages, 1]):
        specs: list[NodeSpec] = []
        for place in range(width):
            own = f"{name[0]}{stage}_{place}"
            kinds = ["action", "action", "constant"] + ["subsaga"] * bool(depth and earlier)
            match draw(st.sampled_from(kinds)):
                case "constant":
                    specs.append(NodeFactory.constant(own, draw(json_values(3))))
                case "subsaga":
                    inner = draw(staged_dags(depth - 1, f"{own} inner"))
                    source = draw(st.sampled_from(earlier))
                    specs.append(NodeFactory.subsaga(own, inner, source))
                case _:
                    specs.append(NodeFactory.action(own, "", "x"))
        builder.append_parallel(specs)
        earlier += [spec.name for spec in specs]
    return builder.build()


def dags() -> st.SearchStrategy[Dag]:
    """DAGs of every kind."""
    return plain_dags() | staged_dags()


# -- events -----------------------------------------------------------------------------


def _made(make: Callable[..., T], *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[T]:
    """As `st.builds`, which would look for annotations that are there for checkers only."""
    return st.tuples(*parts).map(lambda each: make(*each))


def error_records() -> st.SearchStrategy[ErrorRecord]:
    """Errors as they are stored."""
    return _made(
        ErrorRecord,
        st.sampled_from(ErrorKind),
        texts(),
        texts(8),
        st.none() | jsons(3),
        texts(),
    )


def events(
    nodes: int, outputs: Callable[[], st.SearchStrategy[Json]] = jsons
) -> st.SearchStrategy[Event]:
    """Single events about the nodes 0 to `nodes` (which a DAG of `nodes` nodes does not have)."""
    node = st.integers(0, nodes)
    attempt = st.integers(1, 3)
    milliseconds = st.sampled_from([0, 1, 1_700_000_000_000])
    kinds: list[st.SearchStrategy[Event]] = [
        _made(Created, texts(8)),
        _made(StartRequested, milliseconds),
        _made(Adopted, texts(8), st.lists(texts(8), max_size=2).map(tuple)),
        _made(Unwinding, texts(8)),
        _made(Finished, st.sampled_from(FinalState)),
        _made(Started, node, attempt, milliseconds, milliseconds),
        _made(Heartbeat, node, st.none() | outputs()),
        _made(Succeeded, node, outputs()),
        _made(Failed, node, error_records(), st.sampled_from(Effect)),
        _made(UndoStarted, node, attempt, milliseconds, milliseconds),
        _made(UndoFinished, node, st.sampled_from(How)),
        _made(UndoFailed, node, error_records()),
    ]
    return st.one_of(kinds)


def event_lists(nodes: int, max_size: int = 40) -> st.SearchStrategy[list[Event]]:
    """Events in any order: most are no log that could be."""
    return st.lists(events(nodes, lambda: st.just(b"1")), max_size=max_size)
