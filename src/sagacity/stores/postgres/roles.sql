-- What each role needs, for whoever runs the database: `psql -f roles.sql`, as the role that
-- owns the schema, after that role has opened the store once. Repeat it after an upgrade.
--
--     CREATE ROLE sagacity_engine LOGIN PASSWORD '...';    -- workers, clients, the command line
--     CREATE ROLE sagacity_reader LOGIN PASSWORD '...';    -- whoever only looks
--
-- `sagacity` is the schema. The engine may add to the log, and neither change nor delete
-- what is in it, nor what sagas were created with; finished sagas are deleted by a function
-- that deletes nothing else.

GRANT USAGE ON SCHEMA sagacity TO sagacity_engine, sagacity_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA sagacity TO sagacity_engine, sagacity_reader;

GRANT INSERT ON
    sagacity.definition, sagacity.saga, sagacity.label, sagacity.head, sagacity.log,
    sagacity.inbox, sagacity.person_order, sagacity.coordinator
    TO sagacity_engine;
GRANT UPDATE (epoch, updated_ms, sequence, state, direction, owner) ON sagacity.head
    TO sagacity_engine;
GRANT UPDATE (done) ON sagacity.inbox TO sagacity_engine;
GRANT UPDATE, DELETE ON sagacity.person_order, sagacity.coordinator TO sagacity_engine;
GRANT USAGE ON SEQUENCE sagacity.coordinator_epoch TO sagacity_engine;
GRANT EXECUTE ON FUNCTION sagacity.delete_sagas(uuid[]) TO sagacity_engine;
