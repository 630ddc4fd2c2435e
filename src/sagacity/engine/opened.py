"""What there is of a coordinator between opening and closing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagacity.engine.deciding import Deciding
    from sagacity.engine.driving import Driving
    from sagacity.engine.obeying import Obeying
    from sagacity.engine.starting import Starting


@dataclass(frozen=True, slots=True)
class Opened:
    """The parts of an open coordinator."""

    driving: Driving
    starting: Starting
    deciding: Deciding
    obeying: Obeying
