"""A drawing for Mermaid, as Markdown on many sites shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.cli.graphs.colours import COLOURS
from sagacity.cli.graphs.drawing import NO_BOX
from sagacity.cli.text import safe
from sagacity.core.nodes import NodeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sagacity.cli.graphs.drawing import Drawing, Vertex

# Mermaid reads HTML and Markdown in quoted text; # begins its own escapes.
_ESCAPES: Final = str.maketrans(
    {character: f"#{ord(character)};" for character in '#"&<>`*_[]{}()|\\'} | {"_": "_"}
)


def mermaid_text(drawing: Drawing) -> str:
    """Return the drawing as a Mermaid flowchart."""
    lines = ["flowchart TD", *_inside(drawing, NO_BOX, "  ")]
    lines += [f"  n{parent} --> n{child}" for parent, child in drawing.arrows]
    statuses = sorted({each.status for each in drawing.vertices if each.status is not None})
    for status in statuses:
        fill, line = COLOURS[status]
        members = ",".join(f"n{each.key}" for each in drawing.vertices if each.status is status)
        lines.append(f"  classDef {status} fill:{fill},stroke:{line},color:#212529")
        lines.append(f"  class {members} {status}")
    return "\n".join(lines) + "\n"


def _inside(drawing: Drawing, box: int, indent: str) -> Iterator[str]:
    for vertex in drawing.vertices:
        if vertex.box == box:
            yield f"{indent}n{vertex.key}{_shape(vertex)}"
    for inner in drawing.boxes:
        if inner.box == box:
            yield f'{indent}subgraph s{inner.key}["{_escaped(inner.name)}"]'
            yield from _inside(drawing, inner.key, indent + "  ")
            yield f"{indent}end"


def _shape(vertex: Vertex) -> str:
    if vertex.is_point:
        return '((" "))'
    text = _escaped(vertex.name)
    return f'[/"{text}"/]' if vertex.kind is NodeKind.CONSTANT else f'["{text}"]'


def _escaped(text: str) -> str:
    return safe(text).translate(_ESCAPES)
