"""What people ask about many sagas at once; the same of a coordinator as of a client of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeAlias

from sagacity.core.decisions import Verb
from sagacity.core.values import encode
from sagacity.engine import system
from sagacity.engine.bulk import VERBS, Bulk, BulkRun, forget_oldest, read_bulks
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
from sagacity.engine.requests import new_request, verb_named
from sagacity.errors import StoreError
from sagacity.ports.store import SagaStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from sagacity.engine.requests import Request


def _tell_nobody(_bulk: Bulk) -> None: ...


_Holds: TypeAlias = "list[Hold]"  # named here, because within the class `list` is the method


class ForMany(Looking, ABC):
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
        be sent again: it is the id of the hold. Without one, a hold on the same sagas that
        is in force already is returned as it is.

        Raises:
            ValueError: nothing says which sagas; or both `everything` and what narrows it.
            StoreError: `MAX_HOLDS` are in force.
        """
        name, labels = _scope(name, labels, everything=everything)
        asked = new_request(Verb.PAUSE, reason=reason, by=by, request_id=request_id)
        hold = Hold(
            asked.request_id, name, labels, everything, asked.by, asked.reason, system.wall_ms()
        )
        known = [other for _, other in await read_holds(self._store)]
        for other in known:
            is_there = request_id is None and other.in_force and is_same_scope(other, hold)
            if other.id == hold.id or is_there:
                return other
        if sum(other.in_force for other in known) >= MAX_HOLDS:
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

    # -- a decision about many ------------------------------------------------------------

    async def bulk(
        self,
        verb: str,
        node: str = "",
        *,
        states: Sequence[str] = (),
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        older_than: float = 0.0,
        everything: bool = False,
        output: Any = None,
        reason: str = "",
        by: str | None = None,
        id: UUID | None = None,
        tell: Callable[[Bulk], None] = _tell_nobody,
    ) -> Bulk:
        """Decide the same about all sagas that match all that is given; returns at the end.

        They are in one of `states` (unless it is said: in any that is not final), there now,
        and unchanged for `older_than` seconds. How far it has come is in the store, also
        under an `id` of yours, and `resume_bulk` goes on with it, in whatever process.
        `tell` is called after each batch. One saga's refusal stops nothing: it is counted.

        Raises:
            ValueError: an unknown verb or state; or nothing says which sagas (`everything`).
            StoreError: the store fails, or the id is in use. It can be resumed.
        """
        self._check_open()
        if not (states or older_than or everything):
            _scope(name, labels, everything=False)
        now_ms = system.wall_ms()
        asked = new_request(verb_named(verb), node, reason=reason, by=by, request_id=id)
        encode(output)
        if asked.verb not in VERBS:
            raise ValueError(f"{asked.verb.value} is for one saga at a time")
        bulk = Bulk(
            id=asked.request_id,
            verb=asked.verb,
            node=node,
            output=output,
            states=tuple(SagaStatus(state) for state in states),
            name=name,
            labels=check_labels(labels),
            before_ms=now_ms - round(older_than * 1_000),
            began_ms=now_ms,
            by=asked.by,
            reason=asked.reason,
        )
        await forget_oldest(self._store)
        return await BulkRun(self._store, self._definitions, self.decide, bulk, 0).run(tell)

    async def resume_bulk(self, id: UUID, *, tell: Callable[[Bulk], None] = _tell_nobody) -> Bulk:
        """Go on with a bulk that did not come to its end; one that did is returned.

        Raises:
            ValueError: there is none with this id.
            StoreError: the store fails, or another process carries it out.
        """
        self._check_open()
        for order, bulk in await read_bulks(self._store):
            if bulk.id == id:
                run = BulkRun(self._store, self._definitions, self.decide, bulk, order.version)
                return await run.run(tell)
        raise ValueError(f"there is no bulk {id}")

    async def bulks(self) -> tuple[Bulk, ...]:
        """Return the bulks that are kept, by id: those that go on, and the last that ended."""
        return tuple(bulk for _, bulk in await read_bulks(self._store))

    @abstractmethod
    async def decide(self, saga_id: UUID, request: Request) -> bool:
        """Carry out what is asked of one saga."""

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
