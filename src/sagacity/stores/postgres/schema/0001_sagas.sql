-- Sagas, their logs, the inbox, orders, and coordinators.
--
-- `sagacity.` stands for the schema that the store's URL names. What never changes (saga,
-- definition, label) is apart from what changes with each append (head) and from what
-- only grows (log). JSON is bytea, because it is given back byte for byte: see it with
-- convert_from(record, 'UTF8'). A checksum is the CRC-32 of what a row must give back
-- (rows.py says of what exactly), as a signed number.
--
-- Few indexes and no foreign keys where rows are many: each is written to the write-ahead
-- log as the row is (docs/decisions/0010-postgres-driver.md has the figures).

-- Once for each name and fingerprint. The name is here and not in `saga`, so that an
-- index of a few bytes for each saga finds them by name.
CREATE TABLE sagacity.definition (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint text NOT NULL,
    name text NOT NULL,
    document bytea NOT NULL,
    checksum integer NOT NULL,
    UNIQUE (fingerprint, name)
);

-- The one foreign key among the many rows: a definition is not deleted while a saga that
-- uses it is being created.
CREATE TABLE sagacity.saga (
    id uuid PRIMARY KEY,
    definition bigint NOT NULL REFERENCES sagacity.definition (key),
    created_ms bigint NOT NULL,
    priority integer NOT NULL,
    checksum integer NOT NULL,
    labels bytea NOT NULL,
    constants bytea NOT NULL,
    params bytea NOT NULL
);

CREATE INDEX saga_by_definition ON sagacity.saga (definition, id);

-- The labels once more, to find sagas by; a saga without labels has no row here.
CREATE TABLE sagacity.label (
    name text NOT NULL,
    value text NOT NULL,
    saga uuid NOT NULL,
    PRIMARY KEY (name, value, saga)
);

-- Who owns the saga, how long its log is, and the summary. Updated with each append: that
-- is the fence, because it locks the row, so it must be cheap. There is room in the pages
-- and no index on what an append changes, except the last, which ends the saga.
CREATE TABLE sagacity.head (
    saga uuid PRIMARY KEY,
    epoch bigint NOT NULL,
    rank_ms bigint NOT NULL,
    definition bigint NOT NULL,
    updated_ms bigint NOT NULL,
    sequence integer NOT NULL CHECK (sequence > 0),
    state text NOT NULL,
    direction text NOT NULL,
    owner text NOT NULL
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);

-- For adopting: those of an owner in a state, in the order of their rank.
CREATE INDEX head_unfinished ON sagacity.head (owner, state, rank_ms, saga)
    WHERE state NOT IN ('succeeded', 'unwound', 'abandoned');

-- For people, who look for what went wrong; nearly all sagas succeed.
CREATE INDEX head_went_wrong ON sagacity.head (state, saga)
    WHERE state IN ('stuck', 'unwound', 'abandoned');

-- One row for each append: a record holds one event or several.
CREATE TABLE sagacity.log (
    saga uuid NOT NULL,
    first_sequence integer NOT NULL CHECK (first_sequence > 0),
    last_sequence integer NOT NULL CHECK (last_sequence >= first_sequence),
    checksum integer NOT NULL,
    written_ms bigint NOT NULL,
    record bytea NOT NULL,
    PRIMARY KEY (saga, first_sequence)
) WITH (autovacuum_vacuum_insert_scale_factor = 1);

-- What is done stays, so that its request is not done again, until its saga is deleted.
CREATE TABLE sagacity.inbox (
    place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request uuid NOT NULL UNIQUE,
    saga uuid NOT NULL,
    verb text NOT NULL,
    arguments bytea NOT NULL,
    sent_ms bigint NOT NULL,
    done boolean NOT NULL DEFAULT false
);

CREATE INDEX inbox_waiting ON sagacity.inbox (place) WHERE NOT done;
CREATE INDEX inbox_by_saga ON sagacity.inbox (saga);

-- What people ask of many sagas at once: few rows, each replaced as a whole.
CREATE TABLE sagacity.person_order (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    checksum integer NOT NULL,
    document bytea NOT NULL
);

-- A coordinator is alive while its row is here and its lease has not ended. Whoever takes
-- sagas of one whose lease has ended deletes the row first: so a renewal either comes
-- before that and holds, or finds itself retired. All by the clock of this server.
CREATE TABLE sagacity.coordinator (
    owner text PRIMARY KEY,
    epoch bigint NOT NULL UNIQUE,
    lease_until timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE SEQUENCE sagacity.coordinator_epoch;

-- Removes sagas in a final state, and no others. Runs with the rights of the owner of the
-- tables: the engine itself may neither change nor delete what is in the log.
CREATE FUNCTION sagacity.delete_sagas(ids uuid[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chosen uuid[];
    used bigint[];
BEGIN
    chosen := ARRAY(
        SELECT saga FROM sagacity.head
        WHERE saga = ANY (ids) AND state IN ('succeeded', 'unwound', 'abandoned')
        ORDER BY saga FOR UPDATE
    );
    used := ARRAY(SELECT DISTINCT definition FROM sagacity.saga WHERE id = ANY (chosen));
    DELETE FROM sagacity.log WHERE saga = ANY (chosen);
    DELETE FROM sagacity.inbox WHERE saga = ANY (chosen);
    DELETE FROM sagacity.label WHERE (name, value, saga) IN (
        SELECT each.key, each.value, saga.id
        FROM sagacity.saga, jsonb_each_text(convert_from(labels, 'UTF8')::jsonb) AS each
        WHERE saga.id = ANY (chosen) AND labels <> '{}'
    );
    DELETE FROM sagacity.head WHERE saga = ANY (chosen);
    DELETE FROM sagacity.saga WHERE id = ANY (chosen);
    DELETE FROM sagacity.definition WHERE key = ANY (used)
        AND NOT EXISTS (SELECT 1 FROM sagacity.saga WHERE saga.definition = definition.key);
    RETURN cardinality(chosen);
END
$$;

-- Functions are for everybody unless it is said.
REVOKE ALL ON FUNCTION sagacity.delete_sagas(uuid[]) FROM PUBLIC;
