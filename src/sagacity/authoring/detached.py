"""A context without a coordinator: for calling an action as a plain function in a test.

It is a real `Context`, over the state of a saga of one node that depends on a
constant for each look-up. So values pass through JSON as they will in a saga.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sagacity.authoring.codecs import ANY, encode_inferred
from sagacity.authoring.context import Context
from sagacity.core.dag import OnStuck, Siblings
from sagacity.core.data import SagaData
from sagacity.core.draft import DagDraft
from sagacity.core.nodes import Node, NodeKind
from sagacity.core.values import decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagacity.core.values import Json

SAGA_ID: Final = UUID("00000000-0000-4000-8000-000000000001")
NOW: Final = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class DetachedPulse:
    """Keeps heartbeats, for a unit test to look at."""

    before: Json | None = None
    details: list[Json | None] = field(default_factory=list["Json | None"])

    def beat(self, detail: Json | None) -> None:
        """Keep the detail."""
        self.details.append(detail)


@dataclass(frozen=True, slots=True)
class DetachedSaga:
    """Stands for the saga that calls an action, where there is none."""

    state: SagaData
    saga_id: UUID = SAGA_ID
    epoch: int = 1
    heard: DetachedPulse = field(default_factory=DetachedPulse)
    connected: Any = None

    def pulse(self, node: int, attempt: int, *, undo: bool) -> DetachedPulse:
        """Return what keeps the heartbeats of all attempts."""
        del node, attempt, undo
        return self.heard

    def connection(self, node: int) -> Any:
        """Return what the test has given as the connection."""
        del node
        return self.connected


class DetachedContext(Context[Any]):
    """A context of a unit test, which tells what the action told."""

    __slots__ = ()

    @property
    def heartbeats(self) -> list[Any]:
        """The details of all heartbeats, oldest first; None for one without."""
        told: list[Json | None] = self.pulse.details
        return [None if each is None else decode(each) for each in told]


class _Missing:
    """Stands for an output that was not given."""


_MISSING: Final = _Missing()


def make_context(
    deps: Any = None,
    *,
    params: Any = None,
    lookups: Mapping[str, Any] | None = None,
    output: Any = _MISSING,
    undo: bool = False,
    outcome_known: bool = True,
    node: str = "node",
    label: str = "",
    attempt: int = 1,
    saga_id: UUID = SAGA_ID,
    fencing_token: int = 1,
    now: datetime = NOW,
    last_heartbeat: Any = None,
    connection: Any = None,
) -> DetachedContext:
    """Return a context of one attempt of a node called `node`.

    `lookups` has the outputs that `ctx.lookup` finds, by name, and `output` the
    node's own, which an undo finds as well. `undo=True` makes it the context of an
    undo; `outcome_known=False` of one whose do may or may not have had its effect.
    `now` is what `ctx.now()` gives, with a time zone. `ctx.uuid` and `ctx.random` give what
    they would in a saga of this id, for a node of this name. `last_heartbeat` is what the
    attempt before had told; what the action tells is in the context's `heartbeats`.
    `connection` is what a transaction's `ctx.connection` gives.

    Raises:
        ValueNotStorable: a value cannot be an output or params.
        DagError: a name is empty, too long, or the node's own.
    """
    draft = DagDraft()
    outputs = {name: encode_inferred(value) for name, value in (lookups or {}).items()}
    nodes = [
        draft.add(Node(NodeKind.CONSTANT, name, atomic=True, value=draft.constant(value)))
        for name, value in outputs.items()
    ]
    own = draft.add(Node(NodeKind.ACTION, node, label, action=node, version="1"), nodes)
    dag = draft.finish(
        "test",
        version="1",
        output=None,
        siblings=Siblings.FINISH,
        on_stuck=OnStuck.CONTINUE,
        dynamic=True,
    )
    state = SagaData(dag, encode_inferred(params))
    state.outputs.update(zip(nodes, outputs.values(), strict=True))
    if output is not _MISSING:
        state.outputs[own] = encode_inferred(output)
    before = None if last_heartbeat is None else ANY.encode(last_heartbeat)
    return DetachedContext(
        DetachedSaga(state, saga_id, fencing_token, DetachedPulse(before), connection),
        own,
        deps=deps,
        attempt=attempt,
        undo=undo,
        outcome_known=outcome_known,
        began_ms=round(now.timestamp() * 1_000),
    )
