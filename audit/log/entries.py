"""Convert the columns of a row to the bytes that are hashed: the row *is* the entry.

All columns are included, in a fixed, versioned list. Changing one changes the bytes. The bytes can be recomputed
from the row alone, and so can the version: 1 if ``actor_id`` is null, and then the entry has no such member; 2
otherwise. The same holds for changed rows.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from audit.log import canonical
from audit.log.canonical import JsonValue

ACTOR_ID = "actor_id"

# Columns of ``audit_logs`` except ``mac``, which is computed over the others.
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
    ACTOR_ID,
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
    ACTOR_ID,
)


_VERSION = "version"
_WITH_ACTOR_ID = 2


def _by_version(names: Sequence[str]) -> Mapping[int, tuple[str, ...]]:
    return {1: tuple(name for name in names if name != ACTOR_ID), _WITH_ACTOR_ID: tuple(names)}


# Sorted once, because every entry is encoded when it is written and by every verifier.
ENTRY_ORDERS = _by_version(sorted((*ENTRY_FIELDS, _VERSION)))
MAC_ORDERS = _by_version(sorted((*MAC_FIELDS, _VERSION)))
_TRAIL_ORDERS = _by_version(TRAIL_FIELDS)

type _Members = Mapping[str, str | int | None]
"""The columns of an entry in canonical types, sorted by name, including ``version``."""


def version_of(row_values: Mapping[str, object]) -> int:
    """The version of an entry or a changed row. Raises KeyError if the column is missing."""
    return 1 if row_values[ACTOR_ID] is None else _WITH_ACTOR_ID


def entry_bytes(row_values: Mapping[str, object]) -> bytes:
    """The entry of an ``audit_logs`` row: canonical JSON of its columns. Raises KeyError if one is missing."""
    return canonical.encode_members(_members(row_values, ENTRY_ORDERS))


def mac_bytes(row_values: Mapping[str, object]) -> bytes:
    """The bytes that the row's MAC covers: the entry without ``id``, which the database assigns at the INSERT."""
    return canonical.encode_members(_members(row_values, MAC_ORDERS))


def without_id(octets: bytes, log_id: int) -> bytes:
    """``mac_bytes`` of the row with these ``entry_bytes``.

    No text of the entry can contain the replaced member, because its quotes would be escaped.
    """
    return octets.replace(b'"id":%d,' % log_id, b"", 1)


def trail_bytes(row_values: Mapping[str, object]) -> bytes:
    """Canonical JSON of an ``audit_trail`` row."""
    version = version_of(row_values)
    columns = {name: _plain(row_values[name]) for name in _TRAIL_ORDERS[version]}
    return canonical.encode({_VERSION: version, **columns})


def trail_digest(row_values: Mapping[str, object]) -> str:
    """SHA-256 (hex) of ``trail_bytes``. The ``meta`` of the row's event contains it."""
    return hashlib.sha256(trail_bytes(row_values)).hexdigest()


def values_of(row: object, names: Sequence[str]) -> dict[str, object]:
    """The named columns of a model instance."""
    return {name: getattr(row, name) for name in names}


def _members(row_values: Mapping[str, object], orders: Mapping[int, Sequence[str]]) -> _Members:
    version = version_of(row_values)
    return {name: version if name == _VERSION else _scalar(row_values[name]) for name in orders[version]}


def _scalar(value: object) -> str | int | None:
    if value is None or type(value) is str or type(value) is int:
        return value
    match value:
        case str() | UUID():
            return str(value)
        case datetime():
            return canonical.format_timestamp(value)
    raise TypeError(f"a column of an entry holds no {type(value).__name__}")


def _plain(value: object) -> JsonValue:
    return value if isinstance(value, Mapping) else _scalar(value)
