"""From the columns of a row to the bytes that are hashed: the row *is* the entry.

Every column counts, in a fixed field list with its version. Change one and the bytes differ; nothing outside
the row is needed to compute them again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from audit import canonical
from audit.canonical import JsonValue

ENTRY_VERSION = 1

# Columns of ``audit_logs`` but ``mac``, which is computed over the others and proves itself.
ENTRY_FIELDS = (
    "id",
    "event_id",
    "timestamp",
    "user_id",
    "actor_type",
    "actor_name",
    "auth_method",
    "token_id",
    "client_ip",
    "user_agent",
    "source",
    "action",
    "object_type",
    "object_id",
    "object_version",
    "outcome",
    "code",
    "request_id",
    "count",
    "size",
    "meta",
    "writer",
    "wseq",
)
MAC_FIELDS = tuple(name for name in ENTRY_FIELDS if name != "id")

TRAIL_FIELDS = (
    "id",
    "event_id",
    "table_name",
    "record_id",
    "action",
    "old_values",
    "new_values",
    "changed_by",
    "changed_at",
)


def entry_bytes(row_values: Mapping[str, object]) -> bytes:
    """The entry of an ``audit_logs`` row: canonical JSON of its columns. KeyError where one is missing."""
    return _versioned(row_values, ENTRY_FIELDS)


def mac_bytes(row_values: Mapping[str, object]) -> bytes:
    """What the row's MAC covers: the entry without ``id``, which the database gives only at the INSERT."""
    return _versioned(row_values, MAC_FIELDS)


def trail_bytes(row_values: Mapping[str, object]) -> bytes:
    """An ``audit_trail`` row in the same form."""
    return _versioned(row_values, TRAIL_FIELDS)


def trail_digest(row_values: Mapping[str, object]) -> str:
    """SHA-256 (hex) of ``trail_bytes``; it stands in the ``meta`` of the row's event."""
    return hashlib.sha256(trail_bytes(row_values)).hexdigest()


def values_of(row: object, names: Sequence[str]) -> dict[str, object]:
    """The named columns of a model instance."""
    return {name: getattr(row, name) for name in names}


def _versioned(row_values: Mapping[str, object], names: Sequence[str]) -> bytes:
    columns = {name: _plain(row_values[name]) for name in names}
    return canonical.encode({"version": ENTRY_VERSION, **columns})


def _plain(value: object) -> JsonValue:
    match value:
        case str() | None | int():
            return value
        case UUID():
            return str(value)
        case datetime():
            return canonical.format_timestamp(value)
        case Mapping():
            return value
    raise TypeError(f"a column of an entry holds no {type(value).__name__}")
