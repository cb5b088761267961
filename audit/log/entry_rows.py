"""Build ``audit_logs`` rows with MACs from events, and insert many rows at once."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from django.db import connection

from audit.log import canonical
from audit.log.entries import ACTOR_ID, ENTRY_FIELDS, MAC_ORDERS
from audit.log.entry_mac import compute_entry_mac
from audit.log.events import META_LIMIT, TRAIL_DIGESTS, Actor, Event, clean_mapping

# COPY text format: escape backslashes, and characters that would end a column or a row.
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NEEDS_ESCAPE = re.compile(r"[\\\t\n\r]")

type Value = str | int | None
type EntryRow = Mapping[str, Value]
"""All columns except ``id``. All values but numbers are canonical text, including UUIDs and timestamps."""

COLUMNS = (*(name for name in ENTRY_FIELDS if name != "id"), "mac")  # the database assigns the id
_UUIDS = {"event_id", "user_id", "writer", ACTOR_ID}
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
    row: dict[str, Value] = {
        "action": event.action,
        "actor_name": actor.actor_name,
        "actor_type": actor.actor_type,
        "auth_method": actor.auth_method,
        "client_ip": actor.client_ip,
        "code": event.code,
        "count": event.count,
        "event_id": event_id or new_event_id(),
        "meta": event.meta_text if not digests else _meta_with(event, digests),
        "object_id": event.object_id,
        "object_type": event.object_type,
        "object_version": event.object_version,
        "outcome": event.outcome,
        "request_id": actor.request_id,
        "size": event.size,
        "source": actor.source,
        "timestamp": at,
        "token_id": actor.token_id,
        "user_agent": actor.user_agent,
        "user_id": None if actor.user_id is None else str(actor.user_id),
        "version": 1,
        "writer": writer,
        "wseq": wseq,
    }
    return _with_mac(row, actor.actor_id)


def _with_mac(row: dict[str, Value], actor_id: UUID | None) -> dict[str, Value]:
    """Complete the row, whose names are in canonical order and those of version 1."""
    if actor_id is not None:
        return _row_of_version_2(row, actor_id)
    mac = compute_entry_mac(canonical.encode_members(row), 1)
    del row["version"]
    row[ACTOR_ID] = None
    row["mac"] = mac
    return row


def _row_of_version_2(row: Mapping[str, Value], actor_id: UUID) -> dict[str, Value]:
    members = {**row, ACTOR_ID: str(actor_id), "version": 2}
    covered = canonical.encode_members({name: members[name] for name in MAC_ORDERS[2]})
    del members["version"]
    return {**members, "mac": compute_entry_mac(covered, 2)}


def new_event_id() -> str:
    """A random UUID (RFC 9562 section 5.4) as text. ``uuid`` creates an object first and takes three times as long."""
    octets = bytearray(os.urandom(16))
    octets[6] = octets[6] & 0x0F | 0x40
    octets[8] = octets[8] & 0x3F | 0x80
    text = octets.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


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


def parameters_of(rows: Iterable[EntryRow]) -> list[bytes | None]:
    """The values of the rows, one after the other, in PostgreSQL's text format."""
    return [_parameter(row[name]) for row in rows for name in COLUMNS]


def _parameter(value: Value) -> bytes | None:
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
