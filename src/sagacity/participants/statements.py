"""The table of a participant, and the statements that use it: all that a database must know.

One row for each effect, which its do and its undo share: that row is what a request locks,
so a do and its undo can never miss each other. Where a saga has a row with an empty effect,
it is the saga's highest token. Requests lock the saga's row before the effect's, all in
this order.

The statements are the same for SQLite (3.35 or newer) and PostgreSQL (at any isolation
level). `INSERT ... ON CONFLICT DO UPDATE` waits for another transaction that holds the row
and then sees what it committed; a condition without a lock would let both through.
"""

from __future__ import annotations

from typing import Final

_TABLE: Final = """\
CREATE TABLE IF NOT EXISTS saga_requests (
    saga        TEXT NOT NULL,
    effect      TEXT NOT NULL,               -- '': the row with the saga's highest token
    token       BIGINT,
    do_digest   TEXT,                        -- of the first do that came
    do_answer   TEXT,                        -- JSON; NULL: never carried out
    undo_digest TEXT,                        -- of the first undo; without a do, a tombstone
    undo_answer TEXT,
    held        SMALLINT NOT NULL DEFAULT 0, -- 1: done, and not undone
    seen_at     BIGINT NOT NULL DEFAULT ({now}),
    PRIMARY KEY (saga, effect)
)"""
_SECONDS_SQLITE: Final = "CAST(strftime('%s', 'now') AS INTEGER)"
_SECONDS_POSTGRESQL: Final = "CAST(extract(epoch FROM now()) AS BIGINT)"

TABLE_SQLITE: Final = _TABLE.format(now=_SECONDS_SQLITE)
TABLE_POSTGRESQL: Final = _TABLE.format(now=_SECONDS_POSTGRESQL)
INDEX: Final = "CREATE INDEX IF NOT EXISTS saga_requests_seen_at ON saga_requests (seen_at)"

FENCE: Final = """\
INSERT INTO saga_requests (saga, effect, token)
VALUES (:saga, '', :token)
ON CONFLICT (saga, effect) DO UPDATE
SET token = CASE WHEN saga_requests.token > excluded.token
                 THEN saga_requests.token ELSE excluded.token END,
    seen_at = excluded.seen_at
RETURNING token"""
"""Locks the saga, raises its highest token, and gives it: refuse whoever brought a lower one."""

ADMIT: Final = """\
INSERT INTO saga_requests (saga, effect, do_digest, undo_digest)
VALUES (:saga, :effect, :do_digest, :undo_digest)
ON CONFLICT (saga, effect) DO UPDATE
SET do_digest = coalesce(saga_requests.do_digest, excluded.do_digest),
    undo_digest = coalesce(saga_requests.undo_digest, excluded.undo_digest),
    seen_at = excluded.seen_at
RETURNING do_digest, do_answer, undo_digest, undo_answer, held"""
"""Locks the effect, notes that a do (or an undo) of it came, and gives all that is known of it."""

REMEMBER: Final = """\
UPDATE saga_requests
SET do_answer = coalesce(:do_answer, do_answer),
    undo_answer = coalesce(:undo_answer, undo_answer),
    held = :held
WHERE saga = :saga AND effect = :effect
RETURNING held"""
"""Keeps the answer, in the transaction that has had the effect."""

# The age is asked twice: PostgreSQL looks again at a row that it had to wait for, but does
# not run the subquery again, and would remove a row that was just used.
_FORGET: Final = """\
DELETE FROM saga_requests
WHERE seen_at < {now} - :seconds
    AND (saga, effect) IN (
        SELECT saga, effect FROM saga_requests
        WHERE seen_at < {now} - :seconds LIMIT :most
    )
RETURNING saga"""
FORGET_SQLITE: Final = _FORGET.format(now=_SECONDS_SQLITE)
FORGET_POSTGRESQL: Final = _FORGET.format(now=_SECONDS_POSTGRESQL)
