"""Triggers that make the log tables append-only and pass new entries to the sequencer, on PostgreSQL and SQLite.

They stop mistakes and the application's own bugs. An owner of the database can drop them, so the verifier never
relies on them. It reports missing and changed triggers. Django rebuilds a SQLite table when a later migration alters
it, and its triggers are lost: such a migration must install them again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# A replacing INSERT would delete the old row without firing SQLite's DELETE trigger. These columns make a row
# unique.
UNIQUE_COLUMNS = {
    "audit_logs": (("id",), ("writer", "wseq")),
    "audit_trail": (("id",),),
    "audit_leaves": (("idx",), ("log_id",)),
    "audit_checkpoints": (("size",),),
}
# A signed checkpoint never changes, but older ones of an hour may be deleted: the newest covers their content.
DELETABLE = {"audit_checkpoints"}

_REFUSE = """
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END """
POSTGRESQL_FUNCTION = f"""
CREATE OR REPLACE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS $${_REFUSE}$$
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

# Per statement on PostgreSQL, so that a COPY needs only one insert.
_FEED = """
BEGIN
    INSERT INTO audit_pending (log_id) SELECT id FROM written;
    RETURN NULL;
END """
POSTGRESQL_FEED = (
    f"""
CREATE FUNCTION note_pending_entries() RETURNS trigger LANGUAGE plpgsql AS $${_FEED}$$
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


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger as the migrations create it. ``source`` is the body of its function, empty for SQLite."""

    name: str
    table: str
    definition: str
    source: str = ""


def expected(vendor: str) -> list[Trigger]:
    """Every trigger of the log."""
    if vendor == "postgresql":
        refusing = [
            Trigger(f"{table}_append_only", table, _postgresql_trigger(table), _REFUSE)
            for table in UNIQUE_COLUMNS
        ]
        return [*refusing, Trigger("audit_logs_pending", "audit_logs", POSTGRESQL_FEED[1], _FEED)]
    refusing = [
        Trigger(f"{table}_no_{refused[0]}", table, _sqlite_trigger(table, *refused))
        for table in UNIQUE_COLUMNS
        for refused in _refused_by_sqlite(table)
    ]
    return [*refusing, Trigger("audit_logs_pending", "audit_logs", SQLITE_FEED[0])]


def install(schema_editor: BaseDatabaseSchemaEditor, *tables: str) -> None:
    """Reject UPDATE, DELETE and TRUNCATE (on SQLite also REPLACE) on the tables, except DELETE on ``DELETABLE``."""
    _execute(schema_editor, _statements(schema_editor.connection.vendor, tables))


def remove(schema_editor: BaseDatabaseSchemaEditor, *tables: str) -> None:
    """Undo ``install``."""
    if schema_editor.connection.vendor == "postgresql":
        _execute(schema_editor, [f"DROP TRIGGER {table}_append_only ON {table}" for table in tables])
        return
    dropped = [f"{table}_no_{operation}" for table in tables for operation, *_ in _refused_by_sqlite(table)]
    _execute(schema_editor, [f"DROP TRIGGER {name}" for name in dropped])


def install_feed(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Insert the id of each new ``audit_logs`` row into ``audit_pending``, in the same transaction."""
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
        return [POSTGRESQL_FUNCTION, *(_postgresql_trigger(table) for table in tables)]
    return [_sqlite_trigger(table, *refused) for table in tables for refused in _refused_by_sqlite(table)]


def _postgresql_trigger(table: str) -> str:
    # In the order of pg_get_triggerdef, because the verifier compares with its output.
    operations = "UPDATE OR TRUNCATE" if table in DELETABLE else "DELETE OR UPDATE OR TRUNCATE"
    return POSTGRESQL_TRIGGER.format(table=table, operations=operations)


def _sqlite_trigger(table: str, operation: str, condition: str, refused: str) -> str:
    return SQLITE_TRIGGER.format(table=table, operation=operation, condition=condition, refused=refused)


def _refused_by_sqlite(table: str) -> list[tuple[str, str, str]]:
    """(operation, condition, word of the refusal) for each trigger of a table."""
    same = " OR ".join(
        "(" + " AND ".join(f"{column} = NEW.{column}" for column in columns) + ")"
        for columns in UNIQUE_COLUMNS[table]
    )
    replaces = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 - constants of this module
    deletes = [] if table in DELETABLE else [("DELETE", "", "DELETE")]
    return [("UPDATE", "", "UPDATE"), *deletes, ("INSERT", replaces, "REPLACE")]
