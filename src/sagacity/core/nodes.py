"""Nodes: the vertices of a DAG, and what they can be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagacity.core.bindings import Binding
    from sagacity.core.policies import Retry


class NodeKind(StrEnum):
    """What a node is."""

    ACTION = "action"
    CONSTANT = "constant"
    SUBSAGA_END = "subsaga_end"  # carries the subsaga's name and output
    SUBSAGA_START = "subsaga_start"
    START = "start"
    END = "end"
    JOIN = "join"

    @property
    def is_marker(self) -> bool:
        """Whether the node is structure only: no path, no output of its own."""
        return self in _MARKERS


_MARKERS: Final = frozenset({NodeKind.SUBSAGA_START, NodeKind.START, NodeKind.END, NodeKind.JOIN})


class Undoing(StrEnum):
    """How a node is taken back: its undo contract."""

    NOTHING = "nothing"  # no effect worth undoing: read-only, harmless, constants, markers
    KNOWN = "known"  # has an undo that needs the output
    ANY = "any"  # has an undo that also accepts an unknown outcome
    ASK = "ask"  # no undo, and its effect must not stay unseen: a person is asked
    PIVOT = "pivot"  # the point of no return: once it has succeeded, nothing is undone
    NEVER = "never"  # no undo, and none is needed: it stands behind a point of no return


@dataclass(frozen=True, slots=True)
class Node:
    """One vertex. `scope` is the `SUBSAGA_START` that it is inside of, -1 for the saga itself."""

    kind: NodeKind
    name: str = ""
    label: str = ""
    scope: int = -1
    action: str = ""
    version: str = ""
    atomic: bool = False
    undoing: Undoing = Undoing.NOTHING
    retry: Retry | None = None  # None: as the action says; the same for the time-out (seconds)
    timeout: float | None = None
    inputs: Mapping[str, Binding] | None = None  # None: the action looks things up by name
    value: Binding | None = None  # CONSTANT: its value; SUBSAGA_START: params; _END: output
