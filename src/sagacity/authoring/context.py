"""The context: what an action or undo is told about itself, and how it looks things up.

The engine makes one for each attempt, so making one only keeps what it is given;
texts and loggers are made when asked for. What can be seen is decided by the DAG:
the params of the node's own (sub)saga, and outputs of the nodes there that the
node depends on. A look-up of anything else fails, whether or not it would find
something at that moment: a saga must not depend on who was faster.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, overload
from urllib.parse import quote
from uuid import UUID

import typing_extensions

from sagacity.authoring.codecs import ANY, codec_for
from sagacity.core.data import SagaData
from sagacity.errors import InputMismatch, NoSuchInput

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from sagacity.core.dag import Dag
    from sagacity.core.values import Json

T = TypeVar("T")
Deps = typing_extensions.TypeVar("Deps", default=Any)

_SHOWN: Final = 20
_LOGGER: Final = logging.getLogger("sagacity.actions")


class Context(Generic[Deps]):
    """What an action or undo is told: `ctx: Context[Deps]`, the first parameter of each.

    Made by the engine, one for each attempt; `sagacity.testing.context` makes one
    for a unit test. It is good until the call ends.
    """

    __slots__ = (
        "_node",
        "_state",
        "_undo",
        "attempt",
        "deps",
        "fencing_token",
        "outcome_known",
        "saga_id",
    )

    def __init__(
        self,
        state: SagaData,
        node: int,
        *,
        deps: Deps,
        saga_id: UUID,
        attempt: int,
        undo: bool,
        outcome_known: bool,
        fencing_token: int,
    ) -> None:
        """Keep what is known of an attempt of `node`."""
        self._state = state
        self._node = node
        self._undo = undo
        self.deps = deps
        """What was given to the `Sec` as `deps`: connections, clients, settings."""
        self.saga_id = saga_id
        self.attempt = attempt
        """1 for the first attempt; do and undo count apart."""
        self.outcome_known = outcome_known
        """False in an undo of a do that may or may not have had its effect."""
        self.fencing_token = fencing_token
        """Grows whenever the saga changes owner: a resource can refuse lower ones."""

    @property
    def node_name(self) -> str:
        """The node's name, unique in its (sub)saga."""
        return self._dag.nodes[self._node].name

    @property
    def node_label(self) -> str:
        """The node's label, for people."""
        return self._dag.nodes[self._node].label

    @property
    def idempotency_key(self) -> str:
        """Stable for saga, node and direction: all attempts of this do (or undo) share it."""
        return f"{self.effect_key}/{'undo' if self._undo else 'do'}"

    @property
    def effect_key(self) -> str:
        """Shared by do and undo: names the effect, so that an undo can forbid a late do.

        Printable ASCII, whatever the node is called, so that it can be an HTTP header.
        """
        path = self._dag.paths[self._node]
        safe = path if path.isascii() and path.isprintable() else quote(path, safe="/~")
        return f"{self.saga_id}/{safe}"

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose records have `saga_id`, `node` and `attempt`."""
        return _ActionLogger(
            _LOGGER,
            {
                "saga_id": str(self.saga_id),
                "node": self._dag.paths[self._node],
                "attempt": self.attempt,
            },
        )

    @overload
    def lookup(self, name: str) -> Any: ...
    @overload
    def lookup(self, name: str, type_: type[T]) -> T: ...
    @overload
    def lookup(self, name: str, type_: object) -> Any: ...
    def lookup(self, name: str, type_: object = Any) -> Any:
        """Return the output of the node called `name`, as `type_` (plain JSON without one).

        Finds nodes of the same (sub)saga that this one depends on; in an undo also
        the node's own output.

        Raises:
            NoSuchInput: there is no such node, or it has no output (the outcome is unknown).
            InputMismatch: the output is not of that type.
        """
        output = self._output_of(name)
        try:
            return (ANY if type_ is Any else codec_for(type_)).decode(output)
        except ValueError as error:
            raise InputMismatch(f'output from earlier node "{name}": {error}') from error

    @overload
    def params(self) -> Any: ...
    @overload
    def params(self, type_: type[T]) -> T: ...
    @overload
    def params(self, type_: object) -> Any: ...
    def params(self, type_: object = Any) -> Any:
        """Return the params of the node's (sub)saga, as `type_` (plain JSON without one).

        Raises:
            InputMismatch: they are not of that type.
        """
        params = self._state.params_of(self._dag.nodes[self._node].scope)
        try:
            return (ANY if type_ is Any else codec_for(type_)).decode(params)
        except ValueError as error:
            raise InputMismatch(f"saga params: {error}") from error

    @property
    def _dag(self) -> Dag:
        return self._state.dag

    def _output_of(self, name: str) -> Json:
        dag, own = self._dag, self._node
        if self._undo and name == dag.nodes[own].name:
            node: int | None = own
        else:
            node = dag.find_input(own, name)
        output = None if node is None else self._state.outputs.get(node)
        if output is not None:
            return output
        if node is not None:
            raise NoSuchInput(
                f'{self._place()}: "{name}" has no output: whether it had its effect is not known'
            )
        seen = ", ".join(f'"{each}"' for each in self._visible()) or "none"
        raise NoSuchInput(
            f'{self._place()}: "{name}" is no node that it depends on in its (sub)saga; '
            f"it can look up: {seen}"
        )

    def _place(self) -> str:
        return f'saga {self.saga_id}, node "{self._dag.paths[self._node]}"'

    def _visible(self) -> list[str]:
        dag, own = self._dag, self._node
        inside = {
            index
            for index, node in enumerate(dag.nodes)
            if not node.kind.is_marker and node.scope == dag.nodes[own].scope
        }
        found = dag.ancestors_among(own, inside) | ({own} if self._undo else set[int]())
        names = [dag.nodes[index].name for index in sorted(found)]
        return names if len(names) <= _SHOWN else [*names[:_SHOWN], "..."]


class _ActionLogger(logging.LoggerAdapter[logging.Logger]):
    """Adds the facts of an attempt to what the author's own `extra` says.

    The text is left alone: put in front of it, a node's name with a `%` would
    break the formatting.
    """

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs
