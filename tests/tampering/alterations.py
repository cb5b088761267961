"""Alterations of every column of a displayed row, including values that its type or Django forbids."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Field, Model

from audit.log.packed_rows import COLUMNS
from tests.tampering.altering import execute, query, without_checks, without_triggers

PACKED = {"entries", "details"}
SOME_UUID = "6ba7b811-9dad-41d1-80b4-00c04fd430c8"
# SQL expressions of other values for each type; {0} is the column.
LIKELY = {
    "BigAutoField": ("{0} + 1000000",),
    "BigIntegerField": ("coalesce({0}, 0) + 1", "9223372036854775807"),
    "IntegerField": ("{0} + 1", "{0} - 1"),
    "CharField": ("{0} || 'x'",),
    "TextField": ("{0} || ' '", "'{{not json'", "'[]'"),
    "JSONField": (
        """'{{"name": "forged"}}'""",
        """'{{"a": 1e400}}'""",
        "'[[1], 2]'",
        """'"text"'""",
        "'5'",
        """'{{"a": 1.5}}'""",
    ),
}
POSTGRESQL = LIKELY | {
    "BinaryField": ("{0} || '\\x00'::bytea", "'\\x00'::bytea"),
    "UUIDField": (f"'{SOME_UUID}'",),
    "DateTimeField": (
        "{0} + interval '1 microsecond'",
        "'20000-01-01 00:00:00Z'",
        "'infinity'",
        "'-infinity'",
        "'0044-03-15 12:00:00Z BC'",
    ),
}
# SQLite stores anything in any column but the primary key.
ANYTHING = ("'garbage'", "CAST(x'ff41' AS TEXT)", "x'ff'", "1.5", "9e999", "''")
NOT_JSON = ("'{{not json'", """'{{"a": NaN}}'""", "'\"\\ud800\"'", "CAST(x'22ff22' AS TEXT)", "x'7b7d'")
SQLITE = {
    "BigAutoField": LIKELY["BigAutoField"],
    "BigIntegerField": (*LIKELY["BigIntegerField"], *ANYTHING),
    "IntegerField": (*LIKELY["IntegerField"], *ANYTHING),
    "BinaryField": ("CAST({0} || x'00' AS BLOB)", "x'00'", *ANYTHING),
    "CharField": (*LIKELY["CharField"], *ANYTHING),
    "TextField": (*LIKELY["TextField"], *ANYTHING),
    "UUIDField": (f"'{SOME_UUID.replace('-', '')}'", f"'{SOME_UUID}'", *ANYTHING),
    "DateTimeField": (
        "substr({0}, 1, 25) || CASE substr({0}, 26) WHEN '7' THEN '8' ELSE '7' END",
        "'2026-99-99 00:00:00'",
        "'10000-01-01 00:00:00'",
        *ANYTHING,
    ),
    "JSONField": (*LIKELY["JSONField"], *NOT_JSON),
}

# For each database a time that Django cannot convert.
UNREADABLE = {"postgresql": "'infinity'", "sqlite": "'garbage'"}


@dataclass(frozen=True)
class Alteration:
    """One column of a table set to the value of an expression."""

    table: str
    column: str
    expression: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column} = {self.expression}"

    @contextmanager
    def made(self, row_id: int) -> Iterator[int]:
        """Alter the row; yield its id, which may have changed, and restore the row afterwards."""
        table, kept = self.table, f"kept_{self.table}"
        with without_triggers(), without_checks():
            execute(f"CREATE TEMPORARY TABLE {kept} AS SELECT * FROM {table} WHERE id = %s", [row_id])  # noqa: S608 - constants
            value = self.expression.format(self.column)
            [(new_id,)] = query(
                f"UPDATE {table} SET {self.column} = {value} WHERE id = %s RETURNING id",  # noqa: S608 - constants
                [row_id],
            )
        try:
            yield new_id
        finally:
            with without_triggers(), without_checks():
                execute(f"DELETE FROM {table} WHERE id = %s", [new_id])  # noqa: S608 - constants
                execute(f"INSERT INTO {table} SELECT * FROM {kept}")  # noqa: S608 - constants
                execute(f"DROP TABLE {kept}")


def alterations(model: type[Model], column: str = "") -> list[Alteration]:
    """The alterations of every column of the model, or of one. Without one, not those that only packed rows have."""
    fields = [
        field
        for field in model._meta.concrete_fields
        if column == field.column or (not column and field.column not in PACKED)
    ]
    return [
        Alteration(model._meta.db_table, field.column, expression)
        for field in fields
        for expression in expressions(field)
    ]


def expressions(field: Field) -> tuple[str, ...]:
    if field.name == "outcome":
        return ("'denied'", *ANYTHING) if connection.vendor == "sqlite" else ("'denied'",)
    by_type = SQLITE if connection.vendor == "sqlite" else POSTGRESQL
    # SQLite accepts only integers in the primary key of a table with rowids.
    return by_type["BigAutoField" if field.primary_key else field.get_internal_type()]


@contextmanager
def rolled_back() -> Iterator[None]:
    """Roll back everything done in the block, which then costs no write to the disk."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


LOG_COLUMNS = list(COLUMNS)
