-- What the store asks and tells SQLite, by name; pending.sql has the rest: creates and
-- appends, of which there are many. Pragmas and transactions are in the code.

-- name: begin
BEGIN IMMEDIATE;

-- name: commit
COMMIT;

-- name: take_back
ROLLBACK;

-- name: begin_reading
BEGIN;

-- name: checkpoint
-- Moves what is committed from the write-ahead log into the file, waiting for nobody.
PRAGMA wal_checkpoint(PASSIVE);

-- name: data_version
-- Differs from before when another connection has changed the file.
PRAGMA data_version;

-- name: append_if_steady
-- What the trigger apply_append does (pending.sql), for the append that changes neither
-- state nor direction: most do not, and alone it takes two thirds of the time. Inserts
-- nothing when it is another case; the numbers are those of the columns of pending.
INSERT INTO log (saga, first_sequence, last_sequence, written_ms, record, checksum)
SELECT ?2, ?4 + 1, ?4 + ?5, ?8, ?9, ?10 FROM head
WHERE saga = ?2 AND epoch = ?3 AND state = ?6 AND direction = ?7
    AND ?4 = (
        SELECT last_sequence FROM log WHERE saga = ?2 ORDER BY first_sequence DESC LIMIT 1
    );

-- name: record_at
-- Whether an append of unknown outcome has landed.
SELECT record FROM log WHERE saga = ? AND first_sequence = ?;

-- name: summary_of
-- Whether a change of the summary alone has landed.
SELECT state, direction, updated_ms FROM head WHERE saga = ?;

-- name: insert_definition
INSERT INTO definition (fingerprint, document, checksum) VALUES (?, ?, ?)
ON CONFLICT (fingerprint) DO NOTHING;

-- name: heads
-- The heads of sagas; the caller adds which. LEFT JOIN: a saga whose other rows are lost
-- is damaged, which is not the same as not there.
SELECT head.saga, saga.name, definition.fingerprint, saga.labels, head.state,
    head.direction, newest.last_sequence, head.owner, head.epoch, saga.created_ms,
    max(head.updated_ms, newest.written_ms)
FROM head
LEFT JOIN saga ON saga.id = head.saga
LEFT JOIN definition ON definition.key = saga.definition
LEFT JOIN log AS newest ON newest.saga = head.saga AND newest.first_sequence = (
    SELECT max(first_sequence) FROM log WHERE saga = head.saga
)

-- name: body
SELECT definition.document, definition.checksum, saga.constants, saga.params, saga.checksum
FROM saga LEFT JOIN definition ON definition.key = saga.definition WHERE saga.id = ?;

-- name: records
SELECT first_sequence, record, checksum FROM log WHERE saga = ? ORDER BY first_sequence;

-- name: position
SELECT (
    SELECT last_sequence FROM log WHERE saga = head.saga ORDER BY first_sequence DESC LIMIT 1
), epoch
FROM head WHERE saga = ?;

-- name: coordinator
SELECT epoch, owner FROM coordinator;

-- name: begin_epoch
UPDATE coordinator SET epoch = epoch + 1, owner = ?;

-- name: adoptable
-- Sagas in a state that a coordinator drives, left by an earlier one or by nobody. The
-- last condition says what follows from the first, so that the partial index can serve.
SELECT saga FROM head
WHERE state IN ('queued', 'running', 'paused', 'waiting for code') AND epoch < ?
    AND state <> 'succeeded'
ORDER BY saga LIMIT ?;

-- name: adopt_if_unfinished
UPDATE head SET owner = ?, epoch = ?
WHERE saga = ? AND state NOT IN ('succeeded', 'unwound', 'abandoned');

-- name: inbox_span
-- An upper bound of the commands that wait, without counting them.
SELECT coalesce(max(place) - min(place) + 1, 0) FROM (
    SELECT (SELECT min(place) FROM inbox WHERE NOT done) AS place
    UNION ALL SELECT (SELECT max(place) FROM inbox WHERE NOT done)
);

-- name: inbox_count
SELECT count(*) FROM inbox WHERE NOT done;

-- name: command_sent
SELECT 1 FROM inbox WHERE request = ?;

-- name: insert_command
INSERT INTO inbox (request, saga, verb, arguments, sent_ms) VALUES (?, ?, ?, ?, ?);

-- name: waiting_commands
SELECT request, saga, verb, arguments, sent_ms FROM inbox WHERE NOT done
ORDER BY place LIMIT ?;

-- name: finish_command
UPDATE inbox SET done = 1 WHERE request = ? AND NOT done;

-- name: definition_if_final
SELECT saga.definition FROM head JOIN saga ON saga.id = head.saga
WHERE head.saga = ? AND head.state IN ('succeeded', 'unwound', 'abandoned');

-- name: delete_log
DELETE FROM log WHERE saga = ?;

-- name: delete_commands
DELETE FROM inbox WHERE saga = ?;

-- name: delete_labels
-- By way of the saga's own labels: there is no index of labels by saga.
DELETE FROM label WHERE saga = ?1 AND (name, value) IN (
    SELECT key, value FROM json_each((SELECT labels FROM saga WHERE id = ?1))
);

-- name: delete_head
DELETE FROM head WHERE saga = ?;

-- name: delete_saga
DELETE FROM saga WHERE id = ?;

-- name: delete_definition_if_unused
DELETE FROM definition WHERE key = ?1
    AND NOT EXISTS (SELECT 1 FROM saga WHERE definition = ?1);
