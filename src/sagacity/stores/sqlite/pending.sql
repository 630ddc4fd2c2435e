-- What a writing connection makes for itself: part of the program, not of the file.
--
-- Creates, appends and commands are inserted into the view `pending`, many at a time, and
-- its triggers apply each row in the order of the calls. So a batch is one statement and,
-- in autocommit, one transaction: the thread that runs it gives up Python's lock once,
-- and not once for each row (docs/decisions/0003-sqlite-writer.md).
--
-- RAISE(ABORT) takes back the whole statement, and its text says why the row is refused;
-- batch.py then goes row by row. `changes()` is the number of rows that the statement
-- just before it changed.

CREATE TEMP VIEW pending AS
SELECT NULL AS kind, NULL AS saga, NULL AS epoch, NULL AS sequence, NULL AS events,
    NULL AS state, NULL AS direction, NULL AS at_ms, NULL AS record, NULL AS checksum,
    NULL AS name, NULL AS owner, NULL AS fingerprint, NULL AS constants, NULL AS params,
    NULL AS labels, NULL AS saga_checksum, NULL AS request, NULL AS max_inbox,
    NULL AS priority;

-- The fence is the condition of the insert. It is enough because SQLite lets one write
-- at a time: who may insert has the lock, and nobody changes the head before the end.
CREATE TEMP TRIGGER apply_append INSTEAD OF INSERT ON pending WHEN NEW.kind = 'append'
BEGIN
    INSERT INTO log (saga, first_sequence, last_sequence, written_ms, record, checksum)
    SELECT NEW.saga, NEW.sequence + 1, NEW.sequence + NEW.events, NEW.at_ms, NEW.record,
        NEW.checksum
    WHERE NEW.epoch = (SELECT epoch FROM head WHERE saga = NEW.saga)
        AND NEW.sequence = (
            SELECT last_sequence FROM log WHERE saga = NEW.saga
            ORDER BY first_sequence DESC LIMIT 1
        );
    SELECT RAISE(ABORT, 'not current') WHERE changes() = 0;

    UPDATE head SET state = NEW.state, direction = NEW.direction, updated_ms = NEW.at_ms
    WHERE saga = NEW.saga AND (state <> NEW.state OR direction <> NEW.direction);
END;

-- An append without events.
CREATE TEMP TRIGGER apply_summary INSTEAD OF INSERT ON pending WHEN NEW.kind = 'summary'
BEGIN
    UPDATE head SET state = NEW.state, direction = NEW.direction, updated_ms = NEW.at_ms
    WHERE saga = NEW.saga AND epoch = NEW.epoch
        AND NEW.sequence = (
            SELECT last_sequence FROM log WHERE saga = NEW.saga
            ORDER BY first_sequence DESC LIMIT 1
        );
    SELECT RAISE(ABORT, 'not current') WHERE changes() = 0;
END;

-- Refused when the id is in use, and when somebody deleted the definition meanwhile.
CREATE TEMP TRIGGER apply_create INSTEAD OF INSERT ON pending WHEN NEW.kind = 'create'
BEGIN
    INSERT INTO saga (
        id, name, definition, constants, params, labels, created_ms, checksum, priority
    )
    SELECT NEW.saga, NEW.name, key, NEW.constants, NEW.params, NEW.labels, NEW.at_ms,
        NEW.saga_checksum, NEW.priority
    FROM definition WHERE fingerprint = NEW.fingerprint
    ON CONFLICT DO NOTHING;
    SELECT RAISE(ABORT, 'not new') WHERE changes() = 0;

    INSERT INTO head (saga, epoch, owner, state, direction, updated_ms)
    VALUES (NEW.saga, NEW.epoch, NEW.owner, NEW.state, NEW.direction, NEW.at_ms);

    INSERT INTO log (saga, first_sequence, last_sequence, written_ms, record, checksum)
    VALUES (NEW.saga, 1, NEW.events, NEW.at_ms, NEW.record, NEW.checksum);

    INSERT INTO label (name, value, saga)
    SELECT key, value, NEW.saga FROM json_each(NEW.labels) WHERE NEW.labels <> '{}';
END;

-- Counting the inbox takes long when it matters; the distance from the first to the last
-- that waits is as good until there are holes in it.
CREATE TEMP TRIGGER apply_command INSTEAD OF INSERT ON pending WHEN NEW.kind = 'command'
BEGIN
    SELECT RAISE(ABORT, 'no such saga')
    WHERE NOT EXISTS (SELECT 1 FROM head WHERE saga = NEW.saga);
    SELECT RAISE(ABORT, 'sent before')
    WHERE EXISTS (SELECT 1 FROM inbox WHERE request = NEW.request);
    SELECT RAISE(ABORT, 'inbox full')
    WHERE (SELECT max(place) FROM inbox WHERE NOT done)
            - (SELECT min(place) FROM inbox WHERE NOT done) + 1 >= NEW.max_inbox
        AND (SELECT count(*) FROM inbox WHERE NOT done) >= NEW.max_inbox;

    INSERT INTO inbox (request, saga, verb, arguments, sent_ms)
    VALUES (NEW.request, NEW.saga, NEW.name, NEW.params, NEW.at_ms);
END;

-- The sagas that an operation is about, so that a page of them takes a few statements,
-- and their definitions.
CREATE TEMP TABLE chosen (saga BLOB NOT NULL PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE chosen_definition (key INTEGER PRIMARY KEY);
