-- All that the store asks and tells PostgreSQL, by name. `sagacity.` stands for the schema
-- that the store's URL names. Each statement is a transaction by itself, except where
-- `begin` says otherwise: so a process that stops in the middle holds no lock.
--
-- Many rows come as columns, each the text of an array, and are joined by `unnest`: one
-- round trip, one plan, one commit, however many they are. What is long comes end to end,
-- as one value that is cut apart here. What comes back says which were written only if not
-- all were: nearly always that is one row.

-- name: begin
-- Not for long: a process that stops here holds the locks until the server sends it away.
BEGIN; SET LOCAL idle_in_transaction_session_timeout = '5s'

-- name: begin_for_user
-- What is done there is planned as the server would have it.
BEGIN; SET LOCAL idle_in_transaction_session_timeout = '60s';
SET LOCAL enable_seqscan TO DEFAULT; SET LOCAL enable_hashjoin TO DEFAULT;
SET LOCAL enable_mergejoin TO DEFAULT; SET LOCAL jit TO DEFAULT

-- name: hurry
-- Of a transaction that has the lock of a saga: who stands still in it keeps others out.
SELECT set_config('idle_in_transaction_session_timeout', $1, true)

-- name: lock_head
SELECT 1 FROM sagacity.head WHERE saga = $1 FOR UPDATE

-- name: commit
COMMIT

-- name: take_back
ROLLBACK

-- name: ping
SELECT 1

-- name: version
SELECT version FROM sagacity.schema_version WHERE one = 1

-- name: lock_version
-- A row lock, and not an advisory one: relatives of PostgreSQL do not all have those.
SELECT version FROM sagacity.schema_version WHERE one = 1 FOR UPDATE

-- name: set_version
UPDATE sagacity.schema_version SET version = $1

-- name: make_schema
CREATE SCHEMA IF NOT EXISTS sagacity

-- name: make_version
CREATE TABLE IF NOT EXISTS sagacity.schema_version (
    one integer PRIMARY KEY CHECK (one = 1), version integer NOT NULL
);

-- name: begin_version
INSERT INTO sagacity.schema_version (one, version) VALUES (1, 0) ON CONFLICT DO NOTHING

-- name: append
-- The fence is the lock of the UPDATE: an adoption at the same moment waits for it, or it
-- for the adoption, and then looks at the epoch again. A condition alone would let a
-- stale owner write, whose snapshot is older than the adoption.
WITH given AS (
    SELECT *, substring($11::bytea FROM start FOR size) AS record FROM unnest(
        $1::text::uuid[], $2::text::bigint[], $3::text::integer[], $4::text::integer[],
        $5::text::text[], $6::text::text[], $7::text::bigint[], $8::text::integer[],
        $9::text::integer[], $10::text::integer[]
    ) AS given (
        saga, epoch, expected, events, state, direction, at_ms, checksum, start, size
    )
), moved AS (
    UPDATE sagacity.head SET sequence = head.sequence + given.events, state = given.state,
        direction = given.direction, updated_ms = given.at_ms
    FROM given
    WHERE head.saga = given.saga AND head.epoch = given.epoch
        AND head.sequence = given.expected
    RETURNING head.saga, given.expected, given.events, given.checksum, given.at_ms, given.record
), written AS (
    INSERT INTO sagacity.log
        (saga, first_sequence, last_sequence, checksum, written_ms, record)
    SELECT saga, expected + 1, expected + events, checksum, at_ms, record
    FROM moved WHERE events > 0
)
SELECT count(*),
    CASE WHEN count(*) < $12::bigint THEN ARRAY(SELECT saga FROM moved) END,
    (SELECT count(pg_notify($13::text, told)) FROM unnest($14::text[]) AS told)
FROM moved

