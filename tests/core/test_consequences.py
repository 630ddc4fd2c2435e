"""What a failure leads to is told before anything has run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sagacity.core.builder import DagBuilder, NodeFactory
from sagacity.core.consequences import Leads, consequences_of
from sagacity.core.dag import Dag
from sagacity.core.nodes import NodeKind, Undoing
from sagacity.core.pivots import MAX_PIVOTS
from sagacity.errors import DagError

Contract = tuple[bool, Undoing]
UNDOABLE: Contract = (False, Undoing.ANY)
PIVOT: Contract = (False, Undoing.PIVOT)
NEVER: Contract = (False, Undoing.NEVER)
ASK: Contract = (False, Undoing.ASK)


def staged(*stages: list[str]) -> Dag:
    builder = DagBuilder("s")
    for stage in stages:
        builder.append_parallel([NodeFactory.action(name, name, "x") for name in stage])
    return builder.build()


def with_contracts(dag: Dag, **contracts: Contract) -> Dag:
    nodes = [
        node
        if node.kind is not NodeKind.ACTION
        else replace(node, atomic=contracts[node.name][0], undoing=contracts[node.name][1])
        for node in dag.nodes
    ]
    return replace(dag, nodes=tuple(nodes))


def test_each_contract_has_its_way_to_end() -> None:
    """Before the point of no return, at it, and behind it."""
    dag = with_contracts(
        staged(["a"], ["b", "c"], ["p"], ["z"]),
        a=UNDOABLE, b=ASK, c=(True, Undoing.KNOWN), p=PIVOT, z=NEVER,
    )  # fmt: skip
    told = {each.path: each for each in consequences_of(dag)}
    assert (told["a"].failed, told["a"].unknown) == (Leads.UNWINDS, Leads.UNDOES_ITSELF)
    assert (told["b"].failed, told["b"].unknown) == (Leads.UNWINDS, Leads.ASKS)
    assert (told["c"].failed, told["c"].unknown) == (Leads.UNWINDS, Leads.RUNS_AGAIN)
    assert (told["p"].failed, told["p"].unknown) == (Leads.UNWINDS, Leads.OUTCOME_UNKNOWN)
    assert (told["z"].failed, told["z"].unknown) == (Leads.FORWARD_FAILED,) * 2


def test_where_unwinding_stops_for_a_person_is_told() -> None:
    """Unless it has never started, because it depends on what failed."""
    dag = with_contracts(
        staged(["a"], ["b", "c"], ["z"]), a=UNDOABLE, b=ASK, c=UNDOABLE, z=UNDOABLE
    )
    told = {each.path: each.asks for each in consequences_of(dag)}
    assert told == {"a": (), "b": (), "c": ("b",), "z": ("b",)}


def test_what_stands_beside_a_pivot_is_a_mistake() -> None:
    """It could fail while nobody knows whether there is a way back."""
    with pytest.raises(DagError, match='node "p" is a pivot, and stands beside "q"'):
        with_contracts(staged(["p", "q"], ["z"]), p=PIVOT, q=UNDOABLE, z=UNDOABLE)


def test_what_cannot_be_undone_stands_behind_a_pivot() -> None:
    """Or in a saga that only goes forward."""
    dag = staged(["a"], ["b"])
    with pytest.raises(DagError, match='node "a": it has no undo, and is not behind a pivot'):
        with_contracts(dag, a=NEVER, b=UNDOABLE)
    forward = with_contracts(replace(dag, forward_only=True), a=NEVER, b=(False, Undoing.KNOWN))
    assert {each.failed for each in consequences_of(forward)} == {Leads.FORWARD_FAILED}


def test_pivots_are_bounded() -> None:
    """Each is held against all other nodes of its DAG."""
    names = [f"p{number}" for number in range(MAX_PIVOTS + 1)]
    dag = staged(*[[name] for name in names])
    with pytest.raises(DagError, match="101 pivots are over the limit of 100"):
        with_contracts(dag, **dict.fromkeys(names, PIVOT))
