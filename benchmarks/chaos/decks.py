"""How much is done to a fleet in one run."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from benchmarks.chaos.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

BOUNDED: Final[Mapping[Fault, int]] = MappingProxyType(
    {
        Fault.KILL: 26,
        Fault.STOP: 3,
        Fault.SERVER: 2,
        Fault.TERMINATE: 4,
        Fault.RESET: 3,
        Fault.BLACK_HOLE: 2,
        Fault.HALF_OPEN: 2,
        Fault.CUT: 8,
        Fault.DISK: 1,
    }
)
"""About a minute. The tests do it four times."""
BOUNDED_SAGAS: Final = 1_250
TAKEOVERS: Final[Mapping[Fault, int]] = MappingProxyType({Fault.KILL: 8, Fault.STOP: 2})
"""One after the other, with time to recover in between, and the server there all the time."""