-- name: append_one
-- The same for one: a third of the time, which counts where sagas come one at a time. The
-- server says how many rows it has inserted.
WITH moved AS (
    UPDATE sagacity.head SET sequence = $3 + $4, state = $5, direction = $6, updated_ms = $7
    WHERE saga = $1 AND epoch = $2 AND sequence = $3
    RETURNING saga
)
INSERT INTO sagacity.log (saga, first_sequence, last_sequence, checksum, written_ms, record)
SELECT $1, $3 + 1, $3 + $4, $8, $7, $9 FROM moved

-- name: create
-- Refused are ids that are in use. (What would be refused for want of the definition is
-- an error of the foreign key.) Nearly always all are made, and nobody looks for those that
-- are; to join them would compare each with each.
WITH given AS (
    SELECT *,
        substring($18::bytea FROM start FOR l) AS labels,
        substring($18 FROM start + l FOR c) AS constants,
        substring($18 FROM start + l + c FOR p) AS params,
        substring($18 FROM start + l + c + p FOR r) AS record
    FROM unnest(
        $1::text::uuid[], $2::text::bigint[], $3::text::bigint[], $4::text::integer[],
        $5::text::integer[], $6::text::bigint[], $7::text::integer[], $8::text::text[],
        $9::text::text[], $10::text::text[], $11::text::integer[], $12::text::bigint[],
        $13::text::integer[], $14::text::integer[], $15::text::integer[],
        $16::text::integer[], $17::text::integer[]
    ) AS given (
        saga, definition, created_ms, priority, checksum, epoch, events, state, direction,
        owner, record_checksum, rank_ms, start, l, c, p, r
    )
), made AS (
    INSERT INTO sagacity.saga
        (id, definition, created_ms, priority, checksum, labels, constants, params)
    SELECT saga, definition, created_ms, priority, checksum, labels, constants, params
    FROM given
    ON CONFLICT DO NOTHING
    RETURNING id
), complete AS (
    SELECT count(*) = $19::bigint AS are_all FROM made
), headed AS (
    INSERT INTO sagacity.head
        (saga, epoch, rank_ms, definition, updated_ms, sequence, state, direction, owner)
    SELECT saga, epoch, rank_ms, definition, created_ms, events, state, direction, owner
    FROM given WHERE (SELECT are_all FROM complete) OR saga IN (SELECT id FROM made)
), written AS (
    INSERT INTO sagacity.log
        (saga, first_sequence, last_sequence, checksum, written_ms, record)
    SELECT saga, 1, events, record_checksum, created_ms, record
    FROM given WHERE (SELECT are_all FROM complete) OR saga IN (SELECT id FROM made)
), labelled AS (
    INSERT INTO sagacity.label (name, value, saga)
    SELECT each.key, each.value, saga
    FROM given, jsonb_each_text(convert_from(labels, 'UTF8')::jsonb) AS each
    WHERE labels <> '{}'
        AND ((SELECT are_all FROM complete) OR saga IN (SELECT id FROM made))
)
SELECT count(*),
    CASE WHEN count(*) < $19 THEN ARRAY(SELECT id FROM made) END,
    (SELECT count(pg_notify($20::text, told)) FROM unnest($21::text[]) AS told)
FROM made

-- name: create_one
-- The same for one without labels.
WITH made AS (
    INSERT INTO sagacity.saga
        (id, definition, created_ms, priority, checksum, labels, constants, params)
    VALUES ($1, $2, $3, $4, $5, $13, $14, $15)
    ON CONFLICT DO NOTHING
    RETURNING id
), headed AS (
    INSERT INTO sagacity.head
        (saga, epoch, rank_ms, definition, updated_ms, sequence, state, direction, owner)
    SELECT $1, $6, $12, $2, $3, $7, $8, $9, $10 FROM made
)
INSERT INTO sagacity.log (saga, first_sequence, last_sequence, checksum, written_ms, record)
SELECT $1, 1, $7, $11, $3, $16 FROM made

