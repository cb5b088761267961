"""Load the files of a backup into the tables of a database without rows."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import django.db
from django.db import connection

from audit.log.raw_rows import number_of
from backups.manifest import TableFile
from backups.rows import RowCounter, decode_row
from backups.tables import ColumnType, Table
from kernel.errors import Invalid

# The lines of one statement.
_CHUNK = 1024 * 1024  # bytes
_ROWS = 1000
MAX_LINE = 16 * 1024 * 1024  # bytes; a request has at most 2 MiB


def load_table(folder: Path, file: TableFile, table: Table, counter: RowCounter) -> None:
    """Replace the rows of a table by those of its file, inside the caller's transaction.

    The migrations insert a few rows, and in a backup of an earlier version so does the trigger of ``audit_logs`` into
    ``audit_pending``, which comes later in the order of the tables. Raises Invalid and django.db.Error.
    """
    # In another order, because a migration adds a column at the end, and a model may have it anywhere.
    if file.columns != table.columns:
        raise Invalid(f"The backup has other columns of {table.name} than its migrations create.")
    with connection.cursor() as cursor:
        if number_of(f'SELECT count(*) FROM "{table.name}"'):  # noqa: S608 - names of models
            cursor.execute(f'DELETE FROM "{table.name}"')  # noqa: S608 - names of models
    load = _load_postgresql if connection.vendor == "postgresql" else _load_sqlite
    before = counter.done
    try:
        load(batches(folder / file.file, file, counter), file)
    except (django.db.DataError, ValueError, EOFError, gzip.BadGzipFile) as error:
        line = str(error).partition("\n")[0]
        raise Invalid(f"A row of {table.name} does not fit this database: {line}") from None
    if (rows := counter.done - before) != file.rows:
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


def _load_postgresql(batches: Iterator[list[bytes]], table: TableFile) -> None:
    statement = f'COPY "{table.name}" ({_names(table)}) FROM STDIN'
    # The copy is psycopg's own method: convert its errors to Django's.
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        for lines in batches:
            copy.write(b"".join(lines))


def _load_sqlite(batches: Iterator[list[bytes]], table: TableFile) -> None:
    places = ", ".join(["%s"] * len(table.columns))
    statement = f'INSERT INTO "{table.name}" ({_names(table)}) VALUES ({places})'  # noqa: S608 - names of models
    types = [ColumnType(kind) for kind in table.columns.values()]
    with connection.cursor() as cursor:
        for lines in batches:
            cursor.executemany(statement, [decode_row(line.decode(), types) for line in lines])


def _names(table: TableFile) -> str:
    return ", ".join(f'"{name}"' for name in table.columns)


def batches(path: Path, table: TableFile, counter: RowCounter) -> Iterator[list[bytes]]:
    """The lines of a file, which is untrusted until the signature of the manifest is checked.

    Raises Invalid as soon as there are more rows than the manifest lists, and for a very long line.
    """
    rows = 0
    with gzip.open(path) as file:
        while lines := list(_lines(file, table)):
            rows += len(lines)
            if rows > table.rows:
                raise Invalid(
                    f"The file of {table.name} has more than the {table.rows} rows of the manifest."
                )
            yield lines
            counter.add(len(lines))


def _lines(file: gzip.GzipFile, table: TableFile) -> Iterator[bytes]:
    """The lines of one statement."""
    size = 0
    for _ in range(_ROWS):
        # Only \n ends a line: a value may contain other line separators.
        line = file.readline(MAX_LINE + 1)
        size += len(line)
        if len(line) > MAX_LINE:
            raise Invalid(f"A row of {table.name} is longer than the application writes. Use another backup.")
        if line:
            yield line
        if not line or size >= _CHUNK:
            return
