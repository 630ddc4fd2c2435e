"""The context: what an action or undo is told about itself, and how it looks things up.

The engine makes one for each attempt, so making one only keeps what it is given;
texts and loggers are made when asked for. What can be seen is decided by the DAG:
the params of the node's own (sub)saga, and outputs of the nodes there that the
node depends on. A look-up of anything else fails, whether or not it would find
something at that moment: a saga must not depend on who was faster.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar, overload
from urllib.parse import quote
from uuid import UUID, uuid5

import typing_extensions

from sagacity.authoring.codecs import ANY, codec_for
from sagacity.core.data import SagaData
from sagacity.core.events import MAX_DETAIL_BYTES
from sagacity.errors import InputMismatch, NoSuchInput, ValueNotStorable

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from sagacity.core.dag import Dag
    from sagacity.core.values import Json

T = TypeVar("T")
Deps = typing_extensions.TypeVar("Deps", default=Any)

_SHOWN: Final = 20
_LOGGER: Final = logging.getLogger("sagacity.actions")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Pulse(Protocol):
    """What hears the heartbeats of an attempt."""

    @property
    def before(self) -> Json | None:
        """The last detail of the attempts before."""
        ...

    def beat(self, detail: Json | None) -> None:
        """Be alive; called by any thread."""
        ...


class Caller(Protocol):
    """Who calls an action: the saga that the node is of."""

    @property
    def saga_id(self) -> UUID:
        """Its id."""
        ...

    @property
    def epoch(self) -> int:
        """The epoch of its owner."""
        ...

    @property
    def state(self) -> SagaData:
        """What its nodes can see."""
        ...

    def pulse(self, node: int, attempt: int, *, undo: bool) -> Pulse:
        """Return what hears the heartbeats of an attempt; called by any thread."""
        ...

    def connection(self, node: int) -> Any:
        """Return the connection of the transaction that an attempt is; None: it is none."""
        ...


class Context(Generic[Deps]):
    """What an action or undo is told: `ctx: Context[Deps]`, the first parameter of each.

    Made by the engine, one for each attempt; `sagacity.testing.context` makes one
    for a unit test. It is good until the call ends.
    """

    # Those of `random` and `heartbeat` are set when they are used, which they mostly are not.
    __slots__ = (
        "_began_ms",
        "_caller",
        "_drawn",
        "_node",
        "_pulse",
        "_undo",
        "attempt",
        "deps",
        "outcome_known",
    )

    def __init__(  # noqa: PLR0917 - by place: naming them would be half of what making one costs
        self,
        caller: Caller,
        node: int,
        deps: Deps,
        attempt: int,
        undo: bool,  # noqa: FBT001
        outcome_known: bool,  # noqa: FBT001
        began_ms: int,
    ) -> None:
        """Keep what is known of an attempt of `node`, the first of which began at `began_ms`."""
        self._caller = caller
        self._node = node
        self._undo = undo
        self._began_ms = began_ms
        self.deps = deps
        """What was given to the `Sec` as `deps`: connections, clients, settings."""
        self.attempt = attempt
        """1 for the first attempt; do and undo count apart."""
        self.outcome_known = outcome_known
        """False in an undo of a do that may or may not have had its effect."""

    @property
    def saga_id(self) -> UUID:
        """The id of the saga."""
        return self._caller.saga_id

    @property
    def fencing_token(self) -> int:
        """Grows whenever the saga changes owner: a resource can refuse lower ones."""
        return self._caller.epoch

    @property
    def connection(self) -> Any:
        """The database connection of an action with `transaction=True`, the transaction begun.

        It is the driver's own (of psycopg: an `AsyncConnection`). Do not commit: that is
        done with the record of this attempt.

        Raises:
            NoSuchInput: the action is no transaction.
        """
        connection = self._caller.connection(self._node)
        if connection is None:
            raise NoSuchInput("ctx.connection is for actions with transaction=True")
        return connection

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
        return f"{self.effect_key}/{self._direction}"

    @property
    def effect_key(self) -> str:
        """Shared by do and undo: names the effect, so that an undo can forbid a late do.

        Printable ASCII, whatever the node is called, so that it can be an HTTP header.
        """
        path = self._path
        plain = path.isascii() and path.isprintable() and "%" not in path
        safe = path if plain else quote(path, safe="/~")
        return f"{self.saga_id}/{safe}"

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose records have `saga_id`, `node` and `attempt`."""
        return _ActionLogger(
            _LOGGER,
            {
                "saga_id": str(self.saga_id),
                "node": self._path,
                "attempt": self.attempt,
            },
        )

    def heartbeat(self, detail: Any = None) -> None:
        """Say that this attempt is alive, and how far it is; does not wait, from any thread.

        With `@action(heartbeat=seconds)` an attempt that says nothing for so long is ended,
        with an unknown outcome. `detail` (JSON, at most 16 KiB) is handed to the next
        attempt as `ctx.last_heartbeat`. The log takes the first one at once, and then the
        last of every ten seconds: after a crash it is that old at the most, and after an
        attempt that failed it is the very last. When the attempt has ended this does nothing.

        Raises:
            ValueNotStorable: the detail is too large, or no JSON.
        """
        told = None if detail is None else ANY.encode(detail)
        if told is not None and len(told) > MAX_DETAIL_BYTES:
            raise ValueNotStorable(
                f"detail of {len(told):,} bytes is over the limit of {MAX_DETAIL_BYTES:,}"
            )
        self.pulse.beat(told)

    @property
    def last_heartbeat(self) -> Any:
        """The last `detail` that the attempts before this one have told; None without any.

        Until an undo has told one, it is that of the do.
        """
        before = self.pulse.before
        return None if before is None else ANY.decode(before)

    def now(self) -> datetime:
        """Return when the first attempt of this do (or undo) began, in UTC; to the millisecond.

        The same in each attempt, also after a crash and with another owner: it is the time
        that the log has of it. So it stands still while the action runs.
        """
        return _EPOCH + timedelta(milliseconds=self._began_ms)

    def uuid(self, name: str = "") -> UUID:
        """Return the UUID that this do (or undo) has under `name`; another for each name.

        The same in each attempt, also after a crash and with another owner: it is made (as
        version 5) from the saga's id, the node, the direction and the name. Who knows those
        can make it too: it is no secret.
        """
        return uuid5(self.saga_id, f"{self._direction}\0{self._path}\0{name}")

    def random(self) -> float:
        """Return a number from 0 up to (and without) 1; another at each call.

        The n-th call gives the same in each attempt, also after a crash and with another
        owner: it is made from the saga's id, the node, the direction and n. It is no secret.
        """
        self._drawn = getattr(self, "_drawn", 0) + 1
        what = f"{self.saga_id}/{self._direction}/{self._drawn}/{self._path}"
        digest = hashlib.sha256(what.encode("utf-8", "surrogatepass")).digest()
        return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)

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
        output = self.stored_output(name)
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
        params = self.stored_params()
        try:
            return (ANY if type_ is Any else codec_for(type_)).decode(params)
        except ValueError as error:
            raise InputMismatch(f"saga params: {error}") from error

    @property
    def pulse(self) -> Any:
        """What hears the heartbeats; for the engine."""
        if not self.has_pulse:
            self._pulse: Any = self._caller.pulse(self._node, self.attempt, undo=self._undo)
        return self._pulse

    @property
    def has_pulse(self) -> bool:
        """Whether anything of `pulse` was used; for the engine."""
        return hasattr(self, "_pulse")

    def facts(self) -> dict[str, Any]:
        """Return all that a context of the same attempt in another process has to know."""
        return {
            "saga_id": str(self.saga_id),
            "epoch": self.fencing_token,
            "path": self._path,
            "name": self.node_name,
            "label": self.node_label,
            "attempt": self.attempt,
            "undo": self._undo,
            "outcome_known": self.outcome_known,
            "began_ms": self._began_ms,
        }

    @property
    def is_undo(self) -> bool:
        """Whether this is an attempt of the undo."""
        return self._undo

    @property
    def _dag(self) -> Dag:
        return self._caller.state.dag

    @property
    def _path(self) -> str:
        return self._dag.paths[self._node]

    @property
    def _direction(self) -> str:
        return "undo" if self._undo else "do"

    def stored_params(self) -> Json:
        """Return the params as they are stored; as `params`."""
        return self._caller.state.params_of(self._dag.nodes[self._node].scope)

    def stored_output(self, name: str) -> Json:
        """Return the output of a node as it is stored; as `lookup`."""
        dag, own = self._dag, self._node
        if self._undo and name == dag.nodes[own].name:
            node: int | None = own
        else:
            node = dag.find_input(own, name)
        output = None if node is None else self._caller.state.outputs.get(node)
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
        return f'saga {self.saga_id}, node "{self._path}"'

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
