"""Sagacity: distributed sagas for Python.

A saga is a DAG of actions, each with an undo action. The engine runs it, records
every step in a durable log, survives crashes, and on failure takes back what was
done, in reverse dependency order.
"""

from sagacity.authoring import Context, Saga, action, saga
from sagacity.core.actions import ActionFunc, ActionRegistry
from sagacity.core.builder import DagBuilder
from sagacity.core.builder import NodeFactory as Node
from sagacity.core.dag import Dag
from sagacity.core.keys import saga_id_of
from sagacity.core.limits import Limit
from sagacity.core.outcome import Abandoned, NodeError, Outcome, Stuck, Succeeded, Unwound
from sagacity.core.policies import Retry
from sagacity.core.secret import Secret
from sagacity.core.views import EventView, NodeView, SagaSummary, SagaView
from sagacity.core.why import Why
from sagacity.errors import (
    ActionFailed,
    CoordinatorClosed,
    DagError,
    InputMismatch,
    LogCorrupt,
    NoSuchInput,
    NoSuchNode,
    NoSuchSaga,
    NotOwner,
    NotSteno,
    PayloadUnreadable,
    SagaAbandoned,
    SagacityError,
    SagaEnded,
    SagaExists,
    SagaStateError,
    SagaStuck,
    SagaUnwound,
    SchemaVersionError,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreFull,
    TraceError,
    TransactionFailed,
    UndoFailed,
    ValueNotStorable,
)
from sagacity.ports.codec import PayloadCodec
from sagacity.ports.observer import Notice, Observer, Recorded
from sagacity.ports.store import SagaStore
from sagacity.runtime import (
    Bulk,
    Client,
    DrainReport,
    Handle,
    Hold,
    LeftNode,
    LogObserver,
    Page,
    Plan,
    PlannedCall,
    Sec,
    open_store,
)
from sagacity.within import start_within, start_within_async

__all__ = [
    "Abandoned",
    "ActionFailed",
    "ActionFunc",
    "ActionRegistry",
    "Bulk",
    "Client",
    "Context",
    "CoordinatorClosed",
    "Dag",
    "DagBuilder",
    "DagError",
    "DrainReport",
    "EventView",
    "Handle",
    "Hold",
    "InputMismatch",
    "LeftNode",
    "Limit",
    "LogCorrupt",
    "LogObserver",
    "NoSuchInput",
    "NoSuchNode",
    "NoSuchSaga",
    "Node",
    "NodeError",
    "NodeView",
    "NotOwner",
    "NotSteno",
    "Notice",
    "Observer",
    "Outcome",
    "Page",
    "PayloadCodec",
    "PayloadUnreadable",
    "Plan",
    "PlannedCall",
    "Recorded",
    "Retry",
    "Saga",
    "SagaAbandoned",
    "SagaEnded",
    "SagaExists",
    "SagaStateError",
    "SagaStore",
    "SagaStuck",
    "SagaSummary",
    "SagaUnwound",
    "SagaView",
    "SagacityError",
    "SchemaVersionError",
    "Sec",
    "Secret",
    "StoreBusy",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "Stuck",
    "Succeeded",
    "TraceError",
    "TransactionFailed",
    "UndoFailed",
    "Unwound",
    "ValueNotStorable",
    "Why",
    "action",
    "open_store",
    "saga",
    "saga_id_of",
    "start_within",
    "start_within_async",
]
