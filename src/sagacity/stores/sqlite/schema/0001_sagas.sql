-- Sagas, their logs, and the inbox.
--
-- What never changes (saga, definition, label) is apart from what changes now and then
-- (head) and from what only grows (log). JSON is TEXT in UTF-8, so that the sqlite3
-- shell shows it and its JSON functions read it; ids are the 16 bytes of a UUID, and
-- sort as UUIDs do: hex(id) shows one. A checksum is the CRC-32 of what a row must give
-- back (rows.py says of what exactly): damage is noticed when the row is read.

CREATE TABLE definition (
    key INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;

-- Clustered by id, like head and log: what was created at one time is near together,
-- because the ids that the engine makes begin with the time.
CREATE TABLE saga (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT NOT NULL,
    definition INTEGER NOT NULL REFERENCES definition (key),
    constants TEXT NOT NULL,
    params TEXT NOT NULL,
    labels TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- With the definition, to tell without reading the sagas whether one is still in use.
CREATE INDEX saga_by_name ON saga (name, id, definition);

-- The labels once more, to find sagas by; a saga without labels has no row here.
CREATE TABLE label (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    saga BLOB NOT NULL REFERENCES saga (id),
    PRIMARY KEY (name, value, saga)
) STRICT, WITHOUT ROWID;

-- Who owns the saga, and the summary. The sequence is not here but in the log alone: an
-- append that leaves the summary as it is writes one page instead of two. So the time
-- is that of the last change of the summary, and the log may have a later one.
CREATE TABLE head (
    saga BLOB NOT NULL PRIMARY KEY REFERENCES saga (id),
    epoch INTEGER NOT NULL,
    owner TEXT NOT NULL,
    state TEXT NOT NULL,
    direction TEXT NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Small, because nearly all sagas succeed in the end. With the epoch, so that looking
-- for sagas to adopt costs nothing while all are driven by the one who looks.
CREATE INDEX head_by_state ON head (state, epoch) WHERE state <> 'succeeded';

-- One row for each append: a record holds one event or several.
CREATE TABLE log (
    saga BLOB NOT NULL REFERENCES saga (id),
    first_sequence INTEGER NOT NULL CHECK (first_sequence > 0),
    last_sequence INTEGER NOT NULL CHECK (last_sequence >= first_sequence),
    written_ms INTEGER NOT NULL,
    record TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (saga, first_sequence)
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: a place is never given twice, or a command could be taken before an
-- older one. What is done stays, so that its request is not done again, until its saga
-- is deleted.
CREATE TABLE inbox (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    request BLOB NOT NULL UNIQUE CHECK (length(request) = 16),
    saga BLOB NOT NULL REFERENCES saga (id),
    verb TEXT NOT NULL,
    arguments TEXT NOT NULL,
    sent_ms INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0 CHECK (done IN (0, 1))
) STRICT;

CREATE INDEX inbox_waiting ON inbox (place) WHERE NOT done;
CREATE INDEX inbox_by_saga ON inbox (saga);

-- The last coordinator: its epoch is greater than that of all before.
CREATE TABLE coordinator (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    epoch INTEGER NOT NULL,
    owner TEXT NOT NULL
) STRICT;

INSERT INTO coordinator (only, epoch, owner) VALUES (1, 0, '');
