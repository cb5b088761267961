"""Build ``audit_logs`` rows with MACs from events, and insert many rows at once."""

import os
import re
from collections.abc import Mapping, Sequence

from django.db import connection

from audit.log import canonical
from audit.log.entries import ACTOR_ID, ENTRY_FIELDS, MAC_ORDERS, version_of
from audit.log.entry_mac import compute_entry_mac
from audit.log.events import META_LIMIT, TRAIL_DIGESTS, Actor, Event, clean_mapping

# COPY text format: escape backslashes, and characters that would end a column or a row.
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NEEDS_ESCAPE = re.compile(r"[\\\t\n\r]")

type Value = str | int | None
type EntryRow = Mapping[str, Value]
"""All columns except ``id``. All values but numbers are canonical text, including UUIDs and timestamps."""
type Parameters = list[bytes | None]
"""The values of ``COLUMNS`` in PostgreSQL's text format."""

COLUMNS = (*(name for name in ENTRY_FIELDS if name != "id"), "mac")  # the database assigns the id
_UUIDS = {"event_id", "user_id", "writer", ACTOR_ID}
_VARIANT = dict(
    zip("0123456789abcdef", "89ab" * 4, strict=True)
)  # by a random digit: its upper bits become 10
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
_COPY = f"COPY audit_logs ({_NAMES}) FROM STDIN"
_INSERT = f"INSERT INTO audit_logs ({_NAMES}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"  # noqa: S608 - constants
_TYPES = {"timestamp": "timestamptz"} | dict.fromkeys(_UUIDS, "uuid")
_TYPES |= dict.fromkeys(("object_version", "count", "size", "wseq"), "bigint")


def entry_row(
    event: Event,
    actor: Actor,
    *,
    at: str,
    writer: str,
    wseq: int,
    event_id: str | None = None,
    digests: Sequence[str] = (),
) -> dict[str, Value]:
    """The columns of the entry. ``at`` is the database time; ``digests`` are those of the changed rows."""
    columns = columns_of(event, actor)
    columns |= {
        "event_id": event_id or new_event_ids(1)[0],
        "request_id": actor.request_id,
        "size": event.size,
        "timestamp": at,
        "writer": writer,
        "wseq": wseq,
    }
    if digests:
        columns["meta"] = _meta_with(event, digests)
    version = version_of(columns)
    covered = {name: version if name == "version" else columns[name] for name in MAC_ORDERS[version]}
    columns["mac"] = compute_entry_mac(canonical.encode_members(covered), version)
    return columns


def columns_of(event: Event, actor: Actor) -> dict[str, Value]:
    """The columns that are alike in all entries of this event by this actor."""
    return {
        "action": event.action,
        ACTOR_ID: None if actor.actor_id is None else str(actor.actor_id),
        "actor_name": actor.actor_name,
        "actor_type": actor.actor_type,
        "auth_method": actor.auth_method,
        "client_ip": actor.client_ip,
        "code": event.code,
        "count": event.count,
        "meta": event.meta_text,
        "object_id": event.object_id,
        "object_type": event.object_type,
        "object_version": event.object_version,
        "outcome": event.outcome,
        "source": actor.source,
        "token_id": actor.token_id,
        "user_agent": actor.user_agent,
        "user_id": None if actor.user_id is None else str(actor.user_id),
    }


def new_event_ids(count: int) -> list[str]:
    """Random UUIDs (RFC 9562 section 5.4) as texts. ``uuid`` creates objects first and takes three times as long."""
    digits = os.urandom(16 * count).hex()
    return [
        f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"
        for text in (digits[start : start + 32] for start in range(0, 32 * count, 32))
    ]


def _meta_with(event: Event, digests: Sequence[str]) -> str:
    text = canonical.encode(clean_mapping({**event.meta, TRAIL_DIGESTS: list(digests)}))
    if len(text) > META_LIMIT:
        raise ValueError("the changed rows are too many for one entry")
    return text.decode()


def insert_statement(rows: int, condition: str) -> bytes:
    """A conditional INSERT of ``rows`` rows, for ``parameters_of`` and to be prepared."""
    width = len(COLUMNS)
    values = ", ".join(
        f"({', '.join(f'${row * width + place}::{_TYPES.get(name, "text")}' for place, name in enumerate(COLUMNS, start=1))})"
        for row in range(rows)
    )
    return f"INSERT INTO audit_logs ({_NAMES}) SELECT * FROM (VALUES {values}) entries WHERE {condition}".encode()  # noqa: S608 - constants


def parameters_of(row: EntryRow) -> Parameters:
    """The values of a row in PostgreSQL's text format."""
    return [parameter(row[name]) for name in COLUMNS]


def parameter(value: Value) -> bytes | None:
    """A value in PostgreSQL's text format."""
    if value is None:
        return None
    return b"%d" % value if isinstance(value, int) else value.encode()


def insert_rows(rows: Sequence[EntryRow]) -> None:
    """Insert the rows in order, with the fastest method for their number. Raises django.db.Error."""
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            cursor.executemany(_INSERT, [[_for_sqlite(name, row[name]) for name in COLUMNS] for row in rows])
        elif len(rows) == 1:
            # One round trip; COPY takes two.
            cursor.execute(_INSERT, [rows[0][name] for name in COLUMNS])
        else:
            # The copy is psycopg's own method: convert its errors to Django's.
            with connection.wrap_database_errors, cursor.copy(_COPY) as copy:
                copy.write("".join(map(_copy_line, rows)))


def _copy_line(row: EntryRow) -> str:
    """A row in the COPY text format. psycopg's own formatting takes five times as long."""
    return (
        "\t".join(["\\N" if (value := row[name]) is None else _copy_text(value) for name in COLUMNS]) + "\n"
    )


def _copy_text(value: str | int) -> str:
    text = str(value)
    return text.translate(_ESCAPED) if _NEEDS_ESCAPE.search(text) else text


def _for_sqlite(name: str, value: Value) -> Value:
    """The value as Django's fields store it: a UUID as 32 hexadecimal digits, a timestamp as naive UTC text."""
    if name in _UUIDS and isinstance(value, str):
        return value.replace("-", "")
    if name == "timestamp" and isinstance(value, str):
        return value.replace("T", " ").removesuffix("Z").removesuffix(".000000")
    return value
