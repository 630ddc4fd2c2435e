"""Being a coordinator: a row with an identity, an epoch and the end of a lease.

All by the clock of the server. Whose row is gone is retired, for good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sagacity.errors import NotOwner, StoreBusy
from sagacity.ports.store import Coordinator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagacity.stores.postgres.pool import Try


@dataclass(slots=True)
class Acquiring:
    """What `acquire` asks for; `before` is what the store object was until now."""

    owner: str
    lease_seconds: float
    shown: str
    before: Coordinator | None
    _epoch: int | None = None
    """Known, if only what comes after has to be tried again."""

    async def __call__(self, begun: Try) -> Coordinator:
        """Retire what was before, and begin a new identity.

        Raises:
            StoreBusy: another process uses this name, and is alive.
        """
        if self._epoch is None:
            self._epoch = await self._begin(begun)
        await begun.rows("leave_to_others", self.owner)
        return Coordinator(self.owner, self._epoch)

    async def _begin(self, begun: Try) -> int:
        if self.before is not None:
            await retire(begun, self.before)
        # In doubt: the one of this name may be ourselves, of the try before.
        epoch = await begun.value("become", self.owner, self.lease_seconds, begun.in_doubt)
        if epoch is None:
            raise StoreBusy(
                f'{self.shown}: a coordinator with the identity "{self.owner}" is alive; each '
                f"needs its own"
            )
        return int(epoch)


async def renew(begun: Try, identity: Coordinator | None, lease_seconds: float) -> None:
    """Let the lease end so much later.

    Raises:
        NotOwner: it was retired.
    """
    if identity is None or not await begun.value(
        "renew", identity.owner, identity.epoch, lease_seconds
    ):
        name = "nobody" if identity is None else f'"{identity.owner}"'
        raise NotOwner(f"{name} is no coordinator of this store any more: the lease has ended")


async def retire(begun: Try, identity: Coordinator) -> None:
    """End an identity, if it is there."""
    await begun.rows("retire", identity.owner, identity.epoch)


async def coordinators(begun: Try) -> Sequence[Coordinator]:
    """Return those whose leases have not ended."""
    return [Coordinator(owner, epoch) for owner, epoch in await begun.rows("coordinators")]
