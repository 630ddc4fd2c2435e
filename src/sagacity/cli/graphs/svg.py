"""A drawing as SVG. Where things go is graphlay's work (docs/decisions/0004-svg-layout.md).

graphlay is optional: `pip install 'sagacity[svg]'`. Its layout is good and slow, so
that a drawing has a limit; a picture of more would show nobody anything.
"""

from __future__ import annotations

from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import click

from sagacity.cli.graphs.colours import colours_of
from sagacity.cli.graphs.drawing import NO_BOX
from sagacity.cli.text import cut, safe
from sagacity.core.nodes import NodeKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sagacity.cli.graphs.drawing import Box, Drawing, Vertex

MAX_VERTICES: Final = 150
MARGIN: Final = 16
NAME_CHARS: Final = 40
_CHARACTER_WIDTH: Final = 7.4
_OPTIONS: Final = {
    "direction": "topbottom",
    "spacing": {"compound_header": 18, "compound_padding": 14, "node_gap": 28, "layer_gap": 36},
}
_ARROW_HEAD: Final = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#495057"/></marker></defs>'
)
_FONT: Final = 'font-family="system-ui, sans-serif" font-size="12"'


def svg_text(drawing: Drawing) -> str:
    """Return the drawing as an SVG document.

    Raises:
        click.ClickException: graphlay is not installed, or the drawing is too large.
    """
    if len(drawing.vertices) > MAX_VERTICES:
        raise click.ClickException(
            f"{len(drawing.vertices):,} nodes are more than an SVG of ours shows ({MAX_VERTICES}): "
            "use --format dot and Graphviz"
        )
    try:
        graphlay = import_module("graphlay")
    except ImportError as error:
        raise click.ClickException(
            "--format svg needs a library for the layout: pip install 'sagacity[svg]'"
        ) from error
    graph = graphlay.Graph()
    for box in drawing.boxes:
        graph.node(("box", box.key), label=box.name, **_parent(graph, box.box))
    for vertex in drawing.vertices:
        width, height = _size(vertex)
        graph.node(
            vertex.key, width=width, height=height, label=vertex.name, **_parent(graph, vertex.box)
        )
    for parent, child in drawing.arrows:
        graph.edge(parent, child)
    layout = graphlay.layout(graph, options=_OPTIONS)
    places = {key: _rectangle(node) for key, node in zip(layout.ids, layout.nodes, strict=True)}
    return _document(drawing, places, [edge["points"] for edge in layout.edges], layout.bounds)


def _parent(graph: Any, box: int) -> dict[str, int]:
    return {} if box == NO_BOX else {"parent": graph.ids.index(("box", box))}


def _size(vertex: Vertex) -> tuple[float, float]:
    if vertex.is_point:
        return 6, 6
    return max(len(cut(safe(vertex.name), NAME_CHARS)) * _CHARACTER_WIDTH + 24, 48), 30


def _rectangle(node: Mapping[str, Any]) -> tuple[float, float, float, float]:
    center, size = node["center"], node["size"]
    width, height = size["width"], size["height"]
    return center["x"] - width / 2, center["y"] - height / 2, width, height


def _document(
    drawing: Drawing,
    places: Mapping[Any, tuple[float, float, float, float]],
    lines: Sequence[Sequence[Mapping[str, float]]],
    bounds: Mapping[str, Any],
) -> str:
    left, top = bounds["min"]["x"] - MARGIN, bounds["min"]["y"] - MARGIN
    width = bounds["max"]["x"] + MARGIN - left
    height = bounds["max"]["y"] + MARGIN - top
    view_box = f"{left:.1f} {top:.1f} {width:.1f} {height:.1f}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{view_box}" {_FONT} role="img">'
        f"<title>{escape(safe(drawing.name))}</title>{_ARROW_HEAD}"
        f'<rect x="{left:.1f}" y="{top:.1f}" width="100%" height="100%" fill="#ffffff"/>'
    )
    parts = [head, *(_box(box, places[("box", box.key)]) for box in drawing.boxes)]
    parts += [
        _line(points, has_head=not _is_point(drawing, child))
        for points, (_, child) in zip(lines, drawing.arrows, strict=True)
    ]
    parts += [_vertex(vertex, places[vertex.key]) for vertex in drawing.vertices]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _is_point(drawing: Drawing, key: int) -> bool:
    return any(vertex.key == key and vertex.is_point for vertex in drawing.vertices)


def _box(box: Box, place: tuple[float, float, float, float]) -> str:
    x, y, width, height = place
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="8" '
        'fill="#f8f9fa" stroke="#9aa5b1" stroke-dasharray="4 3"/>'
        f'<text x="{x + 10:.1f}" y="{y + 16:.1f}" fill="#495057" font-size="11">'
        f"{escape(cut(safe(box.name), NAME_CHARS))}</text>"
    )


def _line(points: Sequence[Mapping[str, float]], *, has_head: bool) -> str:
    path = " L".join(f"{point['x']:.1f},{point['y']:.1f}" for point in points)
    head = ' marker-end="url(#head)"' if has_head else ""
    return f'<path d="M{path}" fill="none" stroke="#495057" stroke-linejoin="round"{head}/>'


def _vertex(vertex: Vertex, place: tuple[float, float, float, float]) -> str:
    x, y, width, height = place
    if vertex.is_point:
        return f'<circle cx="{x + width / 2:.1f}" cy="{y + height / 2:.1f}" r="3" fill="#495057"/>'
    fill, line = colours_of(vertex.status)
    told = safe(vertex.label or vertex.name) + (
        "" if vertex.status is None else f": {vertex.status}"
    )
    radius = 0 if vertex.kind is NodeKind.CONSTANT else 7
    return (
        f"<g><title>{escape(told)}</title>"
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius}" '
        f'fill="{fill}" stroke="{line}"/>'
        f'<text x="{x + width / 2:.1f}" y="{y + height / 2 + 4:.1f}" text-anchor="middle" '
        f'fill="#212529">{escape(cut(safe(vertex.name), NAME_CHARS))}</text></g>'
    )
