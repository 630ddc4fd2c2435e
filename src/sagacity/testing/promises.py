"""The promises that a log can show to be kept, and what it is to break one."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PROMISES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "the log has its form, and nodes are treated by their contracts",
        1: "a started saga ends if coordinators and store keep coming back",
        2: "sequences have no holes",
        3: "a node never starts before all it depends on have succeeded",
        4: "an undo never starts before everything depending on its node is settled",
        5: "nothing is undone that never started, nothing twice to completion",
        6: "no new node starts after the log shows unwinding",
        7: "unwound means: what may have had an effect is undone",
        8: "succeeded means: every node succeeded, once",
        9: "the final states absorb",
        10: "epochs never go back; between two adoptions all events are one owner's",
        12: "repeating a create or a command changes nothing",
        16: "whatever the engine stored can be read",
    }
)
"""The promises that can be judged here, by their number."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise: its number, the event that shows it, the node's path, and a sentence."""

    promise: int
    sequence: int
    node: str
    sentence: str

    def __str__(self) -> str:
        where = f'node "{self.node}": ' if self.node else ""
        return f"promise {self.promise} at event {self.sequence}: {where}{self.sentence}"
