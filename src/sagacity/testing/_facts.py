"""What a judge remembers of one log: when each thing first happened, and what is under way."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from sagacity.core.events import Effect
from sagacity.testing.promises import Violation

if TYPE_CHECKING:
    from sagacity.core.dag import Dag
    from sagacity.core.events import Decided

NEVER: Final = math.inf


class Facts:
    """The facts of one log, and the promises that it breaks."""

    def __init__(self, dag: Dag) -> None:
        self.dag: Final = dag
        self.violations: list[Violation] = []
        self.sequence = 0
        self.markers: Final = [node.kind.is_marker for node in dag.nodes]
        self.epoch: int | None = None
        self.owner = ""
        self.created = False
        self.requested = False
        self.requested_at: float = NEVER
        self.finished = ""
        self.turned = False
        self.halted = False
        # By node: the sequence at which it first happened.
        self.first_start: dict[int, int] = {}
        self.succeeded: dict[int, int] = {}
        self.failed: dict[int, tuple[int, Effect]] = {}
        self.undo_began: dict[int, int] = {}
        self.undone: dict[int, int] = {}
        self.starts: dict[int, int] = {}
        self.undo_starts: dict[int, int] = {}
        self.doing: set[int] = set()
        self.undoing: set[int] = set()
        self.interrupted: set[int] = set()
        """Nodes that had an attempt (of the do) in flight when the owner changed."""
        self.requests: set[str] = set()
        self.paused = False
        self.steps = 0
        """How many nodes may begin though it is paused."""
        self.tainted: set[int] = set()
        """Those, and nodes whose attempt failed with an effect possible."""
        self.forward_only = dag.forward_only
        self.standing: set[int] = set()
        """Nodes whose failure did not turn the saga, as a pivot is behind it or at stake."""
        self.retrying: set[int] = set()
        """Nodes whose last attempt (of the do) failed, and was not the last."""

    def violates(self, promise: int, sentence: str, node: int | None = None) -> None:
        """Note a broken promise, and the event and the node that show it."""
        path = "" if node is None else self.dag.paths[node] or f"({self.dag.nodes[node].kind})"
        self.violations.append(Violation(promise, self.sequence, path, sentence))

    def hear_decision(self, event: Decided) -> None:
        """A person may do what the engine may not: judged is what follows."""
        if event.request in self.requests:
            self.violates(12, f"request {event.request} is carried out twice")
        self.requests.add(event.request)
        nodes = [event.node] if event.node >= 0 else sorted(self.failed)
        match event.verb:
            case "pause":
                self.paused = True
            case "unpause":
                self.paused = False
                self.steps = 0
            case "step":
                self.paused = True
                self.steps += 1
            case "abort":
                self.turned = True
            case "retry":
                for node in nodes:
                    unknown = self.failed.get(node, (0, Effect.NONE))[1] is Effect.POSSIBLE
                    if unknown and node not in self.undo_began:  # its do runs again
                        self.tainted.add(node)
                    elif node not in self.standing:
                        continue
                    self.standing.discard(node)
                    del self.failed[node]
                self.halted = False
            case "skip":
                self.undone.setdefault(event.node, self.sequence)
                self.undo_began.setdefault(event.node, self.sequence)
                self.turned = True  # it was not, if it is a pivot that never came about
                self.halted = False
            case "set_output":
                self.failed.pop(event.node, None)
                self.retrying.discard(event.node)
                self.hear_success(event.node)
                self.halted = False
            case _:
                pass

    def hear_success(self, node: int) -> None:
        """Take note that a node has its output."""
        self.standing.discard(node)
        self.succeeded.setdefault(node, self.sequence)
        self.forward_only = self.forward_only or node in self.dag.pivots
