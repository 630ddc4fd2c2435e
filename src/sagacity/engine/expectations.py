"""What the store's history says of how long attempts take, remembered for a while.

Of a saga's name, the newest that have ended are read: at most `SAMPLE` of the `LOOKED_AT`
with the highest ids, once in `REMEMBERED_SECONDS`. Nothing is written, and no attempt
costs anything for it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from sagacity.core.codec import decode_log
from sagacity.core.expecting import durations, learned
from sagacity.errors import LogCorrupt, NoSuchSaga, StoreCorrupt
from sagacity.ports.store import FINAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagacity.core.expecting import What
    from sagacity.engine.definitions import Definitions
    from sagacity.ports.store import SagaStore

LOOKED_AT: Final = 100
SAMPLE: Final = 20
REMEMBERED_SECONDS: Final = 600
MAX_NAMES: Final = 256


class Expectations:
    """What is expected of the attempts of sagas, by the sagas' names."""

    def __init__(self, store: SagaStore, definitions: Definitions) -> None:
        """Begin with nothing learned."""
        self._store: Final = store
        self._definitions: Final = definitions
        self._learned: Final[OrderedDict[str, tuple[int, Mapping[What, int]]]] = OrderedDict()

    def remembers(self, saga_name: str, now_ms: int) -> bool:
        """Whether `of` would read nothing."""
        remembered = self._learned.get(saga_name)
        return remembered is not None and now_ms - remembered[0] < REMEMBERED_SECONDS * 1_000

    async def of(self, saga_name: str, now_ms: int) -> Mapping[What, int]:
        """Return after how many milliseconds attempts in sagas of this name are hung."""
        if self.remembers(saga_name, now_ms):
            return self._learned[saga_name][1]
        found = await self._learn(saga_name)
        self._learned[saga_name] = now_ms, found
        self._learned.move_to_end(saga_name)
        if len(self._learned) > MAX_NAMES:
            self._learned.popitem(last=False)
        return found

    async def _learn(self, saga_name: str) -> Mapping[What, int]:
        heads = await self._store.newest(saga_name, limit=LOOKED_AT)
        ended = [head for head in heads if head.state in FINAL][:SAMPLE]
        taken: list[tuple[What, int]] = []
        for head in ended:
            try:
                stored = await self._store.read(head.id)
                dag = self._definitions.dag_of(stored)
                taken += durations(dag, decode_log(stored.records))
            except (NoSuchSaga, StoreCorrupt, LogCorrupt):
                continue  # removed meanwhile, or damaged: who looks at that saga learns
        return learned(taken)
