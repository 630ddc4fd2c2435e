"""Sagas as views, told by their events, with times that do not move."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sagacity.core.actions import ActionFunc
from sagacity.core.builder import DagBuilder
from sagacity.core.builder import NodeFactory as Node
from sagacity.core.codec import LoggedEvent
from sagacity.core.events import (
    Created,
    Effect,
    ErrorKind,
    ErrorRecord,
    Failed,
    FinalState,
    Finished,
    How,
    Started,
    StartRequested,
    Succeeded,
    UndoFailed,
    UndoFinished,
    UndoStarted,
)
from sagacity.core.state import SagaState
from sagacity.core.values import encode
from sagacity.core.viewing import view_of
from sagacity.engine.summaries import status_of

if TYPE_CHECKING:
    from sagacity.core.dag import Dag
    from sagacity.core.events import Event
    from sagacity.core.views import SagaView

ID = UUID("0190a3de-0000-7000-8000-000000000001")
BEGIN_MS = 1_700_000_000_000
ACTION = ActionFunc("work", print, print)


def server_dag() -> Dag:
    """Return a saga with a subsaga: quota, then network (address, name) beside disk, then boot."""
    network = DagBuilder("network")
    network.append(Node.action("address", "Take an address", ACTION))
    network.append(Node.action("name", "name", ACTION))
    builder = DagBuilder("server")
    builder.append(Node.constant("size", 4))
    builder.append(Node.action("quota", "quota", ACTION))
    builder.append_parallel(
        [Node.subsaga("network", network.build(), "size"), Node.action("disk", "disk", ACTION)]
    )
    builder.append(Node.action("boot", "boot", ACTION))
    return builder.build()


class Story:
    """A saga in the making: each call is one event, with the milliseconds that went by before."""

    def __init__(self, dag: Dag, params: object = None) -> None:
        """Begin with the saga created and started."""
        self._dag = dag
        self._params = encode(params)
        self._time_ms = BEGIN_MS
        self._log: list[LoggedEvent] = []
        self.tell(Created("host/1/abc"), StartRequested())

    def tell(self, *events: Event) -> None:
        """Add events of this moment."""
        for event in events:
            sequence = len(self._log) + 1
            self._log.append(LoggedEvent(sequence, self._time_ms, 3, "host/1/abc", event))

    def after(self, milliseconds: int) -> Story:
        """Let time go by."""
        self._time_ms += milliseconds
        return self

    def begin(self, *paths: str) -> None:
        """Start actions."""
        self.tell(*[Started(self._dag.find(path), 1) for path in paths])

    def succeed(self, path: str, output: object = None) -> None:
        """Let an action return."""
        self.tell(Succeeded(self._dag.find(path), encode(output)))

    def run(self, path: str, milliseconds: int, output: object = None) -> None:
        """Start an action and let it return."""
        self.begin(path)
        self.after(milliseconds).succeed(path, output)

    def fail(self, path: str, message: str, effect: Effect = Effect.NONE) -> None:
        """Let an action fail."""
        error = ErrorRecord(
            ErrorKind.ACTION_FAILED, message, "NoRoom", encode({"free": 0}), "Traceback\n  boom"
        )
        self.tell(Failed(self._dag.find(path), error, effect))

    def undo(self, path: str, milliseconds: int) -> None:
        """Undo a node."""
        self.begin_undo(path)
        self.after(milliseconds).tell(UndoFinished(self._dag.find(path), How.UNDONE))

    def begin_undo(self, path: str) -> None:
        """Start an undo."""
        self.tell(UndoStarted(self._dag.find(path), 1))

    def fail_undo(self, path: str, message: str) -> None:
        """Let an undo fail."""
        error = ErrorRecord(ErrorKind.ACTION_FAILED, message, "UndoFailed")
        self.tell(UndoFailed(self._dag.find(path), error))

    def finish(self, outcome: FinalState) -> None:
        """End the saga."""
        self.tell(Finished(outcome))

    def settle(self, *paths: str) -> None:
        """Take back nodes that hold nothing."""
        self.tell(*[UndoFinished(self._dag.find(path), How.NOTHING) for path in paths])

    @property
    def now_ms(self) -> int:
        """The time it is in the story."""
        return self._time_ms

    def view(self) -> SagaView:
        """Return the saga as it is now."""
        state = SagaState(self._dag, self._params)
        for logged in self._log:
            state.apply(logged.event)
        return view_of(
            saga_id=ID,
            name=self._dag.name,
            state_name=status_of(state).value,
            labels={"customer": "42", "tier": "\x1b[5mgold"},
            fingerprint="f" * 64,
            owner="host/1/abc",
            epoch=3,
            created_ms=BEGIN_MS,
            updated_ms=self._time_ms,
            dag=self._dag,
            params=self._params,
            log=self._log,
        )