-- name: send
-- In the order of the calls; what comes back was not sent. Counting the inbox takes long
-- when it matters; the distance from the first to the last that waits is as good until
-- there are holes in it.
WITH given AS (
    SELECT *, substring($7::bytea FROM start FOR size) AS arguments FROM unnest(
        $1::text::uuid[], $2::text::uuid[], $3::text::text[], $4::text::bigint[],
        $5::text::integer[], $6::text::integer[]
    ) WITH ORDINALITY AS given (request, saga, verb, sent_ms, start, size, number)
), free AS (
    SELECT CASE
        WHEN (SELECT max(place) FROM sagacity.inbox WHERE NOT done)
            - (SELECT min(place) FROM sagacity.inbox WHERE NOT done)
            + $8::bigint < $9::bigint THEN $9::bigint
        ELSE $9::bigint - (SELECT count(*) FROM sagacity.inbox WHERE NOT done)
    END AS places
), fit AS (
    SELECT given.*, row_number() OVER (ORDER BY number) AS turn
    FROM given JOIN sagacity.head ON head.saga = given.saga
    WHERE NOT EXISTS (SELECT 1 FROM sagacity.inbox WHERE inbox.request = given.request)
), sent AS (
    INSERT INTO sagacity.inbox (request, saga, verb, arguments, sent_ms)
    SELECT request, saga, verb, arguments, sent_ms FROM fit, free
    WHERE turn <= places ORDER BY number
    ON CONFLICT DO NOTHING
    RETURNING request
)
SELECT given.request,
    EXISTS (SELECT 1 FROM sagacity.head WHERE head.saga = given.saga),
    EXISTS (SELECT 1 FROM sagacity.inbox WHERE inbox.request = given.request)
FROM given WHERE given.request NOT IN (SELECT request FROM sent)

-- name: tell
SELECT pg_notify($1::text, $2::text)

-- name: tell_all
SELECT count(pg_notify($1::text, told)) FROM unnest($2::text[]) AS told

-- name: define
WITH made AS (
    INSERT INTO sagacity.definition (fingerprint, name, document, checksum)
    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
    RETURNING key
)
SELECT key FROM made
UNION ALL
SELECT key FROM sagacity.definition WHERE fingerprint = $1 AND name = $2

-- name: name_and_params
SELECT definition.name, saga.params
FROM sagacity.saga JOIN sagacity.definition ON definition.key = saga.definition
WHERE saga.id = $1

-- name: record_at
-- Whether an append of unknown outcome has landed.
SELECT record FROM sagacity.log WHERE saga = $1 AND first_sequence = $2

-- name: summary_of
-- The same for a change of the summary alone.
SELECT epoch, sequence, state, updated_ms FROM sagacity.head WHERE saga = $1

-- name: shown
-- Heads of sagas; the rest of the query says which. LEFT JOIN: a saga whose other rows are
-- lost is damaged, which is not the same as not there.
SELECT head.saga, definition.name, definition.fingerprint, saga.labels, head.state,
    head.direction, head.sequence, head.owner, head.epoch, saga.created_ms,
    head.updated_ms, saga.priority
FROM sagacity.head
LEFT JOIN sagacity.saga ON saga.id = head.saga
LEFT JOIN sagacity.definition ON definition.key = saga.definition

-- name: of_one
WHERE head.saga = $1

-- name: of_these
WHERE head.saga = ANY ($1::uuid[])

-- name: of_mine
WHERE head.saga = ANY ($1::uuid[]) AND head.owner = $2
    AND head.state NOT IN ('succeeded', 'unwound', 'abandoned')
ORDER BY head.saga

-- name: of_newest
-- From the ends of an index that has all that is asked for: never through all of a name.
WHERE head.saga IN (
    SELECT newest.id FROM sagacity.definition, LATERAL (
        SELECT id FROM sagacity.saga WHERE saga.definition = definition.key
        ORDER BY id DESC LIMIT $2
    ) AS newest
    WHERE definition.name = $1
    ORDER BY newest.id DESC LIMIT $2
)
ORDER BY head.saga DESC

