"""Triggers that make the log tables append-only, and the function that writes a bundle.

They stop mistakes and the application's own bugs. An owner of the database can drop them, so the verifier never
relies on them. It reports missing and changed triggers (``audit.verification.database.schema``). Django rebuilds a
SQLite table when a later migration alters it, and its triggers are lost: such a migration must install them again.
"""

from collections.abc import Collection, Iterable

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from kernel.freshness.epoch import LOCK

# A replacing INSERT would delete the old row without firing SQLite's DELETE trigger. These columns make a row
# unique.
_UNIQUE_COLUMNS = {
    "audit_logs": (("id",), ("writer", "wseq")),
    "audit_trail": (("id",),),
    "audit_leaves": (("idx",), ("log_id",)),
    "audit_checkpoints": (("size",),),
}
# A signed checkpoint never changes, but older ones of an hour may be deleted: the newest covers their content.
_DELETABLE = {"audit_checkpoints"}

_REFUSE = """
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END """
_POSTGRESQL_FUNCTION = f"""
CREATE OR REPLACE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS $${_REFUSE}$$
"""
# The archive removes successful operations of a segment. A row of ``audit_removals``, which no other session sees, permits it.
_IS_REMOVABLE = """substr(OLD.action, 1, 7) = 'crypto.' AND OLD.outcome = 'ok' AND EXISTS (
    SELECT 1 FROM audit_removals r JOIN audit_segments s ON s.number = r.segment
    WHERE OLD.id >= s.first_id AND OLD.id <= s.last_id
)"""
_REFUSE_REMOVAL = f"""
BEGIN
    IF {_IS_REMOVABLE} THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'audit_logs is append-only: DELETE is refused' USING ERRCODE = 'restrict_violation';
END """
_POSTGRESQL_REMOVAL = (
    f"CREATE FUNCTION refuse_removal_of_entry() RETURNS trigger LANGUAGE plpgsql AS $${_REFUSE_REMOVAL}$$",
    """
CREATE TRIGGER audit_logs_removal BEFORE DELETE ON audit_logs
FOR EACH ROW EXECUTE FUNCTION refuse_removal_of_entry()
""",
)
# Per statement, because TRUNCATE has no rows.
_POSTGRESQL_TRIGGER = """
CREATE TRIGGER {table}_append_only BEFORE {operations} ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_log()
"""
_SQLITE_TRIGGER = """
CREATE TRIGGER {table}_no_{operation} BEFORE {operation} ON {table} {condition}
BEGIN SELECT RAISE(ABORT, '{table} is append-only: {refused} is refused'); END
"""

_SQLITE_REMOVAL = ("DELETE", f"WHEN NOT ({_IS_REMOVABLE})", "DELETE")

# A process of an earlier version writes rows itself, without ids. PostgreSQL's column has no default. SQLite would number
# the row, and has -1 as its id before that.
_SQLITE_IDS = """
CREATE TRIGGER audit_logs_ids BEFORE INSERT ON audit_logs WHEN NEW.id = -1
BEGIN SELECT RAISE(ABORT, 'the sequencer assigns the ids of audit_logs'); END
"""

# The write of one bundle by the writer of an event loop, in one message. The comparison is a statement of its own, so its
# snapshot is newer than the lock: see kernel.freshness.epoch.lock_epoch. Only READ COMMITTED gives it one.
_WRITE_BUNDLE = f"""
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'write_bundle needs the isolation level READ COMMITTED';
    END IF;
    PERFORM pg_advisory_xact_lock_shared({LOCK});
    PERFORM 1 FROM security_epoch s WHERE s.id = 1 AND s.epoch = write_bundle.epoch
        AND clock_timestamp() >= write_bundle.at AND clock_timestamp() < write_bundle.until;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO audit_bundles (at, writer, first, entries, body, mac)
        VALUES (write_bundle.at, write_bundle.writer, write_bundle.first, write_bundle.entries, write_bundle.body,
            write_bundle.mac);
    RETURN (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
END """  # noqa: S608 - constants
_WRITE_BUNDLE_FUNCTION = f"""
CREATE FUNCTION write_bundle(epoch bigint, at timestamptz, until timestamptz, writer uuid, first bigint, entries integer,
    body bytea, mac text) RETURNS bigint LANGUAGE plpgsql AS $${_WRITE_BUNDLE}$$
"""


