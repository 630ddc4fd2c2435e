"""A drawing for Graphviz: `sagacity graph ... --format dot | dot -Tpng`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagacity.cli.graphs.colours import colours_of
from sagacity.cli.graphs.drawing import NO_BOX
from sagacity.cli.text import safe
from sagacity.core.nodes import NodeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sagacity.cli.graphs.drawing import Drawing, Vertex


def dot_text(drawing: Drawing) -> str:
    """Return the drawing in the language of Graphviz."""
    lines = [
        f"digraph {_quoted(drawing.name)} {{",
        '  node [shape=box, style="rounded,filled", fontname="sans-serif", fontsize=11];',
        '  graph [fontname="sans-serif", fontsize=11, style=rounded, color="#9aa5b1"];',
        '  edge [color="#495057"];',
    ]
    lines += _inside(drawing, NO_BOX, "  ")
    lines += [f"  n{parent} -> n{child};" for parent, child in drawing.arrows]
    return "\n".join([*lines, "}"]) + "\n"


def _inside(drawing: Drawing, box: int, indent: str) -> Iterator[str]:
    for vertex in drawing.vertices:
        if vertex.box == box:
            yield f"{indent}n{vertex.key} [{_look(vertex)}];"
    for inner in drawing.boxes:
        if inner.box == box:
            yield f"{indent}subgraph cluster_{inner.key} {{"
            yield f"{indent}  label={_quoted(inner.name)};"
            yield from _inside(drawing, inner.key, indent + "  ")
            yield f"{indent}}}"


def _look(vertex: Vertex) -> str:
    if vertex.is_point:
        return 'shape=point, width=0.06, label=""'
    fill, line = colours_of(vertex.status)
    shape = ", shape=note" if vertex.kind is NodeKind.CONSTANT else ""
    return f'label={_quoted(vertex.name)}{shape}, fillcolor="{fill}", color="{line}"'


def _quoted(text: str) -> str:
    # Graphviz reads `&#42;` in a label as a character, and begins escapes with a backslash.
    escaped = safe(text).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
