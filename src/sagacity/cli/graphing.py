"""`graph`: the DAG of a saga as a picture, from its code or as it is stored."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sagacity.authoring import Saga
from sagacity.cli.documenting import graph_document
from sagacity.cli.graphs.dot import dot_text
from sagacity.cli.graphs.drawing import drawing_of
from sagacity.cli.graphs.mermaid import mermaid_text
from sagacity.cli.graphs.outline import outline_lines
from sagacity.cli.graphs.svg import svg_text
from sagacity.cli.loading import load_saga
from sagacity.cli.options import json_option, params_option, store_option
from sagacity.cli.output import emit, standard_output_kept
from sagacity.cli.params import read_params
from sagacity.cli.stores import find_saga, reading

if TYPE_CHECKING:
    from sagacity.core.dag import Dag
    from sagacity.core.views import SagaView


@click.command()
@click.argument("target", metavar="MODULE:SAGA|ID")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid", "dot", "svg"]),
    default="text",
    show_default=True,
    help="How to draw it; svg needs the extra sagacity[svg].",
)
@params_option
@click.option(
    "--output",
    "-o",
    metavar="FILE|-",
    default="-",
    show_default=True,
    help="Where to write it; a file that is there is overwritten.",
)
@store_option
@json_option
def graph(
    *, target: str, form: str, params: str | None, output: str, store: str, as_json: bool
) -> None:
    """Draw the DAG of a saga.

    With MODULE:SAGA from the code (--params for a dynamic saga, whose DAG depends on
    them); with an ID, or the beginning of one, as it is stored, coloured by how far
    each node has come.
    """
    view: SagaView | None = None
    if ":" in target:
        with standard_output_kept():
            dag = _dag_of(target, params)
    else:
        view = asyncio.run(_get(store, target))
        dag = view.dag
    if as_json:
        emit(graph_document(dag, view))
        return
    text = _drawn(dag, view, form)
    if output == "-":
        click.echo(text, nl=False)
    else:
        Path(output).write_text(text, encoding="utf-8")


def _dag_of(target: str, params: str | None) -> Dag:
    saga, _ = load_saga(target)
    if not isinstance(saga, Saga):
        return saga
    return saga.dag_for(read_params(params, saga)) if saga.is_dynamic else saga.dag


async def _get(store: str, text: str) -> SagaView:
    async with reading(store) as client:
        return await client.get(await find_saga(client, text))


def _drawn(dag: Dag, view: SagaView | None, form: str) -> str:
    match form:
        case "mermaid":
            return mermaid_text(drawing_of(dag, view))
        case "dot":
            return dot_text(drawing_of(dag, view))
        case "svg":
            return svg_text(drawing_of(dag, view))
        case _:
            return "\n".join(outline_lines(dag)) + "\n"