def install(schema_editor: BaseDatabaseSchemaEditor, *tables: str) -> None:
    """Reject UPDATE, DELETE and TRUNCATE (on SQLite also REPLACE) on the tables, except DELETE on ``_DELETABLE``."""
    _execute(schema_editor, _statements(schema_editor.connection.vendor, tables))


def remove(schema_editor: BaseDatabaseSchemaEditor, *tables: str) -> None:
    """Undo ``install``."""
    if schema_editor.connection.vendor == "postgresql":
        _execute(schema_editor, [f"DROP TRIGGER {table}_append_only ON {table}" for table in tables])
        return
    dropped = [f"{table}_no_{operation}" for table in tables for operation, *_ in _refused_by_sqlite(table)]
    _execute(schema_editor, [f"DROP TRIGGER {name}" for name in dropped])


def require_ids(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Refuse rows without an id. The schema editor must have removed PostgreSQL's default already."""
    if schema_editor.connection.vendor == "sqlite":
        _execute(schema_editor, [_SQLITE_IDS])


def permit_removal(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Permit the archive to delete rows of ``audit_logs``, after ``install`` for this table."""
    if schema_editor.connection.vendor == "postgresql":
        table, deletable = "audit_logs", {"audit_logs"}
        statements = [f"DROP TRIGGER {table}_append_only ON {table}", _postgresql_trigger(table, deletable)]
        _execute(schema_editor, [*statements, *_POSTGRESQL_REMOVAL])
    else:
        trigger = _sqlite_trigger("audit_logs", *_SQLITE_REMOVAL)
        _execute(schema_editor, ["DROP TRIGGER audit_logs_no_DELETE", trigger])


def refuse_removal(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Undo ``permit_removal``."""
    if schema_editor.connection.vendor == "postgresql":
        dropped = [
            "DROP TRIGGER audit_logs_append_only ON audit_logs",
            "DROP FUNCTION refuse_removal_of_entry() CASCADE",
        ]
        _execute(schema_editor, [*dropped, _postgresql_trigger("audit_logs")])
    else:
        trigger = _sqlite_trigger("audit_logs", "DELETE", "", "DELETE")
        _execute(schema_editor, ["DROP TRIGGER audit_logs_no_DELETE", trigger])


def create_write_bundle(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the function that writes a bundle, on PostgreSQL."""
    if schema_editor.connection.vendor == "postgresql":
        _execute(schema_editor, [_WRITE_BUNDLE_FUNCTION])


def _execute(schema_editor: BaseDatabaseSchemaEditor, statements: Iterable[str]) -> None:
    for statement in statements:
        schema_editor.execute(statement, params=None)


def _statements(vendor: str, tables: tuple[str, ...]) -> list[str]:
    if vendor == "postgresql":
        return [_POSTGRESQL_FUNCTION, *(_postgresql_trigger(table) for table in tables)]
    return [_sqlite_trigger(table, *refused) for table in tables for refused in _refused_by_sqlite(table)]


def _postgresql_trigger(table: str, deletable: Collection[str] = _DELETABLE) -> str:
    operations = "UPDATE OR TRUNCATE" if table in deletable else "DELETE OR UPDATE OR TRUNCATE"
    return _POSTGRESQL_TRIGGER.format(table=table, operations=operations)


def _sqlite_trigger(table: str, operation: str, condition: str, refused: str) -> str:
    return _SQLITE_TRIGGER.format(table=table, operation=operation, condition=condition, refused=refused)


def _refused_by_sqlite(table: str) -> list[tuple[str, str, str]]:
    """(operation, condition, word of the refusal) for each trigger of a table."""
    same = " OR ".join(
        "(" + " AND ".join(f"{column} = NEW.{column}" for column in columns) + ")"
        for columns in _UNIQUE_COLUMNS[table]
    )
    replaces = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 - constants of this module
    deletes = [] if table in _DELETABLE else [("DELETE", "", "DELETE")]
    return [("UPDATE", "", "UPDATE"), *deletes, ("INSERT", replaces, "REPLACE")]
