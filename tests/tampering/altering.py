"""The powers of a database owner: write past triggers and constraints, and restore everything."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from audit.sequencing.head import HEAD_FILE

# Every table that the verifier reads, in an order in which rows can be restored.
TABLES = (
    "audit_logs",
    "audit_trail",
    "audit_bundles",
    "audit_leaves",
    "audit_tiles",
    "audit_tree",
    "audit_checkpoints",
    "audit_receipts",
    "checkpoint_keys",
    "usage_rollups",
    "usage_days",
    "audit_segments",
    "audit_removals",
    "sealed_documents",
    "journal_pages",
    "log_position",
    "state_heads",
)


def execute(statement: str, parameters: Sequence[Any] = ()) -> int:
    """Run the statement; return the number of affected rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.rowcount


def query(statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


@dataclass(frozen=True)
class Cell:
    """One column of the row whose ``key`` has the value ``place``."""

    table: str
    key: str
    place: object
    column: str

    def read(self) -> Any:
        statement = f"SELECT {self.column} FROM {self.table} WHERE {self.key} = %s"  # noqa: S608 - constants
        [(value,)] = query(statement, [self.place])
        return bytes(value) if isinstance(value, memoryview) else value

    def write(self, value: object) -> None:
        statement = f"UPDATE {self.table} SET {self.column} = %s WHERE {self.key} = %s"  # noqa: S608 - constants
        assert execute(statement, [value, self.place]) == 1

    def moved(self, value: object) -> "Cell":
        """The location of the cell after this value was written to it."""
        return replace(self, place=value) if self.key == self.column else self


@contextmanager
def without_checks() -> Iterator[None]:
    """Drop the checks of values, as the owner can, and create them again afterwards."""
    if connection.vendor != "postgresql":
        execute("PRAGMA ignore_check_constraints = ON")
        try:
            yield
        finally:
            execute("PRAGMA ignore_check_constraints = OFF")
        return
    checks = query(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE contype = 'c' AND conrelid::regclass::text = ANY(%s)",
        [list(TABLES)],
    )
    for table, name, _ in checks:
        execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    try:
        yield
    finally:
        for table, name, definition in checks:
            execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


@contextmanager
def without_triggers() -> Iterator[None]:
    """Disable the triggers for the block, as the owner can. The verifier reports disabled triggers."""
    if connection.vendor == "postgresql":
        for table in TABLES:
            execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        try:
            yield
        finally:
            for table in TABLES:
                execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        return
    triggers = query("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    for name, _ in triggers:
        execute(f"DROP TRIGGER {name}")
    try:
        yield
    finally:
        for _, statement in triggers:
            execute(statement)


class Copy:
    """Copies of the tables in the same database, and of the file ``audit-head``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._head = Path(settings.CC_HOME) / HEAD_FILE
        self._remembered = self._head.read_bytes() if self._head.exists() else None
        with transaction.atomic():
            for table in TABLES:
                execute(f"CREATE TABLE {name}_{table} AS SELECT * FROM {table}")  # noqa: S608 - constants

    def drop(self) -> None:
        for table in TABLES:
            execute(f"DROP TABLE {self.name}_{table}")

    def restore(self) -> None:
        """Restore everything. The triggers must be off."""
        self.restore_tables()
        if self._remembered is None:
            self._head.unlink(missing_ok=True)
        else:
            self._head.write_bytes(self._remembered)

    def restore_tables(self, tables: Sequence[str] = TABLES) -> None:
        """Restore only the tables, like a backup, which does not contain ``audit-head``."""
        with transaction.atomic():
            for table in tables:
                execute(f"DELETE FROM {table}")  # noqa: S608 - constants
                execute(f"INSERT INTO {table} SELECT * FROM {self.name}_{table}")  # noqa: S608 - constants
