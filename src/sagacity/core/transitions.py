"""The node table: which event may follow which status.

Everything that changes a node's status is here. This file knows nothing of
asyncio, stores or policies; live execution and recovery both use it.

A node starts as NEVER_STARTED. Its attempt ends in SUCCEEDED, in FAILED (no
effect: nothing to take back) or in UNKNOWN (failed, an effect is possible).
While the saga unwinds, SUCCEEDED and UNKNOWN nodes are undone. An attempt that failed
and is retried (`attempt_failed`, `undo_attempt_failed`) leaves the status as it is, and so
does a heartbeat of one in flight. Two
rows are there because a coordinator can die:

* STARTED + STARTED: the attempt failed or was interrupted, and the action runs again.
* STARTED + UNDO_STARTED (or UNDO_FINISHED, when there is nothing to take back):
  interrupted while unwinding, so its outcome stays unknown and it is undone.

The fold (`state`) adds what depends on more than one node: when a node may start,
when it may be undone, and that a repeat needs an interruption before it.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sagacity.core.events import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping


class NodeStatus(StrEnum):
    """What a node's own events add up to."""

    NEVER_STARTED = "never_started"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    UNDO_STARTED = "undo_started"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"


_S = NodeStatus
_K = EventKind

TRANSITIONS: Final[Mapping[tuple[NodeStatus, EventKind], tuple[NodeStatus, ...]]] = (
    MappingProxyType(
        {
            (_S.NEVER_STARTED, _K.STARTED): (_S.STARTED,),
            (_S.STARTED, _K.STARTED): (_S.STARTED,),
            (_S.STARTED, _K.HEARTBEAT): (_S.STARTED,),
            (_S.STARTED, _K.ATTEMPT_FAILED): (_S.STARTED,),
            (_S.STARTED, _K.SUCCEEDED): (_S.SUCCEEDED,),
            (_S.STARTED, _K.FAILED): (_S.FAILED, _S.UNKNOWN),  # by the effect
            (_S.STARTED, _K.UNDO_STARTED): (_S.UNDO_STARTED,),
            (_S.STARTED, _K.UNDO_FINISHED): (_S.UNDONE,),
            (_S.SUCCEEDED, _K.UNDO_STARTED): (_S.UNDO_STARTED,),
            (_S.SUCCEEDED, _K.UNDO_FINISHED): (_S.UNDONE,),
            (_S.UNKNOWN, _K.UNDO_STARTED): (_S.UNDO_STARTED,),
            (_S.UNKNOWN, _K.UNDO_FINISHED): (_S.UNDONE,),
            (_S.UNDO_STARTED, _K.UNDO_STARTED): (_S.UNDO_STARTED,),
            (_S.UNDO_STARTED, _K.HEARTBEAT): (_S.UNDO_STARTED,),
            (_S.UNDO_STARTED, _K.UNDO_ATTEMPT_FAILED): (_S.UNDO_STARTED,),
            (_S.UNDO_STARTED, _K.UNDO_FINISHED): (_S.UNDONE,),
            (_S.UNDO_STARTED, _K.UNDO_FAILED): (_S.UNDO_FAILED,),
        }
    )
)
"""From (status, event) to the statuses that may follow. What is not here is illegal."""
