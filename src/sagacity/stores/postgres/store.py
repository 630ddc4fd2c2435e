"""`PostgresStore`: the port over a PostgreSQL database, which a fleet shares.

What is where: this file says what each method of the port is made of. `writer` gathers
appends, creates and commands into batches, `batch` says what a batch writes, and `columns`
how its rows get to the server; `gathering` reads whole sagas, several at once; `pool` has
the connections for all else, `leasing` and `adopting` are about who owns what, `changing`
the rarer writes, `reads` what is read; `listening` hears of what other processes do.
`failures` says what each error means. The SQL is in `queries.sql` and `schema/`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sagacity.errors import NoSuchSaga, NotOwner, StoreError
from sagacity.ports.store import DRIVEN, MAX_INBOX, MAX_PAGE, Coordinator
from sagacity.stores._background import Background
from sagacity.stores._changes import Changes
from sagacity.stores._limits import (
    check_adoption,
    check_append,
    check_command,
    check_ids,
    check_limit,
    check_name,
    check_new,
    check_order,
    check_query,
)
from sagacity.stores.postgres import changing, leasing, reads
from sagacity.stores.postgres.address import address_of
from sagacity.stores.postgres.adopting import Wanted, adopt
from sagacity.stores.postgres.batch import (
    Verdict,
    write_of_append,
    write_of_command,
    write_of_create,
)
from sagacity.stores.postgres.ends import Ends
from sagacity.stores.postgres.files import queries_of
from sagacity.stores.postgres.gathering import Reader
from sagacity.stores.postgres.listening import Listener
from sagacity.stores.postgres.migrating import migrate
from sagacity.stores.postgres.pool import Pool
from sagacity.stores.postgres.telling import Teller
from sagacity.stores.postgres.transactions import MAX_OPEN, PostgresTransaction, begin_in
from sagacity.stores.postgres.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sagacity.ports.store import (
        Append,
        InboxCommand,
        NewSaga,
        Order,
        SagaHead,
        SagaQuery,
        SagaStatus,
        StoredSaga,
    )

_ACCEPTED: Final = Verdict.ACCEPTED  # looked up once, and not for each append
POOL_SIZE: Final = 4
"""Connections for reads and the rarer writes; writer, lease and listener have one each."""
READERS: Final = 2
"""How many of those read whole sagas at once: the rest is for what must not wait for these."""
POLL_SECONDS: Final = 0.5
"""Between two looks of who waits, where nobody can be told."""
POLL_ENDS_SECONDS: Final = 1.0
MAX_KNOWN_DEFINITIONS: Final = 10_000
CREATE_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class _Opened:
    """What there is while the store is open."""

    teller: Teller
    writer: Writer
    reader: Reader
    pool: Pool
    leases: Pool
    sessions: Pool
    """For transactions of users."""
    listener: Listener
    background: Background


class PostgresStore:
    """Sagas in one schema of a PostgreSQL database."""

    def __init__(self, url: str) -> None:
        """Name the database, whose options docs/stores-postgres.md has; nothing is touched yet.

        Raises:
            ValueError: it is no such URL.
        """
        self._address: Final = address_of(url)
        self._queries: Final = queries_of(self._address)
        self._channel: Final = f"sagacity_{self._address.schema}"
        self._changes: Final = Changes()
        self._ends: Final = Ends()
        self._opened: _Opened | None = None
        self._identity: Coordinator | None = None
        self._definitions: Final[dict[tuple[str, str], int]] = {}
        """Keys of definitions, by fingerprint and name: they need not be sent again."""
        self._definitions_in_hand: Final[dict[tuple[str, str], asyncio.Event]] = {}

    def __repr__(self) -> str:
        return f"PostgresStore({self._address.shown!r}, schema={self._address.schema!r})"

    async def open(self) -> None:
        if self._opened is not None:
            return
        address, queries = self._address, self._queries
        pool = Pool(address, queries, POOL_SIZE, address.timeout_seconds)
        try:
            await pool.call(partial(migrate, address=address))
        except BaseException:
            await pool.close()
            raise
        # A third, so that there is time for another try before the lease ends.
        renewal_seconds = min(address.timeout_seconds, address.lease_seconds / 3)
        teller = Teller(pool, self._channel, is_heard=address.listen)
        opened = _Opened(
            teller=teller,
            writer=Writer(address, queries, self._channel, teller),
            reader=Reader(pool),
            pool=pool,
            leases=Pool(address, queries, 1, renewal_seconds),
            sessions=Pool(address, queries, MAX_OPEN, address.timeout_seconds),
            listener=Listener(address, queries, self._channel, self._changes, self._ends),
            background=Background(),
        )
        opened.background.begin(opened.listener.run())
        opened.background.begin(teller.run())
        opened.background.begin(opened.writer.run())
        for _ in range(READERS):
            opened.background.begin(opened.reader.run())
        self._opened = opened

    async def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is None:
            return
        self._changes.note_now()
        self._ends.tell_all()
        try:
            await opened.writer.close()
            await opened.teller.flush()
            identity, self._identity = self._identity, None
            if identity is not None:
                # If the server does not answer, the lease ends by itself.
                with suppress(StoreError):
                    await opened.leases.call(partial(leasing.retire, identity=identity), quick=True)
        finally:
            await opened.background.end()
            await opened.leases.close()
            await opened.sessions.close()
            await opened.pool.close()

    async def acquire(self, owner: str, *, wait: bool) -> int:  # noqa: ARG002 - nobody has to wait
        check_name("owner", owner)
        if not owner:
            raise ValueError("a coordinator needs an identity: without an owner means nobody's")
        acquiring = leasing.Acquiring(
            owner, self._address.lease_seconds, self._address.shown, self._identity
        )
        self._identity = await self._now_open().leases.call(acquiring, quick=True)
        return self._identity.epoch

    async def renew(self) -> float | None:
        seconds = self._address.lease_seconds
        renewing = partial(leasing.renew, identity=self._identity, lease_seconds=seconds)
        await self._now_open().leases.call(renewing, quick=True)
        return seconds

    async def release(self) -> None:
        opened = self._opened
        identity, self._identity = self._identity, None
        if opened is not None and identity is not None:
            await opened.leases.call(partial(leasing.retire, identity=identity), quick=True)
            await self._wake_others(opened)

    async def coordinators(self) -> Sequence[Coordinator]:
        return await self._now_open().pool.call(leasing.coordinators, changes=False)

    async def create(self, saga: NewSaga) -> SagaHead | None:
        opened = self._now_open()
        check_new(saga)
        for _ in range(CREATE_TRIES):
            write = write_of_create(saga, await self._definition(opened, saga))
            verdict = await opened.writer.write(write)
            if verdict is Verdict.ACCEPTED:
                if write.wakes:
                    self._changes.note_now()
                return None
            if verdict is Verdict.NOT_NEW:
                existing = await opened.pool.call(
                    partial(reads.head, saga_id=saga.id), changes=False
                )
                if existing is not None:
                    return existing
            # Somebody deleted the definition with its last saga, or the saga itself.
            self._definitions.clear()
        raise StoreError(f"saga {saga.id} comes and goes: somebody deletes it all the time")

    async def append(self, append: Append) -> None:
        opened = self._opened
        if opened is None:
            opened = self._now_open()
        check_append(append)
        write = write_of_append(append)
        if await opened.writer.write(write) is not _ACCEPTED:
            sequence, epoch = await opened.pool.call(
                partial(reads.position, saga_id=append.saga_id), changes=False
            )
            raise NotOwner(
                f"saga {append.saga_id} is at sequence {sequence} of epoch {epoch}; this "
                f"append expected {append.expected_sequence} of epoch {append.epoch}"
            )
        if write.ends:
            self._ends.tell(append.saga_id)

    async def adopt(
        self,
        owner: str,
        epoch: int,
        *,
        ids: Sequence[UUID] | None = None,
        states: frozenset[SagaStatus] = DRIVEN,
        unfit: Sequence[str] = (),
        limit: int = MAX_PAGE,
    ) -> Sequence[SagaHead]:
        opened = self._now_open()
        check_adoption(states, unfit, limit)
        if ids is not None:
            check_ids(ids)
        wanted = Wanted(ids, sorted(states), list(unfit), limit)
        return await adopt(opened.pool, Coordinator(owner, epoch), wanted)

    async def disown(self, owner: str, ids: Sequence[UUID]) -> None:
        opened = self._now_open()
        check_ids(ids)
        await opened.pool.call(partial(changing.disown, owner=owner, ids=ids))
        await self._wake_others(opened)

    async def read(self, saga_id: UUID) -> StoredSaga:
        return await self._now_open().reader.read(saga_id)

    async def list(self, query: SagaQuery) -> Sequence[SagaHead]:
        check_query(query)
        return await self._now_open().pool.call(partial(reads.heads, query=query), changes=False)

    async def newest(self, name: str, *, limit: int = 100) -> Sequence[SagaHead]:
        check_limit(limit)
        return await self._now_open().pool.call(
            partial(reads.newest, name=name, limit=limit), changes=False
        )

    async def send(self, command: InboxCommand) -> bool:
        opened = self._now_open()
        check_command(command)
        match await opened.writer.write(write_of_command(command)):
            case Verdict.NO_SUCH_SAGA:
                raise NoSuchSaga(command.saga_id)
            case Verdict.INBOX_FULL:
                raise StoreError(f"the inbox is full: {MAX_INBOX:,} commands wait to be taken")
            case verdict:
                self._changes.note_now()
                return verdict is Verdict.ACCEPTED

    async def take(
        self, *, owner: str | None = None, limit: int = MAX_PAGE
    ) -> Sequence[InboxCommand]:
        check_limit(limit)
        return await self._now_open().pool.call(
            partial(reads.waiting_commands, owner=owner, limit=limit), changes=False
        )

    async def done(self, request_ids: Sequence[UUID]) -> None:
        opened = self._now_open()
        check_ids(request_ids)
        await opened.pool.call(partial(changing.finish_commands, request_ids=request_ids))
        await self._wake_others(opened)  # whoever has asked waits for that

    async def delete(self, ids: Sequence[UUID]) -> int:
        opened = self._now_open()
        check_ids(ids)
        return await opened.pool.call(partial(changing.delete, ids=ids))

    async def keep_order(self, order: Order) -> bool:
        opened = self._now_open()
        check_order(order)
        kept = await opened.pool.call(partial(changing.keep_order, order=order))
        await self._wake_others(opened)
        return kept

    async def orders(self, kind: str) -> Sequence[Order]:
        return await self._now_open().pool.call(partial(reads.orders, kind=kind), changes=False)

    async def drop_order(self, order_id: UUID) -> None:
        opened = self._now_open()
        await opened.pool.call(partial(changing.drop_order, order_id=order_id))
        await self._wake_others(opened)

    async def wait_for_change(self, seen: int, timeout_seconds: float) -> int:
        opened = self._now_open()
        if opened.listener.is_listening:
            mark = await self._changes.wait(seen, timeout_seconds)
        else:
            mark = await self._changes.wait(seen, min(timeout_seconds, POLL_SECONDS))
            if mark == seen and timeout_seconds >= POLL_SECONDS:
                # Nobody tells: those who wait look for themselves.
                self._changes.note_now()
                mark += 1
        self._now_open()
        return mark

    async def wait_for_end(self, saga_id: UUID, timeout_seconds: float) -> None:
        if not self._now_open().listener.is_listening:
            timeout_seconds = min(timeout_seconds, POLL_ENDS_SECONDS)
        await self._ends.wait(saga_id, timeout_seconds)
        self._now_open()

    async def begin(self) -> PostgresTransaction:
        opened = self._now_open()
        return await begin_in(
            opened.sessions, opened.pool, self._channel,
            self._address.timeout_seconds, self._address.lease_seconds,
        )  # fmt: skip

    async def _wake_others(self, opened: _Opened) -> None:
        """Tell of a change that somebody must act on, here and elsewhere."""
        self._changes.note_now()
        if opened.listener.is_listening:
            await opened.pool.call(partial(changing.tell, channel=self._channel))

    def _now_open(self) -> _Opened:
        if self._opened is None:
            raise StoreError(f"{self._address.shown}: this store is not open")
        return self._opened

    async def _definition(self, opened: _Opened, saga: NewSaga) -> int:
        which = (saga.definition.fingerprint, saga.name)
        while True:
            key = self._definitions.get(which)
            if key is not None:
                return key
            in_hand = self._definitions_in_hand.get(which)
            if in_hand is not None:
                # Looked at again afterwards: who had it in hand may have been cancelled.
                await in_hand.wait()
                continue
            in_hand = self._definitions_in_hand[which] = asyncio.Event()
            try:
                key = await opened.pool.call(partial(changing.define, saga=saga))
                if len(self._definitions) >= MAX_KNOWN_DEFINITIONS:
                    self._definitions.clear()
                self._definitions[which] = key
                return key
            finally:
                del self._definitions_in_hand[which]
                in_hand.set()
