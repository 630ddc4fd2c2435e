"""Stores new sagas that are to run here, and finds out what became of it if the store failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sagacity.errors import StoreError

if TYPE_CHECKING:
    from sagacity.engine.insistence import Insistence
    from sagacity.engine.waiters import Waiters
    from sagacity.ports.store import NewSaga, SagaHead, SagaStore


class AlreadyThereError(Exception):
    """Ours, inside of the engine: the id to create exists; `head` is what it stands for."""

    def __init__(self, head: SagaHead) -> None:
        self.head: Final = head
        super().__init__(str(head.id))


class Creating:
    """The new sagas of one coordinator."""

    def __init__(self, store: SagaStore, insistence: Insistence, waiters: Waiters) -> None:
        self._store: Final = store
        self._insistence: Final = insistence
        self._waiters: Final = waiters

    async def create(self, saga: NewSaga) -> bool:
        """Create the saga; False when it cannot be, after its waiters were told why."""
        try:
            head = await self._store.create(saga)
        except Exception as error:  # noqa: BLE001 - a border: the caller is told
            if isinstance(error, StoreError) and await self._insistence.has_created(saga):
                return True
            self._waiters.fail(saga.id, error)
            return False
        if head is not None:
            self._waiters.fail(saga.id, AlreadyThereError(head))
        return head is None
