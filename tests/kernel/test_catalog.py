"""The catalog of a database: each manipulation of its schema is a difference, and nothing else is.

The statements run in the transaction of the test, which both databases roll back.
"""

import pytest
from django.db import connection

from kernel.databases.catalog.comparing import catalog_file, expected_catalog, schema_differences
from kernel.databases.catalog.objects import decode, encode
from tests.catalogs import migrated_catalog

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

POSTGRESQL = {
    "DROP INDEX idx_audit_logs_timestamp": "the index idx_audit_logs_timestamp of audit_logs is missing",
    "DROP INDEX idx_audit_logs_actor;; CREATE INDEX idx_audit_logs_actor ON audit_logs (hashtextextended(actor_name, 0), id) "
    "WHERE actor_name <> 'mallory'": "the index idx_audit_logs_actor of audit_logs was altered: CREATE INDEX idx_audit_logs_actor",
    "CREATE INDEX added ON users (username)": "the index added of users is not the application's: CREATE INDEX added ON users",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_audit_logs_timestamp'::regclass": "the index idx_audit_logs_timestamp of audit_logs was altered: CREATE INDEX idx_audit_logs_timestamp ON audit_logs USING btree (\"timestamp\") WITH (fillfactor='100') invalid",
    "CREATE INDEX added ON users (username);; UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'added'::regclass": "the index added of users is not the application's: CREATE INDEX added ON users USING btree (username) invalid",
    'CREATE INDEX " idx_audit_logs_timestamp" ON audit_logs (user_agent)': "the index  idx_audit_logs_timestamp of audit_logs is not the application's",
    "CREATE POLICY hiding ON audit_logs USING (actor_name <> 'mallory')": "the policy hiding of audit_logs is not the application's: ((actor_name)::text <> 'mallory'::text)",
    "ALTER TABLE audit_logs ENABLE ROW LEVEL SECURITY": "the table audit_logs was altered: r p heap row security",
    "ALTER TABLE audit_logs FORCE ROW LEVEL SECURITY": "the table audit_logs was altered: r p heap forced",
    "ALTER TABLE audit_receipts SET UNLOGGED": "the table audit_receipts was altered: r u heap",
    "ALTER TABLE audit_receipts RENAME TO kept;; CREATE VIEW audit_receipts AS SELECT * FROM kept": "the table audit_receipts was altered: v p",
    "CREATE TEMPORARY TABLE users (id uuid)": "the table users was altered: r p heap, r t heap",
    "ALTER TABLE encryption_keys DROP CONSTRAINT encryption_keys_state_is_known": "the constraint encryption_keys_state_is_known of encryption_keys is missing",
    "ALTER TABLE key_versions DISABLE TRIGGER ALL": " disabled",
    "CREATE TABLE others (key_id uuid REFERENCES encryption_keys)": "the foreign key others_key_id_fkey of others of encryption_keys is not the application's: FOREIGN KEY",
    "ALTER TABLE users DROP COLUMN is_active;; ALTER TABLE users ADD COLUMN is_active boolean NOT NULL GENERATED ALWAYS AS (true) STORED": "the column is_active of users was altered: boolean not null generated s default true",
    "ALTER TABLE users ALTER is_active DROP NOT NULL": "the column is_active of users was altered: boolean",
    "ALTER TABLE users ALTER role SET DEFAULT 'admin'": "the column role of users was altered: character varying(20) not null default 'admin'::character varying",
    'ALTER TABLE users ALTER username TYPE varchar(64) COLLATE "C"': 'the column username of users was altered: character varying(64) collate "C" not null',
    "DROP TRIGGER audit_logs_removal ON audit_logs": "the trigger audit_logs_removal of audit_logs is missing",
    "ALTER TABLE audit_logs DISABLE TRIGGER audit_logs_removal": "the trigger audit_logs_removal of audit_logs was altered: CREATE TRIGGER audit_logs_removal BEFORE DELETE ON audit_logs FOR EACH ROW EXECUTE FUNCTION refuse_removal_of_entry() disabled",
    "ALTER TABLE audit_logs ENABLE REPLICA TRIGGER audit_logs_removal": "the trigger audit_logs_removal of audit_logs was altered: CREATE TRIGGER audit_logs_removal BEFORE DELETE ON audit_logs FOR EACH ROW EXECUTE FUNCTION refuse_removal_of_entry() disabled",
    "CREATE TRIGGER added BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()": "the trigger added of users is not the application's: CREATE TRIGGER added BEFORE UPDATE ON users",
    "CREATE OR REPLACE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'": "the function refuse_change_of_log() was altered: plpgsql trigger f v BEGIN RETURN NULL; END",
    "ALTER FUNCTION refuse_removal_of_entry() SET search_path = other": "the function refuse_removal_of_entry() was altered: plpgsql trigger f v {search_path=other} BEGIN",
    "ALTER FUNCTION refuse_removal_of_entry() SECURITY DEFINER": "the function refuse_removal_of_entry() was altered: plpgsql trigger f v security definer BEGIN",
    "CREATE RULE swallow AS ON INSERT TO audit_alarms DO INSTEAD NOTHING": "the rule swallow of audit_alarms is not the application's: CREATE RULE swallow AS ON INSERT TO audit_alarms DO INSTEAD NOTHING;",
    "CREATE TABLE more () INHERITS (users)": "the inheritance more from users of users is not the application's: ",
    "CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::text'": "the function lower(character varying) is not the application's: sql text f i character varying SELECT $1::text",
    "CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE sql STRICT AS 'SELECT $1::text'": "the function lower(character varying) is not the application's: sql text f v character varying strict SELECT $1::text",
    "ALTER FUNCTION refuse_change_of_log() RENAME TO away;; CREATE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN -- %\n RETURN NULL; END'": "the function refuse_change_of_log() was altered: plpgsql trigger f v",
    "CREATE FUNCTION differ(varchar, varchar) RETURNS boolean LANGUAGE sql AS 'SELECT false';; CREATE OPERATOR = (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = differ)": "the operator =(character varying,character varying) is not the application's: differ(character varying,character varying)",
    "ALTER SEQUENCE audit_bundles_id_seq INCREMENT BY 1000": "the sequence audit_bundles_id_seq of audit_bundles was altered: bigint 1 1000 1 9223372036854775807 f",
    "CREATE STATISTICS added ON (lower(username)), role FROM users": "the statistics added of users is not the application's: CREATE STATISTICS",
    "CREATE EXTENSION IF NOT EXISTS citext;; CREATE FUNCTION seven(date) RETURNS bigint LANGUAGE sql AS 'SELECT 7::bigint';; CREATE CAST (date AS bigint) WITH FUNCTION seven(date);; ALTER EXTENSION citext ADD CAST (date AS bigint)": "the cast date to bigint is not the application's: e seven(date)",
    "CREATE CAST (varchar AS bytea) WITHOUT FUNCTION": "the cast character varying to bytea is not the application's: e",
    "SET LOCAL session_replication_role = replica": "the setting session_replication_role was altered: replica",
    "SET LOCAL standard_conforming_strings = off": "the setting standard_conforming_strings was altered: off",
    "SET LOCAL gin_fuzzy_search_limit = 1": "the setting gin_fuzzy_search_limit was altered: 1",
    "SET LOCAL search_path = public, pg_catalog": "the setting search_path was altered: does not begin with pg_catalog",
}
SQLITE = {
    "DROP INDEX idx_audit_logs_timestamp": "the index idx_audit_logs_timestamp of audit_logs is missing",
    'DROP INDEX idx_audit_logs_actor;; CREATE INDEX "idx_audit_logs_actor" ON "audit_logs" ("actor_name", "id") '
    "WHERE actor_name <> 'mallory'": "the index idx_audit_logs_actor of audit_logs was altered: CREATE INDEX",
    "CREATE INDEX added ON users (username)": "the index added of users is not the application's: CREATE INDEX added ON users (username)",
    "DROP TRIGGER audit_logs_ids": "the trigger audit_logs_ids of audit_logs is missing",
    "CREATE TRIGGER swallow BEFORE INSERT ON audit_alarms BEGIN SELECT RAISE(IGNORE); END": "the trigger swallow of audit_alarms is not the application's: CREATE TRIGGER swallow BEFORE INSERT ON audit_alarms BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TRIGGER swallow BEFORE INSERT ON AUDIT_ALARMS BEGIN SELECT RAISE(IGNORE); END": "the trigger swallow of audit_alarms is not the application's",
    'CREATE TRIGGER " audit_logs_ids" BEFORE INSERT ON audit_logs BEGIN SELECT RAISE(IGNORE); END': "the trigger  audit_logs_ids of audit_logs is not the application's",
    'ALTER TABLE audit_receipts RENAME TO "kept\u00a0";; CREATE TABLE audit_receipts ("id" integer\u00a0NOT\u00a0NULL)': "the table audit_receipts was altered: CREATE TABLE",
    "DROP TABLE audit_receipts;; CREATE VIEW audit_receipts AS SELECT 1 AS id": "the view audit_receipts is not the application's: CREATE VIEW audit_receipts AS SELECT 1 AS id",
    "ALTER TABLE audit_receipts ADD COLUMN more integer": "the table audit_receipts was altered: CREATE TABLE",
    "CREATE TABLE evil (id integer REFERENCES Audit_Bundles (id) ON DELETE CASCADE)": "the foreign key evil of audit_bundles is not the application's: on delete CASCADE",
    "CREATE TRIGGER swallow BEFORE INSERT ON audit_alarms BEGIN SELECT RAISE(IGNORE); END;; PRAGMA writable_schema = ON;; "
    "UPDATE sqlite_master SET tbl_name = tbl_name || char(0) || 'x' WHERE name = 'swallow';; PRAGMA writable_schema = OFF": "the trigger swallow of audit_alarms is not the application's",
}
STATEMENTS = {"postgresql": POSTGRESQL, "sqlite": SQLITE}[connection.vendor]
UNUSED = "{};; UPDATE pg_index SET {} WHERE indexrelid = '{}'::regclass"
# Neither hides, adds nor changes a row of ours.
HARMLESS = {
    "postgresql": [
        "CREATE TABLE others (id integer PRIMARY KEY)",
        "CREATE FUNCTION report() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE EXTENSION amcheck",
        "CREATE EXTENSION citext",
        "CREATE STATISTICS others ON username, role FROM users",
        "DROP INDEX idx_users_fts",  # without pg_trgm it is not created
        "ALTER TABLE audit_logs SET (autovacuum_vacuum_scale_factor = 0.01)",
        UNUSED.format(
            "CREATE INDEX added ON users (username)", "indisvalid = false, indisready = false", "added"
        ),
        UNUSED.format(
            "CREATE INDEX a_ccnew ON audit_logs (timestamp) WITH (fillfactor = 100)",
            "indisvalid = false",
            "a_ccnew",
        ),
        "CREATE TYPE other AS (a integer);; CREATE FUNCTION lower(other) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'",
        "SET LOCAL quote_all_identifiers = on",
        "SET LOCAL search_path = pg_catalog, public",
    ],
    "sqlite": ["ANALYZE", "CREATE TABLE others (id integer UNIQUE)"],
}[connection.vendor]


