"""The real params that a dynamic saga is traced with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sagacity.errors import ValueNotStorable

if TYPE_CHECKING:
    from sagacity.authoring.signatures import Typed
    from sagacity.core.values import Json

_SCALARS: Final = (type(None), bool, int, float, str)
"""Equal values of these can be one object by chance."""


@dataclass(frozen=True, slots=True, eq=False)
class GivenParams:
    """Params as the saga function gets them, and as they are stored."""

    name: str
    value: Any
    stored: Json
    typed: Typed

    def are(self, value: Any) -> bool:
        """Whether `value` is these params, handed on whole and unchanged.

        Then a node can refer to them: they are stored with the saga once, and not
        once more for each node.
        """
        if value is not self.value or type(value) in _SCALARS:
            return False
        try:
            return self.typed.codec.encode(value) == self.stored
        except ValueNotStorable:
            return False  # changed into something that is refused as a constant, too
