"""DAGs as pictures, in every format."""

import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any
from xml.etree import ElementTree as ET

import click
import pytest

from sagacity.cli.graphs import svg
from sagacity.cli.graphs.dot import dot_text
from sagacity.cli.graphs.drawing import Drawing, drawing_of
from sagacity.cli.graphs.mermaid import mermaid_text
from sagacity.cli.graphs.outline import outline_lines, places_of
from sagacity.core.builder import DagBuilder
from sagacity.core.builder import NodeFactory as Node
from sagacity.core.dag import Dag
from tests.cli.stories import ACTION, Story, server_dag

Sagacity = Callable[..., Any]
Document = Callable[..., Any]


def wide_dag(count: int) -> Dag:
    """Return two stages of many nodes, with a join between them."""
    builder = DagBuilder("wide")
    for stage in "ab":
        builder.append_parallel(
            [Node.action(f"{stage}{index}", "", ACTION) for index in range(count)]
        )
    builder.append(Node.action("end", "", ACTION))
    return builder.build()


def hostile_dag() -> Dag:
    """Return a DAG whose names mean something in every format."""
    builder = DagBuilder('"];\n<b>')
    builder.append(Node.action('a"]; x[\\', "", ACTION))
    builder.append(Node.action("<script>&#42;`*_", "", ACTION))
    builder.append(Node.action("end\x1b[2J", "", ACTION))
    return builder.build()


def test_as_text() -> None:
    """Steps, what each waits for, and how it is undone."""
    shown = "\n".join(outline_lines(server_dag())) + "\n"
    assert shown == dedent("""\
        server, version 1, 6 nodes
          1 size        constant
          2 quota       work      after size             atomic, undo
            network/    subsaga
          3    address  work      after quota            atomic, undo
          4    name     work      after network/address  atomic, undo
          3 disk        work      after quota            atomic, undo
          5 boot        work      after network, disk    atomic, undo
    """)


def test_for_mermaid() -> None:
    """A subsaga is a subgraph; markers that hold nothing together are not drawn."""
    assert mermaid_text(drawing_of(server_dag())) == dedent("""\
        flowchart TD
          n0[/"size"/]
          n1["quota"]
          n6["disk"]
          n7["boot"]
          subgraph s2["network"]
            n3["address"]
            n4["name"]
          end
          n0 --> n1
          n1 --> n6
          n1 --> n3
          n3 --> n4
          n4 --> n7
          n6 --> n7
    """)


def test_for_graphviz() -> None:
    """A subsaga is a cluster."""
    text = dot_text(drawing_of(server_dag()))

    assert text.startswith('digraph "server" {\n')
    assert '  subgraph cluster_2 {\n    label="network";\n    n3 [label="address"' in text
    assert text.endswith("  n4 -> n7;\n  n6 -> n7;\n}\n")


def test_a_stored_saga_is_coloured_by_status() -> None:
    """In every format, and in the same colours."""
    story = Story(server_dag())
    story.run("size", 0, 4)
    story.begin("quota")
    view = story.view()
    drawing = drawing_of(view.dag, view)

    assert "classDef started fill:#d6f0ff" in mermaid_text(drawing)
    assert "class n1 started" in mermaid_text(drawing)
    assert 'label="quota", fillcolor="#d6f0ff"' in dot_text(drawing)
    assert "quota: started" in svg.svg_text(drawing)


def test_a_join_keeps_arrows_few() -> None:
    """Two stages of 100 have 200 arrows and not 10,000."""
    drawing = drawing_of(wide_dag(100))

    assert len(drawing.arrows) == 300
    assert sum(vertex.is_point for vertex in drawing.vertices) == 1
    assert dot_text(drawing).count("shape=point") == 1


@pytest.mark.parametrize("draw", [mermaid_text, svg.svg_text])
def test_names_are_only_names(draw: Callable[[Drawing], str]) -> None:
    """A name can begin nothing in the language of the picture, nor command a terminal."""
    text = draw(drawing_of(hostile_dag()))

    assert "<script>" not in text
    assert "\x1b" not in text
    assert 'a"];' not in text


def test_names_are_only_names_for_graphviz() -> None:
    """Quotes, backslashes, and what it would read as a character by number."""
    lines = dot_text(drawing_of(hostile_dag())).splitlines()

    labels = [line.partition("label=")[2].partition(", fillcolor")[0] for line in lines[4:7]]
    assert lines[0] == 'digraph "\\"];\\\\n<b>" {'
    assert labels == ['"a\\"]; x[\\\\"', '"<script>&amp;#42;`*_"', '"end\\\\x1b[2J"']


def test_as_svg() -> None:
    """Well-formed; with every node, a dashed box for the subsaga, and every arrow."""
    root = ET.fromstring(svg.svg_text(drawing_of(server_dag())))

    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(filter(None, texts)) == [
        "address", "boot", "disk", "name", "network", "quota", "size",
    ]  # fmt: skip
    arrows = [
        each
        for each in root.iter("{http://www.w3.org/2000/svg}path")
        if "marker-end" in each.attrib
    ]
    assert len(arrows) == 6
    boxes = [
        each
        for each in root.iter("{http://www.w3.org/2000/svg}rect")
        if "stroke-dasharray" in each.attrib
    ]
    assert len(boxes) == 1


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else is said."""
    monkeypatch.setitem(sys.modules, "graphlay", None)

    with pytest.raises(click.ClickException, match=r"pip install 'sagacity\[svg\]'"):
        svg.svg_text(drawing_of(server_dag()))


def test_a_picture_has_a_limit() -> None:
    """Beyond it another format is named."""
    limit = svg.MAX_VERTICES
    drawing = drawing_of(wide_dag(limit // 2))

    with pytest.raises(click.ClickException, match="use --format dot"):
        svg.svg_text(drawing)


def test_steps_grow_along_every_arrow() -> None:
    """Nodes of one step can run at the same time."""
    places = {place.view.path: place for place in places_of(server_dag())}

    for place in places.values():
        for path in place.view.depends_on:
            assert places[path].step <= place.step


def test_a_picture_goes_to_a_file(sagacity: Sagacity, here: Path) -> None:
    """With nothing on standard output."""
    result = sagacity("graph", "trips:book_trip", "--format", "svg", "-o", "trip.svg")

    assert (result.exit_code, result.stdout) == (0, "")
    assert (here / "trip.svg").read_text().startswith("<svg")


def test_a_stored_saga_is_drawn_without_its_code(
    sagacity: Sagacity, document: Document, here: Path
) -> None:
    """Its DAG is stored with it."""
    sagacity("run", "trips:book_trip", "--params", '{"who": "me"}', "-q")
    (saga,) = document("list")["sagas"]
    (here / "trips.py").unlink()

    assert "booking/" in sagacity("graph", saga["id"]).stdout


DYNAMIC = """
from sagacity import Context, action, saga

@action(read_only=True)
async def look(ctx: Context, number: int) -> int:
    return number

@saga(dynamic=True)
def several(count: int) -> list[int]:
    return [look.options(node=f"look{number}").node(number) for number in range(count)]
"""


def test_a_dynamic_saga_is_drawn_for_its_params(sagacity: Sagacity, here: Path) -> None:
    """Without params it has no DAG."""
    (here / "dynamic.py").write_text(DYNAMIC)

    drawn = sagacity("graph", "dynamic:several", "--params", "3")
    without = sagacity("graph", "dynamic:several")

    assert [line.split()[1] for line in drawn.stdout.splitlines()[1:]] == [
        "look0",
        "look1",
        "look2",
    ]
    assert without.exit_code == 1
    assert "takes params" in without.stderr