def execute(statements):
    with connection.cursor() as cursor:
        for statement in statements.split(";;"):
            cursor.execute(statement)


def test_the_files_have_the_catalog_of_a_migrated_database():
    """After a change of migrations, run ``python -m tests.catalogs``."""
    assert migrated_catalog() == expected_catalog(connection.vendor)
    assert schema_differences() == []


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps the texts of its statements")
def test_a_schema_that_was_dumped_and_restored_has_no_difference():
    """PostgreSQL parses its own spelling again, and spells some of it in another way."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I %s', conrelid::regclass, conname, conname, "
            "pg_get_constraintdef(oid)) FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0"
        )
        checks = cursor.fetchall()
        cursor.execute(
            "SELECT format('DROP INDEX %s; %s', indexrelid::regclass, pg_get_indexdef(indexrelid)) FROM pg_index "
            "WHERE indpred IS NOT NULL AND indrelid >= 16384"
        )
        for (statement,) in [*checks, *cursor.fetchall()]:
            cursor.execute(statement)
    assert len(checks) > 100
    assert schema_differences() == []


@pytest.mark.parametrize("vendor", ["postgresql", "sqlite"])
def test_a_catalog_is_written_as_it_is_read(vendor):
    text = catalog_file(vendor).read_text()
    assert encode(decode(text)) == text


@pytest.mark.parametrize("statements", STATEMENTS)
def test_a_manipulation_is_a_difference(statements):
    execute(statements)
    found = schema_differences()
    assert [difference for difference in found if STATEMENTS[statements] in difference], found


FORGED_CATALOG = """
CREATE SCHEMA evil;
CREATE FUNCTION evil.current_schemas(boolean) RETURNS name[] LANGUAGE sql AS 'SELECT ARRAY[''pg_catalog'', ''public'']::name[]';
CREATE FUNCTION evil.pg_table_is_visible(oid) RETURNS boolean LANGUAGE sql AS
    'SELECT relnamespace = ''public''::regnamespace FROM pg_catalog.pg_class WHERE oid = $1';
