-- The heads of sagas as `rows.py` reads them, for each connection; part of the program,
-- not of the file. LEFT JOIN: a saga whose other rows are lost is damaged, which is not
-- the same as not there.

CREATE TEMP VIEW shown AS
SELECT head.saga AS saga, head.state AS state, head.direction AS direction,
    saga.name AS name, saga.constants AS constants, saga.params AS params,
    saga.checksum AS checksum, definition.document AS document,
    definition.checksum AS document_checksum,
    json_array(
        hex(head.saga), saga.name, definition.fingerprint, saga.labels, head.state,
        head.direction, newest.last_sequence, head.owner, head.epoch, saga.created_ms,
        max(head.updated_ms, newest.written_ms), saga.priority
    ) AS row
FROM head
LEFT JOIN saga ON saga.id = head.saga
LEFT JOIN definition ON definition.key = saga.definition
LEFT JOIN log AS newest ON newest.saga = head.saga AND newest.first_sequence = (
    SELECT max(first_sequence) FROM log WHERE log.saga = head.saga
);
