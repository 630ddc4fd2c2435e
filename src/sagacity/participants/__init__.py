"""For services at the other side of a saga's actions: what a late, repeated or stale request does.

A service gives each request a turn in its own transaction, with one of the tables below
(docs/participants.md). Knows nothing of the engine: a service needs no store and no saga.
"""

from sagacity.errors import RequestChanged, RequestRefused, RequestUnreadable, TokenStale
from sagacity.participants.requests import (
    FENCING_TOKEN,
    IDEMPOTENCY_KEY,
    MAX_KEY_CHARS,
    Keys,
    Level,
    Request,
    headers_for,
    read_request,
)
from sagacity.participants.tables import (
    ASYNCPG,
    MOST_FORGOTTEN,
    PSYCOPG,
    PSYCOPG_ASYNC,
    SQLITE,
    AsyncTable,
    Table,
)
from sagacity.participants.turns import MAX_ANSWER_BYTES, Turn, Verdict

__all__ = [
    "ASYNCPG",
    "FENCING_TOKEN",
    "IDEMPOTENCY_KEY",
    "MAX_ANSWER_BYTES",
    "MAX_KEY_CHARS",
    "MOST_FORGOTTEN",
    "PSYCOPG",
    "PSYCOPG_ASYNC",
    "SQLITE",
    "AsyncTable",
    "Keys",
    "Level",
    "Request",
    "RequestChanged",
    "RequestRefused",
    "RequestUnreadable",
    "Table",
    "TokenStale",
    "Turn",
    "Verdict",
    "headers_for",
    "read_request",
]