CREATE VIEW evil.pg_policy AS SELECT * FROM pg_catalog.pg_policy WHERE false;
CREATE VIEW evil.users AS SELECT * FROM public.users WHERE username <> 'mallory';
CREATE POLICY hiding ON audit_logs USING (true)
"""


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no search path")
@pytest.mark.parametrize("path", ["evil, pg_catalog, public", "evil, public"])
def test_the_search_path_of_the_session_leads_to_no_forged_catalog(path):
    with connection.cursor() as cursor:
        cursor.execute(FORGED_CATALOG)
        cursor.execute(f"SET LOCAL search_path = {path}")
        found = " ".join(schema_differences())
        cursor.execute("SHOW search_path")
        assert cursor.fetchone() == (path,)
    assert "the policy hiding of audit_logs" in found
    assert (
        "the table users was altered: v p, r p heap" in found
        or "the table users was altered: r p heap, v p" in found
    )


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no search path")
def test_a_temporary_view_of_the_session_replaces_no_catalog():
    execute("CREATE TEMPORARY VIEW pg_policy AS SELECT * FROM pg_catalog.pg_policy WHERE false")
    execute("CREATE POLICY hiding ON audit_logs USING (true)")
    assert [found for found in schema_differences() if "hiding" in found]


def test_a_name_has_no_control_characters():
    execute('CREATE INDEX "a\x1b[2Jb" ON users (username)')
    [found] = schema_differences()
    assert "a\ufffd[2Jb" in found
    assert "\x1b" not in found


@pytest.mark.parametrize("statements", HARMLESS)
def test_a_change_without_an_effect_is_none(statements):
    execute(statements)
    assert schema_differences() == []
