"""Insert many rows into ``audit_logs`` at once, with the fastest method of each database."""

import re
from collections.abc import Sequence
from typing import Any

from django.db import connection

from audit.log.bundles import KIND_FIELDS

# COPY text format: escape backslashes, and characters that would end a column or a row.
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NEEDS_ESCAPE = re.compile(r"[\\\t\n\r]")

STATIC = KIND_FIELDS
_COLUMNS = (
    *STATIC,
    "event_id",
    "request_id",
    "size",
    "timestamp",
    "writer",
    "wseq",
    "id",
    "mac",
    "entries",
    "details",
)
_NAMES = ", ".join(f'"{name}"' for name in _COLUMNS)
_COPY = f"COPY audit_logs ({_NAMES}) FROM STDIN"
_INSERT = f"INSERT INTO audit_logs ({_NAMES}) VALUES ({', '.join(['%s'] * len(_COLUMNS))})"  # noqa: S608 - constants


def copy_lines(lines: Sequence[str]) -> None:
    """Insert lines in the text format of COPY, into PostgreSQL. Raises django.db.Error."""
    # The copy is psycopg's own method: convert its errors to Django's.
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(_COPY) as copy:
        copy.write("".join(lines))


def insert_rows(rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert tuples of ``_COLUMNS`` as SQLite stores them. Raises django.db.Error."""
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT, rows)


def copy_text(value: str | int) -> str:
    """A value in the text format of COPY. psycopg's own formatting takes five times as long."""
    text = str(value)
    return text.translate(_ESCAPED) if _NEEDS_ESCAPE.search(text) else text


def stored_uuid(spelled: str | None) -> str | None:
    """A UUID as Django stores it in SQLite: 32 hexadecimal digits."""
    return spelled.replace("-", "") if spelled else None


def stored_timestamp(spelled: str) -> str:
    """A timestamp as Django stores it in SQLite: naive UTC text."""
    return spelled.replace("T", " ").removesuffix("Z").removesuffix(".000000")
