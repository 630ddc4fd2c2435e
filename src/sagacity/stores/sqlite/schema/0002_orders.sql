-- What people ask of many sagas at once: few rows, each replaced as a whole. The version
-- counts the writes of one, so that of two who change it at one time only one does. The
-- checksum is the CRC-32 of the document.

CREATE TABLE person_order (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    kind TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    document TEXT NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
