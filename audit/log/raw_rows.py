"""Stored rows of the log, even invalid ones, in the spelling of an entry.

The conversions of the models raise for values that the application never writes, and one such row would end the
reading. Here the database spells every column: a valid UUID or timestamp as in canonical JSON, and everything else as
a text that no entry contains.

SQLite stores UUIDs and timestamps as text, and Django reads several spellings of either. A query compares the stored
text, so it does not find a row whose spelling was changed. Only the spelling that Django writes is accepted here.
"""

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.db.models import BooleanField, Func, TextField, UUIDField

from audit.log.canonical import format_timestamp
from kernel.databases.transactions import one_snapshot

CHUNK = 1024  # rows in memory at once

type Values = tuple[Any, ...]
# (entries or rows done, in total)
type ReportProgress = Callable[[int, int], None]

# Python has no value for an infinite or BC timestamp, and to_char hides the difference.
_POSTGRESQL = {
    "UUIDField": "{0}::text",
    "JSONField": "{0}::text",
    "DateTimeField": (
        "CASE WHEN {0} BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00' "
        """THEN to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE {0}::text END"""
    ),
}
_DASHED = " || '-' || ".join(
    f"substr({{0}}, {start}, {length})" for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
)
_DIGIT = "[0-9]"
_SECONDS = f"{_DIGIT * 4}-{_DIGIT * 2}-{_DIGIT * 2} {_DIGIT * 2}:{_DIGIT * 2}:{_DIGIT * 2}"
_TIMESTAMP_FORM = "substr({0}, 1, 10) || 'T' || substr({0}, 12)"
# The length in bytes, because GLOB and length() of a text end at a NUL character.
_IS_TEXT = "typeof({{0}}) = 'text' AND length(CAST({{0}} AS BLOB)) = {0}"
# quote() returns neither a UUID nor a timestamp.
_OTHERWISE = "WHEN {0} IS NOT NULL THEN quote({0}) END"
_SQLITE = {
    # An expression, because the driver converts columns of a declared type. It reads every number except 1 as false.
    "BooleanField": "CASE WHEN {0} IN (0, 1) THEN {0} WHEN {0} IS NOT NULL THEN quote({0}) END",
    "UUIDField": f"CASE WHEN {_IS_TEXT.format(32)} AND NOT {{0}} GLOB '*[^0-9a-f]*' THEN {_DASHED} {_OTHERWISE}",
    "DateTimeField": (
        f"CASE WHEN {_IS_TEXT.format(26)} AND {{0}} GLOB '{_SECONDS}.{_DIGIT * 6}' "
        f"AND substr({{0}}, 20) <> '.000000' THEN {_TIMESTAMP_FORM} || 'Z' "
        f"WHEN {_IS_TEXT.format(19)} AND {{0}} GLOB '{_SECONDS}' THEN {_TIMESTAMP_FORM} || '.000000Z' {_OTHERWISE}"
    ),
}
_HEX = "[0-9a-f]"
_IDS = {
    "postgresql": f"CASE WHEN {{0}} ~ '^{_HEX}{{{{8}}}}(-{_HEX}{{{{4}}}}){{{{3}}}}-{_HEX}{{{{12}}}}$' THEN {{0}}::uuid END",
    "sqlite": f"CASE WHEN {{0}} GLOB '{'-'.join(_HEX * length for length in (8, 4, 4, 4, 12))}' "
    "THEN replace({0}, '-', '') END",
}
_SPELLINGS = {"postgresql": _POSTGRESQL, "sqlite": _SQLITE}


def spelled(model: type[models.Model], names: Sequence[str], alias: str) -> str:
    """The named columns of a table, spelled, for a SELECT."""
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    return ", ".join(_spell(field, f'{alias}."{field.column}"') for field in fields)


@contextmanager
def reading() -> Iterator[None]:
    """One snapshot of the database. Text that is not UTF-8 can be read in it, too."""
    with any_text(), one_snapshot():
        yield


@contextmanager
def any_text() -> Iterator[None]:
    """Inside, SQLite also returns text that is not UTF-8, as lone surrogates, which have no canonical form."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor():
        handle: Any = connection.connection
    before = handle.text_factory
    handle.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    try:
        yield
    finally:
        handle.text_factory = before


def stream(statement: str, parameters: Sequence[Any] = ()) -> Generator[list[Values]]:
    """The rows of a SELECT, in lists of at most ``CHUNK`` rows. Raises django.db.Error."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, parameters)
        while rows := cursor.fetchmany(CHUNK):
            yield rows


def rows_of(statement: str, parameters: Sequence[Any] = ()) -> Generator[Values]:
    """Like ``stream``, row by row."""
    with closing(stream(statement, parameters)) as streamed:
        for rows in streamed:
            yield from rows


