"""A DAG as text: its nodes as a tree, with what each waits for and how it is undone.

The step of a node is how many nodes come before it at least: nodes of one step can
run at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sagacity.cli.text import counted, cut, safe
from sagacity.core.nodes import NodeKind, Undoing
from sagacity.core.state import SagaState
from sagacity.core.viewing import nodes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagacity.core.dag import Dag
    from sagacity.core.nodes import Node
    from sagacity.core.views import NodeView

SHOWN_PARENTS: Final = 4
NAME_CHARS: Final = 60


@dataclass(frozen=True, slots=True)
class Place:
    """A node, and where it stands in the DAG."""

    view: NodeView
    node: Node
    step: int


def places_of(dag: Dag) -> list[Place]:
    """Return the nodes of a DAG (markers left out), in its order."""
    views = nodes_of(SagaState(dag), ())
    by_path = {view.path: view for view in views}
    steps: dict[str, int] = {}
    for index in sorted(range(len(dag.nodes)), key=lambda index: dag.rank[index]):
        view = by_path.get(dag.paths[index])
        if view is not None:
            before = max((steps[path] for path in view.depends_on), default=0)
            # The end of a subsaga is no step of its own.
            steps[view.path] = before + (view.kind is not NodeKind.SUBSAGA_END)
    return [Place(view, dag.nodes[dag.find(view.path)], steps[view.path]) for view in views]


def outline_lines(dag: Dag) -> list[str]:
    """Return a DAG as lines of text."""
    places = places_of(dag)
    count = sum(1 for place in places if place.node.kind is not NodeKind.SUBSAGA_END)
    title = f"{safe(dag.name)}, version {safe(dag.version)}, {counted(count, 'node')}"
    rows = [_row(place) for place in _parents_first(places)]
    widths = [max((len(cell) for cell in column), default=0) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return [title, *lines]


def undo_words(node: Node) -> str:
    """Say in words how a node is undone."""
    if node.kind is not NodeKind.ACTION:
        return ""
    match node.undoing:
        case Undoing.NOTHING:
            return "nothing to undo"
        case Undoing.KNOWN:
            return "atomic, undo"
        case Undoing.ANY:
            return "atomic, undo" if node.atomic else "undo, also if the outcome is unknown"
        case Undoing.ASK:
            return "asks a person"
        case Undoing.PIVOT:
            return "point of no return"
        case Undoing.NEVER:
            return "no undo"


def _parents_first(places: Sequence[Place]) -> list[Place]:
    """Put a subsaga before its nodes: in a DAG its name stands at its end."""
    order: dict[str, None] = {}
    by_path = {place.view.path: place for place in places}
    for place in places:
        parts = place.view.path.split("/")
        for depth in range(1, len(parts) + 1):
            order.setdefault("/".join(parts[:depth]))
    return [by_path[path] for path in order if path in by_path]


def _row(place: Place) -> tuple[str, str, str, str]:
    view, node = place.view, place.node
    indent = "   " * view.path.count("/")
    # As in its path, where `/` is escaped: what stands below, and what options take.
    name = cut(safe(view.path.rpartition("/")[2]), NAME_CHARS)
    if node.kind is NodeKind.SUBSAGA_END:
        return f"    {indent}{name}/", "subsaga", "", ""
    what = "constant" if node.kind is NodeKind.CONSTANT else safe(cut(node.action, NAME_CHARS))
    shown = [safe(each) for each in view.depends_on[:SHOWN_PARENTS]]
    more = len(view.depends_on) - len(shown)
    after = ", ".join(shown) + (f" and {more:,} more" if more else "")
    return (
        f"{place.step:>3} {indent}{name}",
        what,
        f"after {after}" if after else "",
        undo_words(node),
    )
