"""The limits of the store port, checked alike by every store before it does anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagacity.ports.store import (
    DRIVEN,
    MAX_LABELS,
    MAX_NAME_CHARS,
    MAX_PAGE,
    MAX_TEXT_BYTES,
    MAX_UNFIT,
    MOST_PRIORITY,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sagacity.core.values import Json
    from sagacity.ports.store import (
        Append,
        InboxCommand,
        NewSaga,
        Order,
        SagaQuery,
        SagaStatus,
    )


def check_limit(limit: int) -> None:
    """Refuse a page that is empty or over `MAX_PAGE`."""
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"limit is {limit}, not within 1 .. {MAX_PAGE}")


def check_adoption(states: frozenset[SagaStatus], unfit: Sequence[str], limit: int) -> None:
    """Refuse states that nobody drives, too many definitions, or a page over the limit."""
    check_limit(limit)
    if not states <= DRIVEN:
        raise ValueError(f"nobody drives sagas that are {', '.join(sorted(states - DRIVEN))}")
    if len(unfit) > MAX_UNFIT:
        raise ValueError(f"{len(unfit)} definitions are over the limit of {MAX_UNFIT}")


def check_ids(ids: Sequence[UUID]) -> None:
    """Refuse more ids than a page holds."""
    if len(ids) > MAX_PAGE:
        raise ValueError(f"{len(ids)} ids are over the limit of {MAX_PAGE}")


def check_new(saga: NewSaga) -> None:
    """Refuse a saga without events, or with a part that is over the limit."""
    if saga.event_count < 1:
        raise ValueError(f"saga {saga.id} has no events: its first record holds `created`")
    check_name("name", saga.name)
    check_name("owner", saga.owner)
    if not -MOST_PRIORITY <= saga.priority <= MOST_PRIORITY:
        raise ValueError(f"priority {saga.priority} is not within +-{MOST_PRIORITY}")
    if saga.labels:
        check_labels(saga.labels)
    check_text("definition", saga.definition.document)
    check_text("constants", saga.constants)
    check_text("params", saga.params)
    check_text("record", saga.record)


def check_query(query: SagaQuery) -> None:
    """Refuse a query whose page or labels are over the limit."""
    check_limit(query.limit)
    check_labels(query.labels)


def check_labels(labels: Mapping[str, str]) -> None:
    """Refuse too many labels, or one that no database can hold."""
    if len(labels) > MAX_LABELS:
        raise ValueError(f"{len(labels)} labels are over the limit of {MAX_LABELS}")
    for label in labels.items():
        check_name("label", "=".join(label))


def check_append(append: Append) -> None:
    """Refuse a record that is over the limit, or a count that makes no sense."""
    if append.event_count < 0:
        raise ValueError(f"an append of {append.event_count} events")
    record = append.record
    if len(record) > MAX_TEXT_BYTES or not record.isascii():
        check_text("record", record)


def check_command(command: InboxCommand) -> None:
    """Refuse arguments that are over the limit."""
    check_text("arguments", command.arguments)


def check_order(order: Order) -> None:
    """Refuse an order with a version that makes no sense, or a part that is over the limit."""
    if order.version < 1:
        raise ValueError(f"version {order.version} of an order: they begin with 1")
    check_name("kind", order.kind)
    check_text("document", order.document)


def check_text(what: str, text: Json) -> None:
    """Refuse a text that is over `MAX_TEXT_BYTES`, or no UTF-8."""
    if len(text) > MAX_TEXT_BYTES:
        raise ValueError(f"{what} of {len(text):,} bytes is over the limit of {MAX_TEXT_BYTES:,}")
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"{what} is not UTF-8: {error}") from None


def check_name(what: str, name: str) -> None:
    """Refuse a name that no database can hold, or that is longer than anybody reads."""
    if len(name) > MAX_NAME_CHARS:
        raise ValueError(f"{what} of {len(name):,} characters is over {MAX_NAME_CHARS:,}")
    if "\0" in name or not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{what} with a lone surrogate: {name!r:.80}") from None
        if "\0" in name:
            raise ValueError(f"{what} with a NUL character: {name!r:.80}")
