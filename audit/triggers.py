"""Triggers that make the tables of the log append-only and tell the sequencer of new entries, on PostgreSQL and
on SQLite.

They stop mistakes and the application's own bugs; an owner of the database can drop them, so the verifier
never relies on them. Django rebuilds a table of SQLite when a later migration alters it, and its triggers are
lost then: such a migration installs them again.
"""

from collections.abc import Iterable

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# A replacing INSERT would delete the old row without firing the DELETE trigger of SQLite: named by what
# makes a row unique.
UNIQUE_COLUMNS = {
    "audit_logs": (("id",), ("writer", "wseq")),
    "audit_trail": (("id",),),
    "audit_leaves": (("idx",), ("log_id",)),
    "audit_checkpoints": (("size",),),
}
# A signed checkpoint is never changed, but the older ones of an hour may go: what they say the newest says, too.
DELETABLE = {"audit_checkpoints"}

POSTGRESQL_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$
"""
# Per statement, because TRUNCATE has no rows.
POSTGRESQL_TRIGGER = """
CREATE TRIGGER {table}_append_only BEFORE {operations} ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_log()
"""
SQLITE_TRIGGER = """
CREATE TRIGGER {table}_no_{operation} BEFORE {operation} ON {table} {condition}
BEGIN SELECT RAISE(ABORT, '{table} is append-only: {refused} is refused'); END
"""

# Per statement on PostgreSQL, so that COPY feeds it in one insert.
POSTGRESQL_FEED = (
    """
CREATE FUNCTION note_pending_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_pending (log_id) SELECT id FROM written;
    RETURN NULL;
END $$
""",
    """
CREATE TRIGGER audit_logs_pending AFTER INSERT ON audit_logs REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION note_pending_entries()
""",
)
SQLITE_FEED = (
    """
CREATE TRIGGER audit_logs_pending AFTER INSERT ON audit_logs
BEGIN INSERT INTO audit_pending (log_id) VALUES (NEW.id); END
""",
)


def install(schema_editor: BaseDatabaseSchemaEditor, *tables: str) -> None:
    """Refuse UPDATE, DELETE and TRUNCATE (on SQLite also REPLACE) on the tables, but DELETE on ``DELETABLE``."""
    _execute(schema_editor, _statements(schema_editor.connection.vendor, tables))


def remove(schema_editor: BaseDatabaseSchemaEditor, *tables: str) -> None:
    """Undo ``install``."""
    if schema_editor.connection.vendor == "postgresql":
        _execute(schema_editor, [f"DROP TRIGGER {table}_append_only ON {table}" for table in tables])
        return
    dropped = [f"{table}_no_{operation}" for table in tables for operation, *_ in _refused_by_sqlite(table)]
    _execute(schema_editor, [f"DROP TRIGGER {name}" for name in dropped])


def install_feed(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Note each new row of ``audit_logs`` in ``audit_pending``, in the transaction that inserts it."""
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    _execute(schema_editor, POSTGRESQL_FEED if is_postgresql else SQLITE_FEED)


def remove_feed(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Undo ``install_feed``."""
    if schema_editor.connection.vendor == "postgresql":
        _execute(schema_editor, ["DROP FUNCTION note_pending_entries() CASCADE"])
        return
    _execute(schema_editor, ["DROP TRIGGER audit_logs_pending"])


def _execute(schema_editor: BaseDatabaseSchemaEditor, statements: Iterable[str]) -> None:
    for statement in statements:
        schema_editor.execute(statement, params=None)


def _statements(vendor: str, tables: tuple[str, ...]) -> list[str]:
    if vendor == "postgresql":
        triggers = [
            POSTGRESQL_TRIGGER.format(
                table=table,
                operations="UPDATE OR TRUNCATE" if table in DELETABLE else "UPDATE OR DELETE OR TRUNCATE",
            )
            for table in tables
        ]
        return [POSTGRESQL_FUNCTION, *triggers]
    return [statement for table in tables for statement in _sqlite_statements(table)]


def _sqlite_statements(table: str) -> list[str]:
    return [
        SQLITE_TRIGGER.format(table=table, operation=operation, condition=condition, refused=refused)
        for operation, condition, refused in _refused_by_sqlite(table)
    ]


def _refused_by_sqlite(table: str) -> list[tuple[str, str, str]]:
    """The operation, a condition and the word of the refusal, for each trigger of a table."""
    same = " OR ".join(
        "(" + " AND ".join(f"{column} = NEW.{column}" for column in columns) + ")"
        for columns in UNIQUE_COLUMNS[table]
    )
    replaces = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 - constants of this module
    deletes = [] if table in DELETABLE else [("DELETE", "", "DELETE")]
    return [("UPDATE", "", "UPDATE"), *deletes, ("INSERT", replaces, "REPLACE")]
