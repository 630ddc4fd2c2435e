"""Many writes in one statement, and what comes of each.

Creates, appends and commands each have one statement, which takes rows as columns: one
round trip and one commit for all. A write that is refused is one saga's trouble; the
others are written. `settle` is the statement alone, on whatever connection it is given:
within a transaction of somebody else's it is a part of that.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import Struct

from sagacity.ports.store import FINAL, MAX_INBOX, PRIORITY_MS, SagaStatus
from sagacity.stores.postgres.columns import columns_of, hex_of, pieces_of
from sagacity.stores.postgres.rows import labels_text, record_checksum, saga_checksum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagacity.core.values import Json
    from sagacity.ports.store import Append, InboxCommand, NewSaga
    from sagacity.stores.postgres.pool import Try

ENDED: Final = FINAL | {SagaStatus.STUCK}
"""States for which somebody may wait."""
MAX_PAYLOAD_BYTES: Final = 7_900
"""Of one notification; the server takes 8,000."""


class Kind(StrEnum):
    """Of writes; each is the name of its query."""

    APPEND = "append"
    CREATE = "create"
    SEND = "send"


class Verdict(StrEnum):
    """What comes of a write."""

    ACCEPTED = "accepted"
    NOT_CURRENT = "not current"
    NOT_NEW = "not new"
    NO_DEFINITION = "no definition"
    NO_SUCH_SAGA = "no such saga"
    SENT_BEFORE = "sent before"
    INBOX_FULL = "inbox full"


ONE_INSERTED: Final = "INSERT 0 1"
"""What the server says of a statement that has inserted one row."""
_APPEND: Final = Kind.APPEND  # looked up once, and not for each append
_RUNNING: Final = SagaStatus.RUNNING
REFUSED: Final = {Kind.APPEND: Verdict.NOT_CURRENT, Kind.CREATE: Verdict.NOT_NEW}


class Write(Struct, gc=False):
    """A row of a batch. No two of one batch have the same `key`."""

    kind: Kind
    key: int
    """Of the id of the saga, or of the request."""
    row: tuple[Any, ...]
    """Ids, numbers and words."""
    pieces: tuple[Json, ...]
    """What is long of the row."""
    size_bytes: int
    ends: bool = False
    """Whether somebody may wait for what it brings about."""
    wakes: bool = False
    """Whether some coordinator has to act on it."""
    is_simple: bool = False
    """Whether there is a statement for it alone: one row in each table, none in others."""
    in_doubt: bool = False
    """Whether an earlier try of it may have had its effect."""


Batch: TypeAlias = "Sequence[Write]"


def write_of_append(append: Append) -> Write:
    """Return what an append writes."""
    saga_id, sequence, record = append.saga_id, append.expected_sequence, append.record
    summary, key = append.summary, saga_id.int
    return Write(
        _APPEND,
        key,
        (
            saga_id,
            append.epoch,
            sequence,
            append.event_count,
            summary.state,
            summary.direction,
            append.updated_ms,
            record_checksum(key, sequence + 1, record),
        ),
        (record,),
        len(record),
        ends=summary.state is not _RUNNING and summary.state in ENDED,
        is_simple=append.event_count > 0,
    )


def write_of_create(saga: NewSaga, definition: int) -> Write:
    """Return what a create writes; `definition` is the key of the saga's definition."""
    labels = labels_text(saga.labels)
    return Write(
        Kind.CREATE,
        saga.id.int,
        (
            saga.id,
            definition,
            saga.created_ms,
            saga.priority,
            saga_checksum(labels, saga.constants, saga.params),
            saga.epoch,
            saga.event_count,
            saga.summary.state,
            saga.summary.direction,
            saga.owner,
            record_checksum(saga.id.int, 1, saga.record),
            saga.created_ms - saga.priority * PRIORITY_MS,
        ),
        (labels, saga.constants, saga.params, saga.record),
        len(saga.record) + len(saga.constants) + len(saga.params) + len(labels),
        ends=saga.summary.state is not _RUNNING and saga.summary.state in ENDED,
        wakes=not saga.owner,
        is_simple=not saga.labels,
    )


def write_of_command(command: InboxCommand) -> Write:
    """Return what a command writes."""
    request_id, arguments = command.request_id, command.arguments
    row = (request_id, command.saga_id, command.verb, command.sent_ms)
    return Write(Kind.SEND, request_id.int, row, (arguments,), len(arguments), wakes=True)


def values_of(batch: Batch) -> list[Any]:
    """Return the values that the statement of a batch begins with."""
    pieces = pieces_of([write.pieces for write in batch])
    return [*columns_of([write.row for write in batch]), *pieces, len(batch)]


async def settle(
    begun: Try, batch: Batch, channel: str, *, tells: bool = True
) -> Sequence[Verdict]:
    """Write all of one kind and return what came of each, in the same order.

    `tells`: others hear of it when it is committed; else the caller has to see to that.
    """
    kind = batch[0].kind
    payloads_told = told(batch) if tells else []
    if len(batch) == 1 and batch[0].is_simple and not payloads_told:
        done = await begun.status(f"{kind}_one", *batch[0].row, *batch[0].pieces)
        return [Verdict.ACCEPTED if done == ONE_INSERTED else REFUSED[kind]]
    values = values_of(batch)
    if kind is Kind.SEND:
        assert not tells
        refused = await begun.rows(kind, *values, MAX_INBOX)
        verdicts = {row[0].int: _verdict_of_unsent(row) for row in refused}
        return [verdicts.get(write.key, Verdict.ACCEPTED) for write in batch]
    ((count, done, _),) = await begun.rows(kind, *values, channel, payloads_told)
    if count == len(batch):
        return [Verdict.ACCEPTED] * len(batch)
    accepted = frozenset(saga_id.int for saga_id in done)
    return [Verdict.ACCEPTED if write.key in accepted else REFUSED[kind] for write in batch]


def told(batch: Batch) -> list[str]:
    """Return the notifications that go with a batch."""
    ended = [hex_of(write.key) for write in batch if write.ends]
    return payloads(ended, wakes=any(write.wakes for write in batch))


def payloads(ended: Sequence[str], *, wakes: bool) -> list[str]:
    """Return notifications: of the sagas that ended, and an empty one for coordinators."""
    step = MAX_PAYLOAD_BYTES // 33
    found = [",".join(ended[at : at + step]) for at in range(0, len(ended), step)]
    return [*found, ""] if wakes else found


def _verdict_of_unsent(row: Sequence[Any]) -> Verdict:
    _, known, there_before = row
    if there_before:
        return Verdict.SENT_BEFORE
    return Verdict.INBOX_FULL if known else Verdict.NO_SUCH_SAGA


async def has_landed(begun: Try, write: Write) -> bool:
    """Whether a write of unknown outcome that is refused now was ours, and is in."""
    match write.kind:
        case Kind.SEND:
            # Refused as sent before: by this very request.
            return True
        case Kind.CREATE:
            found = await begun.value("record_at", write.row[0], 1)
            return bool(found == write.pieces[-1])
        case Kind.APPEND:
            saga_id, epoch, sequence, events, state, _, at_ms, _ = write.row
            if events:
                found = await begun.value("record_at", saga_id, sequence + 1)
                return bool(found == write.pieces[-1])
            row = await begun.rows("summary_of", saga_id)
            return bool(row and tuple(row[0]) == (epoch, sequence, state, at_ms))
