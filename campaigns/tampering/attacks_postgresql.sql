-- schema: a trigger on bundles -- evil_bundles
CREATE FUNCTION evil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER evil_bundles BEFORE INSERT ON audit_bundles FOR EACH ROW EXECUTE FUNCTION evil();
-- schema: a constraint trigger -- evil_constraint
CREATE CONSTRAINT TRIGGER evil_constraint AFTER INSERT ON key_grants DEFERRABLE FOR EACH ROW EXECUTE FUNCTION evil();
-- schema: an append-only trigger disabled -- audit_logs_append_only
ALTER TABLE audit_logs DISABLE TRIGGER audit_logs_append_only;
-- schema: an append-only trigger for replicas only -- audit_trail_append_only
ALTER TABLE audit_trail ENABLE REPLICA TRIGGER audit_trail_append_only;
-- schema: a rule -- evil_rule
CREATE RULE evil_rule AS ON DELETE TO notifications DO INSTEAD NOTHING;
-- schema: row security without a policy -- table audit_trail
ALTER TABLE audit_trail ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
-- schema: a view in place of a table -- table audit_saved_filters
ALTER TABLE audit_saved_filters RENAME TO evil_filters;
CREATE VIEW audit_saved_filters AS SELECT * FROM evil_filters WHERE name <> 'refusals';
-- schema: a table without a write-ahead log -- table usage_days
ALTER TABLE usage_days SET UNLOGGED;
-- schema: a child table -- evil_child
CREATE TABLE evil_child () INHERITS (usage_rollups);
-- schema: a check dropped -- users_role_is_known
ALTER TABLE users DROP CONSTRAINT users_role_is_known;
-- schema: a check that counts for new rows only -- key_versions_number_from_one
ALTER TABLE key_versions DROP CONSTRAINT key_versions_number_from_one, ADD CONSTRAINT key_versions_number_from_one CHECK (version >= 1) NOT VALID;
-- schema: a unique constraint dropped -- recovery_code_once_per_device
ALTER TABLE recovery_codes DROP CONSTRAINT recovery_code_once_per_device;
-- schema: a foreign key dropped -- of token_families
DO $$ BEGIN EXECUTE (SELECT 'ALTER TABLE token_families DROP CONSTRAINT ' || conname FROM pg_constraint WHERE conrelid = 'token_families'::regclass AND contype = 'f'); END $$;
-- schema: a foreign key of a table of others -- evil_reference
CREATE TABLE evil_reference (id uuid REFERENCES key_grants ON DELETE CASCADE);
-- schema: NOT NULL dropped -- column wrapped of key_versions
ALTER TABLE key_versions ALTER wrapped DROP NOT NULL;
-- schema: another type of a column -- column account of login_attempts
ALTER TABLE login_attempts ALTER account TYPE text;
-- schema: another collation -- column name of encryption_policies
ALTER TABLE encryption_policies ALTER name TYPE varchar(64) COLLATE "C";
-- schema: a generated column -- column evil of webhooks
ALTER TABLE webhooks ADD evil text GENERATED ALWAYS AS (url) STORED;
-- schema: a default -- column networks of key_grants
ALTER TABLE key_grants ALTER networks SET DEFAULT '[]';
-- schema: an identity that is always generated -- column id of audit_trail
ALTER TABLE audit_trail ALTER id SET GENERATED ALWAYS;
-- schema: ids that go in steps -- audit_bundles_id_seq
ALTER SEQUENCE audit_bundles_id_seq INCREMENT BY 1000;
-- schema: a partial index -- evil_partial
CREATE UNIQUE INDEX evil_partial ON webhooks (url) WHERE is_active;
-- schema: an invalid index of ours -- idx_usage_rollups_key
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_usage_rollups_key'::regclass;
-- schema: an index that is not kept up -- idx_usage_rollups_hour
UPDATE pg_index SET indisready = false, indisvalid = false WHERE indexrelid = 'idx_usage_rollups_hour'::regclass;
-- schema: an index of ours with another predicate -- idx_key_grants_tag
DROP INDEX idx_key_grants_tag;
CREATE INDEX idx_key_grants_tag ON key_grants (tag) WHERE tag = 'evil';
-- schema: an index on a function -- evil_expression
CREATE FUNCTION evil_text(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE INDEX evil_expression ON service_tokens (evil_text(name));
-- schema: statistics on a function -- evil_statistics
CREATE STATISTICS evil_statistics ON (evil_text(username)), role FROM users;
-- schema: a function in place of one of the database -- function replace
CREATE FUNCTION replace(varchar, text, text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT pg_catalog.replace($1::text, $2, $3)';
-- schema: an aggregate in place of one of the database -- function max
CREATE FUNCTION evil_larger(varchar, varchar) RETURNS varchar LANGUAGE sql IMMUTABLE AS 'SELECT $2';
CREATE AGGREGATE max(varchar) (SFUNC = evil_larger, STYPE = varchar);
-- schema: an operator in place of one of the database -- operator <>
CREATE FUNCTION evil_differs(varchar, varchar) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1::text <> $2::text';
CREATE OPERATOR <> (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = evil_differs);
-- schema: a cast -- cast boolean to bigint
CREATE FUNCTION evil_cast(boolean) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 7::bigint';
CREATE CAST (boolean AS bigint) WITH FUNCTION evil_cast(boolean);
-- schema: a cast that is hidden in an extension -- cast date to bigint
CREATE EXTENSION IF NOT EXISTS citext;
CREATE FUNCTION evil_hidden(date) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 7::bigint';
CREATE CAST (date AS bigint) WITH FUNCTION evil_hidden(date);
ALTER EXTENSION citext ADD CAST (date AS bigint);
-- schema: a default operator class -- evil_class -- create event triggers and default operator classes
CREATE OPERATOR CLASS evil_class DEFAULT FOR TYPE varchar USING hash AS OPERATOR 1 = (text, text), FUNCTION 1 hashtext(text);
-- schema: a function of ours replaced -- function refuse_change_of_log
CREATE OR REPLACE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
-- schema: a function of ours with a setting -- function refuse_removal_of_entry
ALTER FUNCTION refuse_removal_of_entry() SET search_path = evil, public;
-- schema: another function of the name of ours -- function write_bundle\(text
CREATE FUNCTION write_bundle(text) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
-- schema: a trigger on changes of the schema -- evil_ddl -- create event triggers and default operator classes
CREATE FUNCTION evil_event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER evil_ddl ON ddl_command_end EXECUTE FUNCTION evil_event();
-- schema: a trigger at the start of sessions -- evil_login
CREATE EVENT TRIGGER evil_login ON login EXECUTE FUNCTION evil_event();
-- schema: a temporary table of the same name -- table audit_exports
CREATE TEMPORARY TABLE audit_exports (LIKE public.audit_exports);
-- schema: a table dropped -- django_admin_log
DROP TABLE django_admin_log;
-- settings: a search path with an empty schema -- search_path -- let a session of the server begin while the role has another `search_path`
CREATE SCHEMA evil_schema;
ALTER DATABASE {database} SET search_path = evil_schema, public;
-- settings: sessions are those of a replica -- session_replication_role
ALTER DATABASE {database} SET session_replication_role = 'replica';
-- settings: another isolation -- default_transaction_isolation
ALTER DATABASE {database} SET default_transaction_isolation = 'serializable';
-- settings: another time zone -- TimeZone
ALTER DATABASE {database} SET TimeZone = 'Asia/Tokyo';
-- settings: row security off -- row_security
ALTER DATABASE {database} SET row_security = 'off';
-- settings: another style of dates -- DateStyle
ALTER DATABASE {database} SET DateStyle = 'German';
-- settings: another style of intervals -- IntervalStyle
ALTER DATABASE {database} SET IntervalStyle = 'iso_8601';
-- settings: another output of bytes -- bytea_output
ALTER DATABASE {database} SET bytea_output = 'escape';
-- settings: commits do not wait for the disk -- synchronous_commit
ALTER DATABASE {database} SET synchronous_commit = 'off';
-- settings: comparisons with NULL are true -- transform_null_equals
ALTER DATABASE {database} SET transform_null_equals = 'on';
-- settings: backslashes in texts -- standard_conforming_strings
ALTER DATABASE {database} SET standard_conforming_strings = 'off';
-- settings: fewer digits of numbers -- extra_float_digits
ALTER DATABASE {database} SET extra_float_digits = '-5';
-- settings: another encoding -- client_encoding
ALTER DATABASE {database} SET client_encoding = 'LATIN1';
