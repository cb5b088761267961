"""From an event to the row of ``audit_logs`` that tells of it, MAC included, and many such rows at once."""

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from django.db import connection

from audit import canonical
from audit.entries import ENTRY_FIELDS
from audit.entry_mac import compute_entry_mac
from audit.events import META_LIMIT, TRAIL_DIGESTS, Actor, Event, clean_mapping

# The text format of COPY: backslash, and whatever would end a column or a row.
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NEEDS_QUOTES = re.compile(r'["\\]')
_NEEDS_ESCAPE = re.compile(r"[\\\t\n\r]")

type EntryRow = Mapping[str, object]

COLUMNS = (*(name for name in ENTRY_FIELDS if name != "id"), "mac")  # the database gives the id
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
# One statement for any number of rows, which can be prepared: where a round trip counts.
_TYPES = {"timestamp": "timestamptz"} | dict.fromkeys(("event_id", "user_id", "writer"), "uuid")
_TYPES |= dict.fromkeys(("object_version", "count", "size", "wseq"), "bigint")
_ARRAYS = ", ".join(
    f"${number}::{_TYPES.get(name, 'text')}[]" for number, name in enumerate(COLUMNS, start=1)
)
INSERT_ARRAYS = f"INSERT INTO audit_logs ({_NAMES}) SELECT * FROM unnest({_ARRAYS})"  # noqa: S608 - constants
_COPY = f"COPY audit_logs ({_NAMES}) FROM STDIN"
_INSERT = f"INSERT INTO audit_logs ({_NAMES}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"  # noqa: S608 - constants


def entry_row(
    event: Event,
    actor: Actor,
    *,
    at: datetime,
    writer: uuid.UUID,
    wseq: int,
    event_id: uuid.UUID | None = None,
    digests: Sequence[str] = (),
) -> dict[str, object]:
    """The columns of the entry. ``at`` is the database's clock; ``digests`` are those of the changed rows."""
    row: dict[str, object] = {
        "event_id": event_id or uuid.uuid4(),
        "timestamp": at,
        "user_id": actor.user_id,
        "actor_type": actor.actor_type,
        "actor_name": actor.actor_name,
        "auth_method": actor.auth_method,
        "token_id": actor.token_id,
        "client_ip": actor.client_ip,
        "user_agent": actor.user_agent,
        "source": actor.source,
        "action": event.action,
        "object_type": event.object_type,
        "object_id": event.object_id,
        "object_version": event.object_version,
        "outcome": event.outcome,
        "code": event.code,
        "request_id": actor.request_id,
        "count": event.count,
        "size": event.size,
        "meta": event.meta_text if not digests else _meta_with(event, digests),
        "writer": writer,
        "wseq": wseq,
    }
    row["mac"] = compute_entry_mac(row)
    return row


def _meta_with(event: Event, digests: Sequence[str]) -> str:
    text = canonical.encode(clean_mapping({**event.meta, TRAIL_DIGESTS: list(digests)}))
    if len(text) > META_LIMIT:
        raise ValueError("the changed rows are too many for one entry")
    return text.decode()


def arrays_of(rows: Sequence[EntryRow]) -> list[bytes]:
    """The parameters of ``INSERT_ARRAYS``: the values of each column, as an array."""
    return [array_of([row[name] for row in rows]).encode() for name in COLUMNS]


def array_of(values: Iterable[object]) -> str:
    """PostgreSQL's text form of a one-dimensional array."""
    return "{" + ",".join(["NULL" if value is None else f'"{_quoted(value)}"' for value in values]) + "}"


def _quoted(value: object) -> str:
    text = str(value)
    return text.replace("\\", "\\\\").replace('"', '\\"') if _NEEDS_QUOTES.search(text) else text


def insert_rows(rows: Sequence[EntryRow]) -> None:
    """Insert them in their order, by the fastest way the database has for so many. Raises django.db.Error."""
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            cursor.executemany(_INSERT, [[_for_sqlite(row[name]) for name in COLUMNS] for row in rows])
        elif len(rows) == 1:
            # One round trip; COPY takes two.
            cursor.execute(_INSERT, [cast("Any", rows[0][name]) for name in COLUMNS])
        else:
            # psycopg's own method, so its errors are not yet Django's.
            with connection.wrap_database_errors, cursor.copy(_COPY) as copy:
                copy.write("".join(map(_copy_line, rows)))


def _copy_line(row: EntryRow) -> str:
    """A row in the text format of COPY; psycopg's own formatting takes five times as long."""
    return (
        "\t".join(["\\N" if (value := row[name]) is None else _copy_text(value) for name in COLUMNS]) + "\n"
    )


def _copy_text(value: object) -> str:
    text = str(value)
    return text.translate(_ESCAPED) if _NEEDS_ESCAPE.search(text) else text


def _for_sqlite(value: object) -> Any:
    """As Django's fields store it there: a UUID as 32 hexadecimal digits, a moment as naive UTC text."""
    match value:
        case uuid.UUID():
            return value.hex
        case datetime():
            return connection.ops.adapt_datetimefield_value(value)
    return value
