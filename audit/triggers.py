"""Triggers that make the tables of the log append-only, on PostgreSQL and on SQLite.

They stop mistakes and the application's own bugs; an owner of the database can drop them, so the verifier
never relies on them. Django rebuilds a table of SQLite when a later migration alters it, and its triggers are
lost then: such a migration installs them again.
"""

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# A replacing INSERT would delete the old row without firing the DELETE trigger of SQLite: named by what
# makes a row unique.
UNIQUE_COLUMNS = {"audit_logs": (("id",), ("writer", "wseq")), "audit_trail": (("id",),)}

POSTGRESQL_FUNCTION = """
CREATE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$
"""
# Per statement, because TRUNCATE has no rows.
POSTGRESQL_TRIGGER = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_log()
"""
SQLITE_TRIGGER = """
CREATE TRIGGER {table}_no_{operation} BEFORE {operation} ON {table} {condition}
BEGIN SELECT RAISE(ABORT, '{table} is append-only: {refused} is refused'); END
"""


def install(schema_editor: BaseDatabaseSchemaEditor, *tables: str) -> None:
    """Refuse UPDATE, DELETE and TRUNCATE (on SQLite also REPLACE) on the tables."""
    for statement in _statements(schema_editor.connection.vendor, tables):
        schema_editor.execute(statement, params=None)


def remove(schema_editor: BaseDatabaseSchemaEditor, *tables: str) -> None:
    """Undo ``install``."""
    if schema_editor.connection.vendor == "postgresql":
        for table in tables:
            schema_editor.execute(f"DROP TRIGGER {table}_append_only ON {table}", params=None)
        schema_editor.execute("DROP FUNCTION refuse_change_of_log()", params=None)
        return
    for table in tables:
        for operation in ("UPDATE", "DELETE", "INSERT"):
            schema_editor.execute(f"DROP TRIGGER {table}_no_{operation}", params=None)


def _statements(vendor: str, tables: tuple[str, ...]) -> list[str]:
    if vendor == "postgresql":
        return [POSTGRESQL_FUNCTION, *(POSTGRESQL_TRIGGER.format(table=table) for table in tables)]
    return [statement for table in tables for statement in _sqlite_statements(table)]


def _sqlite_statements(table: str) -> list[str]:
    same = " OR ".join(
        "(" + " AND ".join(f"{column} = NEW.{column}" for column in columns) + ")"
        for columns in UNIQUE_COLUMNS[table]
    )
    replaces = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 - constants of this module
    cases = [("UPDATE", "", "UPDATE"), ("DELETE", "", "DELETE"), ("INSERT", replaces, "REPLACE")]
    return [
        SQLITE_TRIGGER.format(table=table, operation=operation, condition=condition, refused=refused)
        for operation, condition, refused in cases
    ]
