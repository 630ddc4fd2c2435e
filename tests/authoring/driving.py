"""Runs a traced saga on the spot: what an engine does, less everything that can go wrong."""

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import pytest

from sagacity.authoring import Context, Saga
from sagacity.authoring.detached import DetachedSaga
from sagacity.core.dag import Dag
from sagacity.core.data import SagaData
from sagacity.core.nodes import NodeKind
from sagacity.core.values import NULL
from sagacity.errors import DagError

P = TypeVar("P")
R = TypeVar("R")

SAGA_ID = UUID(int=7)


def run(saga: Saga[P, R], params: P) -> R:
    """Run every action of `saga` in order and return its result."""
    dag = saga.dag_for(params)
    data = SagaData(dag, saga.encode_params(params))
    actions = {action.name: action for action in saga.actions}
    for index in sorted(range(len(dag.nodes)), key=dag.rank.__getitem__):
        node = dag.nodes[index]
        if node.kind is NodeKind.ACTION:
            action = actions[node.action]
            context: Context[Any] = Context(
                DetachedSaga(data, SAGA_ID),
                index,
                deps=None,
                attempt=1,
                undo=False,
                outcome_known=True,
                began_ms=0,
            )
            result = action.do(context, **action.do_arguments(data.inputs(index)))
            data.outputs[index] = action.encode_output(
                result if action.do_blocks else finished(result)
            )
        elif node.kind is NodeKind.SUBSAGA_END:
            data.outputs[index] = NULL if node.value is None else data.resolve(node.value)
    return saga.decode_output(data.output())


def finished(coroutine: Any) -> Any:
    """Return the result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def mistakes_in(declare: Callable[[], object]) -> tuple[str, ...]:
    """Return the mistakes that declaring a saga finds."""
    with pytest.raises(DagError) as caught:
        declare()
    return caught.value.mistakes


def parents_of(dag: Dag, path: str) -> set[str]:
    """Return the paths of the direct parents of a node."""
    return {dag.paths[parent] for parent in dag.parents[dag.find(path)]}
