"""What people ask about many sagas at once; the same of a coordinator as of a client of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sagacity.core.decisions import Verb
from sagacity.engine import system
from sagacity.engine.holds import (
    MAX_HOLDS,
    Hold,
    is_same_scope,
    lifted,
    order_of,
    read_holds,
)
from sagacity.engine.intake import check_labels
from sagacity.engine.looking import Looking
from sagacity.engine.requests import new_request
from sagacity.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


_Holds: TypeAlias = "list[Hold]"  # named here, because within the class `list` is the method


class ForMany(Looking):
    """Lets sagas stand still and go on by name, by label, or all of the store.

    `by` is who asks (the user of this process unless it is said).
    """

    async def pause(
        self,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        everything: bool = False,
        reason: str = "",
        by: str | None = None,
        request_id: UUID | None = None,
    ) -> Hold:
        """Let all sagas of this name, with all these labels, or of the store begin nothing.

        That is a hold: it is on those that run and on those that come, until `unpause`. It
        is durable when this returns, and obeyed by the coordinator of the store within a
        second, or by the next one. What is in flight may finish. A saga that somebody
        unpauses by itself goes on all the same. With a `request_id` the same request can
        be sent again: it is the id of the hold.

        Raises:
            ValueError: nothing says which sagas; or both `everything` and what narrows it.
            StoreError: `MAX_HOLDS` are in force.
        """
        name, labels = _scope(name, labels, everything=everything)
        asked = new_request(Verb.PAUSE, reason=reason, by=by, request_id=request_id)
        hold = Hold(
            asked.request_id, name, labels, everything, asked.by, asked.reason, system.wall_ms()
        )
        for _, other in await read_holds(self._store):
            if other.id == hold.id:
                return other
        if len(await self.holds()) >= MAX_HOLDS:
            raise StoreError(f"{MAX_HOLDS} holds are in force already: lift some")
        if await self._store.keep_order(order_of(hold, 1)):
            await self._orders_changed()
        return hold

    async def unpause(
        self,
        *,
        hold: UUID | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        everything: bool = False,
        reason: str = "",
        by: str | None = None,
    ) -> tuple[Hold, ...]:
        """Lift a hold by its id, or all that were placed on just this name, labels or all.

        What stood still for them goes on, unless another hold is on it too; what a person
        has paused stays paused. Returns those that were lifted: none, if there was none.

        Raises:
            ValueError: nothing says which, or more than one thing does.
        """
        if hold is None:
            name, labels = _scope(name, labels, everything=everything)
        elif name is not None or labels or everything:
            raise ValueError("give the id of a hold, or what it is on; not both")
        asked = new_request(Verb.UNPAUSE, reason=reason, by=by)
        wanted = None if hold else Hold(asked.request_id, name, labels or {}, everything, "", "", 0)
        over: _Holds = []
        for order, each in await read_holds(self._store):
            meant = each.id == hold if wanted is None else is_same_scope(each, wanted)
            if meant and each.in_force:
                ended = lifted(each, asked.by, asked.reason)
                if await self._store.keep_order(order_of(ended, order.version + 1)):
                    over.append(ended)
        if over:
            await self._orders_changed()
        return tuple(over)

    async def holds(self) -> tuple[Hold, ...]:
        """Return the holds that are in force, by id."""
        return tuple(hold for _, hold in await read_holds(self._store) if hold.in_force)

    async def _orders_changed(self) -> None:
        """Obey at once what this process has asked of itself."""


def _scope(
    name: str | None, labels: Mapping[str, str] | None, *, everything: bool
) -> tuple[str | None, Mapping[str, str]]:
    """Return the name and the labels, checked.

    Raises:
        ValueError: nothing says which sagas; or both `everything` and what narrows it.
    """
    narrowed = name is not None or bool(labels)
    if everything and narrowed:
        raise ValueError("either everything, or sagas of a name or with labels; not both")
    if not everything and not narrowed:
        raise ValueError("say which sagas: a name, labels, or everything")
    try:
        if name is not None:
            check_labels({"name": name})
        return name, check_labels(labels)
    except TypeError as error:
        raise ValueError(str(error)) from error
