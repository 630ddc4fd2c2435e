-- What the store asks and tells SQLite, by name; pending.sql has the rest: creates,
-- appends and commands, of which there are many.
--
-- Where there may be many rows, each is a JSON text, and reads.py has SQLite join them
-- into one: for each row that SQLite hands over, the thread takes Python's lock anew,
-- and a busy event loop keeps that for 5 ms each time. Pragmas of a connection are in
-- connecting.py.

-- name: begin
BEGIN IMMEDIATE;

-- name: begin_reading
BEGIN;

-- name: commit
COMMIT;

-- name: take_back
ROLLBACK;

-- name: checkpoint
-- Moves what is committed from the write-ahead log into the file, waiting for nobody.
PRAGMA wal_checkpoint(PASSIVE);

-- name: data_version
-- Differs from before when another connection has changed the file.
PRAGMA data_version;

-- name: append_if_steady
-- What the trigger apply_append does (pending.sql), for an append that changes neither
-- state nor direction: most do not, and alone it takes two thirds of the time. Inserts
-- nothing when it is another case. The numbers are those of the columns of `pending`.
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
-- The same for a change of the summary alone.
SELECT state, direction, updated_ms FROM head WHERE saga = ?;

-- name: request_of
-- The same for a command.
SELECT 1 FROM inbox WHERE request = ?;

-- name: insert_definition
INSERT INTO definition (fingerprint, document, checksum) VALUES (?, ?, ?)
ON CONFLICT (fingerprint) DO NOTHING;

-- name: shown
-- Heads of sagas, each as a JSON text (shown.sql); the caller adds which.
SELECT row FROM shown

-- name: newest
-- From the end of an index that has all that is asked for: never through all of a name.
SELECT id FROM saga WHERE name = ? ORDER BY id DESC LIMIT ?;

-- name: stored
-- A saga whole: head, document, constants and params with their checksums, and the log.
SELECT row, document, document_checksum, constants, params, checksum, (
    SELECT '[' || group_concat(record_row) || ']' FROM (
        SELECT json_array(first_sequence, record, checksum) AS record_row
        FROM log WHERE log.saga = shown.saga
    )
)
FROM shown WHERE saga = ?;

-- name: records
-- The log, row by row: to say which record is damaged, when it is no JSON as a whole.
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

-- name: choose_adoptable
-- Sagas in a state that a coordinator drives, left by an earlier one or by nobody. What
-- is said twice of the state lets the partial index serve. LEFT JOIN: a damaged one too.
INSERT INTO chosen (saga) SELECT head.saga FROM head
LEFT JOIN saga ON saga.id = head.saga
LEFT JOIN definition ON definition.key = saga.definition
WHERE state IN ('queued', 'running', 'paused', 'waiting for code') AND epoch < ?1
    AND state <> 'succeeded'
    AND state IN (SELECT value FROM json_each(?2))
    AND ifnull(fingerprint, '') NOT IN (SELECT value FROM json_each(?3))
ORDER BY saga.created_ms - saga.priority * ?4, head.saga LIMIT ?5;

-- name: is_all_adopted
-- Asked often, and nearly always true. Not true for another epoch than the coordinator's:
-- then adopting has to say so.
SELECT EXISTS (SELECT 1 FROM coordinator WHERE epoch = ?1) AND NOT EXISTS (
    SELECT 1 FROM head
    WHERE state IN ('queued', 'running', 'paused', 'waiting for code') AND epoch < ?1
        AND state <> 'succeeded'
);

-- name: forget_final
-- CROSS JOIN: the ids that were chosen are looked up, and not all sagas gone through.
DELETE FROM chosen WHERE saga NOT IN (
    SELECT head.saga FROM chosen CROSS JOIN head ON head.saga = chosen.saga
    WHERE state NOT IN ('succeeded', 'unwound', 'abandoned')
);

-- name: forget_unfinished
DELETE FROM chosen WHERE saga NOT IN (
    SELECT head.saga FROM chosen CROSS JOIN head ON head.saga = chosen.saga
    WHERE state IN ('succeeded', 'unwound', 'abandoned')
);

-- name: adopt_chosen
UPDATE head SET owner = ?, epoch = ? WHERE saga IN (SELECT saga FROM chosen);

-- name: forget_chosen
DELETE FROM chosen;

-- name: waiting_commands
SELECT json_array(place, hex(request), hex(saga), verb, arguments, sent_ms) AS row
FROM inbox WHERE NOT done ORDER BY place LIMIT ?;

-- name: choose_definitions
INSERT OR IGNORE INTO chosen_definition (key)
SELECT definition FROM saga WHERE id IN (SELECT saga FROM chosen);

-- name: delete_log
DELETE FROM log WHERE saga IN (SELECT saga FROM chosen);

-- name: delete_commands
DELETE FROM inbox WHERE saga IN (SELECT saga FROM chosen);

-- name: delete_labels
-- By way of the sagas' own labels: there is no index of labels by saga.
DELETE FROM label WHERE (name, value, saga) IN (
    SELECT each.key, each.value, saga.id
    FROM saga JOIN json_each(
        CASE WHEN json_valid(saga.labels) THEN saga.labels ELSE '{}' END
    ) AS each
    WHERE saga.id IN (SELECT saga FROM chosen)
);

-- name: delete_heads
DELETE FROM head WHERE saga IN (SELECT saga FROM chosen);

-- name: delete_sagas
DELETE FROM saga WHERE id IN (SELECT saga FROM chosen);

-- name: delete_unused_definitions
DELETE FROM definition WHERE key IN (SELECT key FROM chosen_definition)
    AND NOT EXISTS (SELECT 1 FROM saga WHERE saga.definition = definition.key);

-- name: forget_definitions
DELETE FROM chosen_definition;

-- name: orders
SELECT json_array(hex(id), kind, version, document, checksum) AS row
FROM person_order WHERE kind = ? ORDER BY id;

-- name: count_orders
SELECT count(*) FROM person_order;

-- name: is_kept
SELECT 1 FROM person_order WHERE id = ?;

-- name: insert_order
INSERT INTO person_order (id, kind, version, document, checksum) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO NOTHING;

-- name: replace_order
UPDATE person_order SET document = ?4, checksum = ?5, version = ?3
WHERE id = ?1 AND kind = ?2 AND version = ?3 - 1;

-- name: drop_order
DELETE FROM person_order WHERE id = ?;
