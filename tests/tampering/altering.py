"""What the owner of a database can do: write past triggers and constraints, and put everything back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

from django.db import connection, transaction

# Everything the verifier reads, in an order in which rows can be put back.
TABLES = (
    "audit_logs",
    "audit_trail",
    "audit_pending",
    "audit_leaves",
    "audit_tiles",
    "audit_tree",
    "audit_checkpoints",
    "audit_receipts",
    "checkpoint_keys",
    "usage_rollups",
)


def execute(statement: str, parameters: Sequence[Any] = ()) -> int:
    """How many rows it touched."""
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
        """Where the cell is after this value was written to it."""
        return replace(self, place=value) if self.key == self.column else self


@contextmanager
def without_triggers() -> Iterator[None]:
    """The owner takes them off, on SQLite also the checks, and nobody can tell afterwards."""
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
    execute("PRAGMA ignore_check_constraints = ON")
    for name, _ in triggers:
        execute(f"DROP TRIGGER {name}")
    try:
        yield
    finally:
        execute("PRAGMA ignore_check_constraints = OFF")
        for _, statement in triggers:
            execute(statement)


class Copy:
    """The tables as they are, beside themselves, so that each alteration begins from the same log."""

    def __enter__(self) -> Self:
        for table in TABLES:
            execute(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")  # noqa: S608 - constants
        return self

    def __exit__(self, *_: object) -> None:
        for table in TABLES:
            execute(f"DROP TABLE kept_{table}")

    def restore(self, tables: Sequence[str] = TABLES) -> None:
        with transaction.atomic():
            for table in reversed(TABLES):
                if table in tables:
                    execute(f"DELETE FROM {table}")  # noqa: S608 - constants
            for table in TABLES:
                if table in tables:
                    execute(f"INSERT INTO {table} SELECT * FROM kept_{table}")  # noqa: S608 - constants
