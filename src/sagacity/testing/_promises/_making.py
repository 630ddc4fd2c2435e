"""What the promises are tried with: sagas, appends and commands in as few words as possible.

And the three ways to look at what came of it. They raise by themselves, because an
`assert` statement is not there under `python -O`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sagacity.core.agenda import Direction
from sagacity.core.definition import Definition
from sagacity.ports.store import Append, InboxCommand, NewSaga, Order, SagaStatus, Summary

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from sagacity.ports.store import SagaStore

RUNNING: Final = Summary(SagaStatus.RUNNING, Direction.FORWARD)
SUCCEEDED: Final = Summary(SagaStatus.SUCCEEDED, Direction.FORWARD)

AWKWARD: Final = (
    b'{"b" :1.0,"a": [1e400,-0,18446744073709551615]}',
    '"\u2028 \U0010ffff \uffff \u202e e\u0301 \U0001f468\u200d\U0001f469 \x7f"'.encode(),
    rb'"\u0000 \ud800 \" \\ \/ %s ? :a {} $1"',
    b"'; DROP TABLE saga; --",
    b"null",
)
"""Texts that a store might be tempted to read, normalise or quote; it must not."""


def saga_id(number: int) -> UUID:
    """Return an id; greater numbers give greater ids, in all 16 bytes."""
    return UUID(int=number << 100 | 7 << 76 | 0b10 << 62 | number)


def definition(name: str = "trip") -> Definition:
    return Definition(f"fingerprint of {name}", b'{"name":"%b"}' % name.encode())


def new_saga(
    number: int = 1,
    *,
    name: str = "trip",
    summary: Summary = RUNNING,
    labels: Mapping[str, str] | None = None,
    params: bytes = b'{"to":"Oslo"}',
    constants: bytes = b"[]",
    record: bytes = b'["created"]',
    owner: str = "",
    epoch: int = 0,
    priority: int = 0,
    created_ms: int | None = None,
) -> NewSaga:
    return NewSaga(
        id=saga_id(number),
        name=name,
        definition=definition(name),
        constants=constants,
        params=params,
        labels=labels or {},
        record=record,
        event_count=1,
        summary=summary,
        created_ms=1_000 + number if created_ms is None else created_ms,
        owner=owner,
        epoch=epoch,
        priority=priority,
    )


def append_to(
    number: int = 1,
    *,
    at: int = 1,
    events: int = 1,
    epoch: int = 0,
    summary: Summary = RUNNING,
    record: bytes = b'["started"]',
    updated_ms: int = 5_000,
) -> Append:
    return Append(
        saga_id=saga_id(number),
        epoch=epoch,
        expected_sequence=at,
        record=record,
        event_count=events,
        summary=summary,
        updated_ms=updated_ms,
    )


def command(
    request: int, number: int = 1, *, verb: str = "pause", arguments: bytes = b"{}"
) -> InboxCommand:
    return InboxCommand(
        request_id=saga_id(10_000 + request),
        saga_id=saga_id(number),
        verb=verb,
        arguments=arguments,
        sent_ms=7_000 + request,
    )


def order(
    number: int = 1, *, kind: str = "hold", version: int = 1, document: bytes = b"{}"
) -> Order:
    return Order(saga_id(20_000 + number), kind, version, document)


async def create_many(store: SagaStore, *sagas: NewSaga) -> None:
    """Create all at once, so that they may share durable writes."""
    results = await asyncio.gather(*(store.create(saga) for saga in sagas))
    equal(results, [None] * len(sagas), "what create returns for new ids")


async def has_one_coordinator(store: SagaStore) -> bool:
    """Whether the store takes one coordinator at a time, and none with a lease; one is made."""
    await store.acquire("the one who asks", wait=False)
    return await store.renew() is None


async def state_of(store: SagaStore, number: int = 1) -> Any:
    """Return all that the store knows of a saga, to see whether anything changed."""
    return await store.read(saga_id(number))


def equal(actual: object, expected: object, what: str) -> None:
    """Raise unless the two are equal."""
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r:.500} instead of {expected!r:.500}")


def holds(condition: bool, what: str) -> None:  # noqa: FBT001 - it is what is judged
    """Raise unless it holds."""
    if not condition:
        raise AssertionError(what)


async def refuses(
    kind: type[Exception], call: Awaitable[object], what: str, *naming: str
) -> Exception:
    """Return the error of a call; raise unless there is one of this kind, with these words."""
    try:
        result = await call
    except kind as error:
        for word in naming:
            holds(word in str(error), f'{what}: the text "{error}" does not name {word}')
        return error
    raise AssertionError(f"{what}: returned {result!r:.200} instead of raising {kind.__name__}")