-- name: labelled
-- One condition of a list; the two values are put in.
head.saga IN (SELECT label.saga FROM sagacity.label WHERE label.name = {} AND value = {})

-- name: stored
-- Sagas whole: `shown` and what it leaves out; all together are of one moment.
SELECT definition.document, definition.checksum, saga.constants, saga.params, saga.checksum,
    lines.firsts, lines.checksums, lines.records, shown.*
FROM (shown) AS shown
LEFT JOIN sagacity.saga ON saga.id = shown.saga
LEFT JOIN sagacity.definition ON definition.key = saga.definition,
LATERAL (
    SELECT array_agg(first_sequence) AS firsts, array_agg(checksum) AS checksums,
        array_agg(record) AS records
    FROM (
        SELECT * FROM sagacity.log WHERE log.saga = shown.saga ORDER BY first_sequence
    ) AS line
) AS lines

-- name: owned
-- Whoever is still at the end of a transaction with these rows is waited for: a commit can
-- come late, long after its connection was given up.
SELECT saga, owner, epoch FROM sagacity.head WHERE saga = ANY ($1::uuid[])
ORDER BY saga FOR UPDATE

-- name: position
SELECT sequence, epoch FROM sagacity.head WHERE saga = $1

-- name: become
-- Nothing is returned when somebody of this name is alive, other than what this store
-- object was (or may be, of an attempt whose outcome is unknown).
INSERT INTO sagacity.coordinator (owner, epoch, lease_until)
VALUES (
    $1, nextval('sagacity.coordinator_epoch'),
    clock_timestamp() + make_interval(secs => $2)
)
ON CONFLICT (owner) DO UPDATE SET epoch = excluded.epoch, lease_until = excluded.lease_until
    WHERE coordinator.lease_until <= clock_timestamp() OR $3
RETURNING epoch

-- name: leave_to_others
-- What an earlier one of the same name left. Names are new with each start of a process,
-- so there is nothing, but if one is used again its sagas must not look as if driven.
UPDATE sagacity.head SET owner = ''
WHERE owner = $1 AND state NOT IN ('succeeded', 'unwound', 'abandoned') AND owner <> ''

-- name: renew
UPDATE sagacity.coordinator
SET lease_until = clock_timestamp() + make_interval(secs => $3)
WHERE owner = $1 AND epoch = $2
RETURNING true

-- name: retire
DELETE FROM sagacity.coordinator WHERE owner = $1 AND epoch = $2

-- name: coordinators
SELECT owner, epoch FROM sagacity.coordinator WHERE lease_until > clock_timestamp()
ORDER BY epoch

-- name: is_alive
SELECT EXISTS (
    SELECT 1 FROM sagacity.coordinator
    WHERE owner = $1 AND epoch = $2 AND lease_until > clock_timestamp()
)

-- name: ownerless
-- Owners of unfinished sagas that are not alive, and whether there are leases to end
-- first. Goes from owner to owner through the index, never through their sagas.
WITH RECURSIVE owners AS (
    (
        SELECT owner FROM sagacity.head
        WHERE state NOT IN ('succeeded', 'unwound', 'abandoned') ORDER BY owner LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT head.owner FROM sagacity.head
        WHERE head.owner > owners.owner
            AND state NOT IN ('succeeded', 'unwound', 'abandoned')
        ORDER BY head.owner LIMIT 1
    )
    FROM owners WHERE owners.owner IS NOT NULL
)
SELECT
    ARRAY(
        SELECT owner FROM owners
        WHERE owner IS NOT NULL
            AND NOT EXISTS (
                SELECT 1 FROM sagacity.coordinator WHERE coordinator.owner = owners.owner
            )
        LIMIT 10000
    ),
    EXISTS (SELECT 1 FROM sagacity.coordinator WHERE lease_until <= clock_timestamp()),
    EXISTS (
        SELECT 1 FROM sagacity.coordinator
        WHERE owner = $1 AND epoch = $2 AND lease_until > clock_timestamp()
    )

