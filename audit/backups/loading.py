"""Load the files of a backup into the tables of a database without rows."""

import gzip
from collections.abc import Iterator
from itertools import batched
from pathlib import Path

import django.db
from django.db import connection

from audit.backups.manifest import TableFile
from audit.backups.progress import RowCounter
from audit.backups.rows import decode_row
from audit.backups.tables import ColumnType, Table
from audit.log.raw_rows import number_of
from kernel.errors import Invalid

CHUNK = 1024 * 1024  # bytes
ROWS = 1000  # of one statement


def load_table(folder: Path, file: TableFile, table: Table, counter: RowCounter) -> None:
    """Replace the rows of a table by those of its file, inside the caller's transaction.

    The migrations insert a few rows, and so does the trigger of ``audit_logs`` into ``audit_pending``, which comes
    later in the order of the tables. Raises Invalid and django.db.Error.
    """
    # In another order, because a migration adds a column at the end, and a model may have it anywhere.
    if file.columns != table.columns:
        raise Invalid(f"The backup has other columns of {table.name} than its migrations create.")
    with connection.cursor() as cursor:
        if number_of(f'SELECT count(*) FROM "{table.name}"'):  # noqa: S608 - names of models
            cursor.execute(f'DELETE FROM "{table.name}"')  # noqa: S608 - names of models
    load = _load_postgresql if connection.vendor == "postgresql" else _load_sqlite
    try:
        rows = load(folder / file.file, file, counter)
    except (django.db.DataError, ValueError, EOFError, gzip.BadGzipFile) as error:
        line = str(error).partition("\n")[0]
        raise Invalid(f"A row of {table.name} does not fit this database: {line}") from None
    if rows != file.rows:
        raise Invalid(f"The file of {table.name} has {rows} rows, but the manifest lists {file.rows}.")


def reset_sequences() -> None:
    """Let the sequences of PostgreSQL continue after the loaded rows. SQLite does this itself."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            for sequence in connection.introspection.get_sequences(cursor, table):
                column = f'"{sequence["column"]}"'
                cursor.execute(
                    f"SELECT setval(pg_get_serial_sequence(%s, %s), coalesce(max({column}), 1), "  # noqa: S608 - names of models
                    f'max({column}) IS NOT NULL) FROM "{table}"',
                    [f'"{table}"', sequence["column"]],
                )


def check_foreign_keys() -> None:
    """Raises django.db.IntegrityError if a loaded row refers to a missing one."""
    connection.check_constraints()


def _load_postgresql(path: Path, table: TableFile, counter: RowCounter) -> int:
    statement = f'COPY "{table.name}" ({_names(table)}) FROM STDIN'
    # The copy is psycopg's own method: convert its errors to Django's.
    with gzip.open(path) as file, connection.cursor() as cursor, connection.wrap_database_errors:
        with cursor.copy(statement) as copy:
            while chunk := file.read(CHUNK):
                copy.write(chunk)
                counter.add(chunk.count(b"\n"))
        return int(cursor.rowcount)


def _load_sqlite(path: Path, table: TableFile, counter: RowCounter) -> int:
    places = ", ".join(["%s"] * len(table.columns))
    statement = f'INSERT INTO "{table.name}" ({_names(table)}) VALUES ({places})'  # noqa: S608 - names of models
    types, before = [ColumnType(kind) for kind in table.columns.values()], counter.done
    with connection.cursor() as cursor:
        for lines in batched(_lines(path), ROWS):
            cursor.executemany(statement, [decode_row(line, types) for line in lines])
            counter.add(len(lines))
    return counter.done - before


def _names(table: TableFile) -> str:
    return ", ".join(f'"{name}"' for name in table.columns)


def _lines(path: Path) -> Iterator[str]:
    # Only \n ends a line: a value may contain other line separators.
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        yield from file
