"""Commands between processes: what may be asked of a coordinator through the store.

A command is a verb with JSON arguments. The owner does each once, by its request
id, in the order they were sent; what cannot be done is logged and left behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sagacity.core.sealed import refuse_sealed
from sagacity.core.values import decode, encode
from sagacity.engine import system
from sagacity.ports.store import InboxCommand

if TYPE_CHECKING:
    from uuid import UUID

START: Final = "start"
INJECT_ERROR: Final = "inject_error"
INJECT_UNDO_ERROR: Final = "inject_undo_error"
INJECT_REPEAT: Final = "inject_repeat"
INJECTIONS: Final = frozenset({INJECT_ERROR, INJECT_UNDO_ERROR, INJECT_REPEAT})


def start_command(saga_id: UUID) -> InboxCommand:
    """Ask for the saga to be started."""
    return _command(saga_id, START, {})


def inject_command(saga_id: UUID, verb: str, node: str, counts: tuple[int, int]) -> InboxCommand:
    """Ask for a fault at the node at path `node`."""
    return _command(saga_id, verb, {"node": node, "action": counts[0], "undo": counts[1]})


def read_injection(command: InboxCommand) -> tuple[str, tuple[int, int]]:
    """Return `(node, counts)` of an injection.

    Raises:
        ValueError: the arguments are not those of an injection.
    """
    match decode(command.arguments):
        case {"node": str(node), "action": int(action), "undo": int(undo)}:
            return node, (action, undo)
        case arguments:
            refuse_sealed(arguments)
            raise ValueError(f"not an injection: {command.arguments!r:.100}")


def _command(saga_id: UUID, verb: str, arguments: dict[str, Any]) -> InboxCommand:
    return InboxCommand(
        request_id=system.new_request_id(),
        saga_id=saga_id,
        verb=verb,
        arguments=encode(arguments),
        sent_ms=system.wall_ms(),
    )