-- name: retire_the_dead
-- SKIP LOCKED: whoever is renewing just now is not dead.
DELETE FROM sagacity.coordinator WHERE owner IN (
    SELECT owner FROM sagacity.coordinator WHERE lease_until <= clock_timestamp()
    FOR UPDATE SKIP LOCKED
)

-- name: adopt
-- The owners that are dead are a fixed list, and not looked up here: a row that changes
-- while this waits is looked at again, but what it is compared with is not.
WITH chosen AS (
    SELECT head.saga
    FROM unnest($3::text[]) AS dead (owner), unnest($4::text[]) AS wanted (state), LATERAL (
        SELECT saga, rank_ms FROM sagacity.head
        WHERE head.owner = dead.owner AND head.state = wanted.state
            AND head.state NOT IN ('succeeded', 'unwound', 'abandoned')
            AND head.definition <> ALL (
                ARRAY(SELECT key FROM sagacity.definition WHERE fingerprint = ANY ($5::text[]))
            )
        ORDER BY rank_ms, saga LIMIT $6
        FOR UPDATE SKIP LOCKED
    ) AS head
    ORDER BY head.rank_ms, head.saga LIMIT $6
)
UPDATE sagacity.head SET owner = $1, epoch = greatest(head.epoch + 1, $2)
FROM chosen WHERE head.saga = chosen.saga
RETURNING head.saga, head.epoch

-- name: adopt_these
-- In the order of their ids, so that two who do this wait for each other and not both.
WITH chosen AS (
    SELECT saga FROM sagacity.head
    WHERE saga = ANY ($4::uuid[]) AND owner = ANY ($3::text[])
        AND state NOT IN ('succeeded', 'unwound', 'abandoned')
    ORDER BY saga FOR UPDATE
)
UPDATE sagacity.head SET owner = $1, epoch = greatest(head.epoch + 1, $2)
FROM chosen WHERE head.saga = chosen.saga
RETURNING head.saga, head.epoch

-- name: disown
UPDATE sagacity.head SET owner = ''
WHERE saga = ANY ($2::uuid[]) AND owner = $1
    AND state NOT IN ('succeeded', 'unwound', 'abandoned')

-- name: waiting_commands
SELECT request, saga, verb, arguments, sent_ms FROM sagacity.inbox
WHERE NOT done ORDER BY place LIMIT $1

-- name: own_waiting_commands
SELECT request, saga, verb, arguments, sent_ms FROM sagacity.inbox
WHERE NOT done AND NOT EXISTS (
    SELECT 1 FROM sagacity.head JOIN sagacity.coordinator ON coordinator.owner = head.owner
    WHERE head.saga = inbox.saga AND head.owner <> $2
        AND coordinator.lease_until > clock_timestamp()
)
ORDER BY place LIMIT $1

-- name: finish_commands
UPDATE sagacity.inbox SET done = true WHERE request = ANY ($1::uuid[]) AND NOT done

-- name: delete
SELECT sagacity.delete_sagas($1)

-- name: orders
SELECT id, kind, version, document, checksum FROM sagacity.person_order
WHERE kind = $1 ORDER BY id

-- name: insert_order
INSERT INTO sagacity.person_order (id, kind, version, document, checksum)
SELECT $1, $2, $3, $4, $5 WHERE (SELECT count(*) FROM sagacity.person_order) < $6
ON CONFLICT DO NOTHING
RETURNING true

-- name: order_at
SELECT version, kind, document FROM sagacity.person_order WHERE id = $1

-- name: replace_order
UPDATE sagacity.person_order SET document = $4, checksum = $5, version = $3
WHERE id = $1 AND kind = $2 AND version = $3 - 1
RETURNING true

-- name: drop_order
DELETE FROM sagacity.person_order WHERE id = $1

-- name: settings
SELECT name, setting FROM pg_settings
WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes')
