"""What the nodes of a saga can see: its params, its constants, and outputs so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.core.bindings import Const, OutputOf, ParamsOf, resolve
from sagacity.core.values import NULL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagacity.core.bindings import Binding
    from sagacity.core.dag import Dag
    from sagacity.core.values import Json


class SagaData:
    """The data side of a saga's state."""

    __slots__ = ("dag", "outputs", "params")

    def __init__(self, dag: Dag, params: Json) -> None:
        """Begin with no outputs."""
        self.dag: Final = dag
        self.params: Final = params
        self.outputs: dict[int, Json] = {}

    def lookup(self, leaf: Binding) -> Json:
        """Return the JSON of a constant, of params, or of a node's output."""
        match leaf:
            case OutputOf(node):
                return self.outputs[node]
            case Const(index):
                return self.dag.constants[index]
            case ParamsOf(scope):
                return self.params_of(scope)
            case _:
                raise AssertionError(leaf)

    def resolve(self, binding: Binding) -> Json:
        """Return the JSON that `binding` stands for.

        Raises:
            LookupError: a value has not the field that the binding names.
        """
        return resolve(binding, self.lookup)

    def params_of(self, scope: int) -> Json:
        """Return the params of the subsaga that starts at `scope` (-1: the saga's own)."""
        if scope < 0:
            return self.params
        binding = self.dag.nodes[scope].value
        return NULL if binding is None else resolve(binding, self.lookup)

    def output(self) -> Json:
        """Return the saga's output (every node has succeeded)."""
        binding = self.dag.output
        return NULL if binding is None else resolve(binding, self.lookup)

    def inputs(self, node: int) -> Mapping[str, Json]:
        """Return what the parameters of `node` are bound to.

        Raises:
            LookupError: a value has not the field that a binding names.
        """
        inputs = self.dag.nodes[node].inputs
        if not inputs:
            return {}
        lookup = self.lookup
        return {name: resolve(binding, lookup) for name, binding in inputs.items()}