def timestamp_of(spelled: object) -> datetime | None:
    """The timestamp, if it is spelled as in an entry; otherwise None."""
    try:
        timestamp = datetime.fromisoformat(spelled)  # type: ignore[arg-type]  # TypeError is caught
        return timestamp if format_timestamp(timestamp) == spelled else None
    except (TypeError, ValueError, OverflowError):
        return None


def uuid_of(spelled: object) -> UUID | None:
    """The UUID, if it is spelled as in an entry; otherwise None."""
    try:
        found = UUID(spelled)  # type: ignore[arg-type]  # exceptions are caught
    except (AttributeError, TypeError, ValueError):
        return None
    return found if str(found) == spelled else None


def presentable(value: object) -> str | int | None:
    """A value of any column, converted to valid UTF-8 and JSON."""
    if value is None or type(value) is int:
        return value
    if isinstance(value, memoryview | bytes):
        return bytes(value).decode(errors="replace")
    return str(value).encode(errors="surrogateescape").decode(errors="replace")


def as_stored(spelled_uuid: object) -> Any:
    """A UUID in the spelling of ``spelled``, as a parameter to compare with its column."""
    return str(spelled_uuid).replace("-", "") if connection.vendor == "sqlite" else spelled_uuid


def json_value(text: object) -> object:
    """The value of a JSON column. Raises TypeError and ValueError unless the application spells it like this.

    jsonb of PostgreSQL has one spelling. SQLite keeps the text, in which the order of names has no meaning.
    """
    if not isinstance(text, str):
        raise TypeError("a JSON column holds text")  # json.loads also takes bytes
    value = json.loads(text)
    if value is None or (connection.vendor == "sqlite" and json.dumps(value) != text):
        raise ValueError("the application spells the value in another way")
    return value


def number_of(statement: str) -> int:
    """The number that a SELECT returns, 0 without a row."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def spelled_columns(model: type[models.Model], names: Sequence[str]) -> list["str | Spelled"]:
    """Spelled columns for ``values_list``. Django does not convert them."""
    kinds = {name: model._meta.get_field(name).get_internal_type() for name in names}
    return [Spelled(name) if kinds[name] in _POSTGRESQL else name for name in names]


class Spelled(Func):
    """One column of a queryset, spelled: ``Spelled("timestamp")``."""

    output_field = TextField()  # Django does not convert it

    def as_sql(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:  # type: ignore[override]  # noqa: ARG002 - Django's signature, without options
        [column] = self.get_source_expressions()
        field: Any = column
        sql, parameters = compiler.compile(column)
        return _spell(field.target, sql), parameters


class Octets(Func):
    """One column of a queryset as a text that no other value of the column has, and that any driver takes back."""

    output_field = TextField()

    def as_sql(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:  # type: ignore[override]
        [column] = self.get_source_expressions()
        sql, parameters = compiler.compile(column)
        return ("typeof({0}) || hex({0})" if connection.vendor == "sqlite" else "{0}::text").format(
            sql
        ), parameters


class IdOf(Func):
    """The id that a text column spells, to compare it with a column of ids; NULL for any other text."""

    output_field = UUIDField()

    def as_sql(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:  # type: ignore[override]
        [column] = self.get_source_expressions()
        sql, parameters = compiler.compile(column)
        return _IDS[connection.vendor].format(sql), parameters


class HexContains(Func):
    """Whether the lower-case hexadecimal digits of a column of bytes contain a text."""

    output_field = BooleanField()

    def as_sql(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:  # type: ignore[override]
        (column, _), (text, parameters) = map(compiler.compile, self.get_source_expressions())
        if connection.vendor == "sqlite":
            return f"instr(lower(hex({column})), {text}) > 0", parameters
        return f"position({text} in encode({column}, 'hex')) > 0", parameters


class SpelledTimestamp(Spelled):
    """A timestamp, spelled. The text is always readable: on SQLite, it is "" for anything else."""

    def as_sql(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:  # type: ignore[override]
        sql, parameters = super().as_sql(compiler, connection)
        if connection.vendor == "sqlite":
            sql = f"CASE WHEN {sql} GLOB '[0-9]*Z' THEN {sql} WHEN {sql} IS NOT NULL THEN '' END"
        return sql, parameters


class SpelledTimestampField(TextField):  # type: ignore[type-arg]  # generic in the stubs only
    """The timestamp of ``SpelledTimestamp``, or ``otherwise`` for one that Django could not convert."""

    def __init__(self, *, otherwise: datetime) -> None:
        super().__init__()
        self.otherwise = otherwise

    def from_db_value(self, value: Any, *_context: object) -> datetime | None:
        return None if value is None else timestamp_of(value) or self.otherwise


def typed_field(field: Any) -> Any:
    """The field that has the type of the column: for a foreign key, the referenced one, which may be one itself."""
    while field.remote_field:
        field = field.target_field
    return field


def _spell(field: Any, sql: str) -> str:
    kind = typed_field(field).get_internal_type()
    return _SPELLINGS[connection.vendor].get(kind, "{0}").format(sql)
