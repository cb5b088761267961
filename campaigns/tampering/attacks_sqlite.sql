-- schema: a trigger on alarms -- evil_alarms
CREATE TRIGGER evil_alarms AFTER INSERT ON audit_alarms WHEN new.kind = 'never' BEGIN SELECT 1; END;
-- schema: a trigger that swallows deletions -- evil_swallow
CREATE TRIGGER evil_swallow BEFORE DELETE ON notifications BEGIN SELECT RAISE(IGNORE); END;
-- schema: a trigger on the heads -- evil_heads
CREATE TRIGGER evil_heads AFTER UPDATE ON state_heads WHEN new.id = 'never' BEGIN SELECT 1; END;
-- schema: the trigger of a table of the log dropped -- audit_trail
DROP TRIGGER audit_trail_no_delete;
-- schema: a view in place of a table -- table audit_saved_filters|view audit_saved_filters
ALTER TABLE audit_saved_filters RENAME TO evil_filters;
CREATE VIEW audit_saved_filters AS SELECT * FROM evil_filters WHERE name <> 'refusals';
-- schema: a unique index replaced by one that is not unique -- idx_usage_rollups_hour
DROP INDEX idx_usage_rollups_hour;
CREATE INDEX idx_usage_rollups_hour ON usage_rollups (hour DESC);
-- schema: a partial index -- evil_partial
CREATE UNIQUE INDEX evil_partial ON webhooks (url) WHERE is_active;
-- schema: an index on an expression -- evil_expression
CREATE INDEX evil_expression ON service_tokens (lower(name));
-- schema: a generated column -- table encryption_policies
ALTER TABLE encryption_policies ADD COLUMN evil text GENERATED ALWAYS AS (name) VIRTUAL;
-- schema: a column with a default -- table login_attempts
ALTER TABLE login_attempts ADD COLUMN evil integer DEFAULT 1;
-- schema: a table dropped -- django_admin_log
DROP TABLE django_admin_log;
-- schema: a check removed by hand -- table users
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(sql, 'CHECK ("role" IN (''admin'', ''operator'', ''developer'', ''auditor''))', 'CHECK (1)') WHERE name = 'users';
PRAGMA writable_schema = RESET;
-- schema: a collation added by hand -- table service_accounts
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(sql, '"role" varchar(20)', '"role" varchar(20) COLLATE NOCASE') WHERE name = 'service_accounts';
PRAGMA writable_schema = RESET;
-- schema: NOT NULL removed by hand -- table key_versions
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(sql, '"wrapped" BLOB NOT NULL', '"wrapped" BLOB') WHERE name = 'key_versions';
PRAGMA writable_schema = RESET;
-- schema: a foreign key removed by hand -- table token_families
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(sql, 'REFERENCES "users" ("id") DEFERRABLE INITIALLY DEFERRED', '') WHERE name = 'token_families';
PRAGMA writable_schema = RESET;
-- schema: a default altered by hand -- table usage_rollups
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(sql, 'DEFAULT ''user''', 'DEFAULT ''evil''') WHERE name = 'usage_rollups';
PRAGMA writable_schema = RESET;
-- schema: a definition stored as bytes -- table invitations
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = CAST(sql AS BLOB) WHERE name = 'invitations';
PRAGMA writable_schema = RESET;
-- schema: an index that reads the tree of an empty one -- idx_key_grants_principal|missing from index
CREATE TABLE evil_empty (a, b);
CREATE INDEX evil_index ON evil_empty (a, b);
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'evil_index') WHERE name = 'idx_key_grants_principal';
PRAGMA writable_schema = RESET;
-- schema: a table of others with a cascade from ours, and a trigger on it -- evil_cascade
CREATE TABLE evil_cascade (id REFERENCES audit_bundles (id) ON DELETE CASCADE);
WITH RECURSIVE ids (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids WHERE id < 9999) INSERT INTO evil_cascade SELECT id FROM ids;
CREATE TABLE evil_runs (id integer);
CREATE TRIGGER evil_cascades AFTER DELETE ON evil_cascade BEGIN INSERT INTO evil_runs VALUES (old.id); END;
-- schema: a trigger whose table has a name with a NUL in the catalog -- evil_nul
CREATE TABLE evil_nuls (id integer);
CREATE TRIGGER evil_nul AFTER INSERT ON audit_bundles BEGIN INSERT INTO evil_nuls VALUES (new.id); END;
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET tbl_name = tbl_name || char(0) || 'evil' WHERE name = 'evil_nul';
PRAGMA writable_schema = RESET;
-- schema: an empty index whose table has a name with a NUL in the catalog -- evil_hides
CREATE TABLE evil_tree (a integer);
CREATE INDEX evil_source ON evil_tree (a);
CREATE INDEX evil_hides ON token_last_uses (last_at);
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET tbl_name = tbl_name || char(0) || 'evil', rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'evil_source')
WHERE name = 'evil_hides';
PRAGMA writable_schema = RESET;
-- settings: the next ids of tables forgotten -- sqlite_sequence -- settings of the file that change no row
DELETE FROM sqlite_sequence;
-- settings: false statistics for the planner -- sqlite_stat1 -- settings of the file that change no row
ANALYZE;
UPDATE sqlite_stat1 SET stat = '1 1 1 1';
-- settings: another version of the user -- user_version -- settings of the file that change no row
PRAGMA user_version = 7;
-- settings: another application id -- application_id -- settings of the file that change no row
PRAGMA application_id = 7;
-- settings: freed pages are kept -- auto_vacuum -- settings of the file that change no row
PRAGMA secure_delete = OFF;
PRAGMA auto_vacuum = INCREMENTAL;
-- alone: a trigger under the name of another table by hand -- malformed|evil_moved
CREATE TRIGGER evil_moved AFTER DELETE ON key_grants BEGIN SELECT 1; END;
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET tbl_name = 'evil' WHERE name = 'evil_moved';
PRAGMA writable_schema = RESET;
-- alone: an older copy of a table in place of it by hand -- key_grants (has|lacks)|of key_grants (is|are)
PRAGMA writable_schema = ON;
CREATE TABLE evil_grants AS SELECT * FROM key_grants WHERE 0;
UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'evil_grants') WHERE name = 'key_grants' AND type = 'table';
PRAGMA writable_schema = RESET;
