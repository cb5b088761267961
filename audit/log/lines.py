"""Stored rows as the lines of a file: the bytes of each entry, and those of the changed rows that entries name."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

from audit.log.entries import ENTRY_FIELDS, TRAIL_FIELDS, entry_bytes, trail_bytes
from audit.log.events import TRAIL_DIGESTS
from audit.log.packed_rows import ROW_COLUMNS, unpack_any
from audit.log.raw_rows import Values, as_stored, json_value, rows_of, spelled
from audit.models import AuditLog, AuditTrail
from kernel.trust.row_mac import IntegrityFailed

_EVENT, _META = ENTRY_FIELDS.index("event_id"), ENTRY_FIELDS.index("meta")
_EVENT_OF_ROW = TRAIL_FIELDS.index("event_id")
_JSON = ("old_values", "new_values")


def entry_line(values: Values, index: int) -> bytes:
    """The entry of the columns ``ENTRY_FIELDS``, spelled. Raises IntegrityFailed if they have no canonical form."""
    try:
        return entry_bytes(dict(zip(ENTRY_FIELDS, values, strict=True)))
    except (TypeError, ValueError) as error:
        raise incomplete(f"the entry with index {index}") from error


def stored_entries(first_id: int, last_id: int) -> Generator[Values]:
    """The columns ``ENTRY_FIELDS``, spelled, of the entries whose rows begin within these ids, in their order."""
    statement = (
        f"SELECT {spelled(AuditLog, ROW_COLUMNS, 'g')} FROM audit_logs g "  # noqa: S608 - constants
        "WHERE g.id >= %s AND g.id <= %s ORDER BY g.id"
    )
    with closing(rows_of(statement, [first_id, last_id])) as rows:
        for row in rows:
            for values in unpack_any(row):
                yield values[: len(ENTRY_FIELDS)]


def trail_lines(entries: Sequence[Values]) -> list[bytes]:
    """The changed rows that these entries (columns ``ENTRY_FIELDS``) name, in the order of the entries.

    Raises IntegrityFailed if one has no canonical form.
    """
    naming = [values[_EVENT] for values in entries if _names_rows(values)]
    lines: dict[object, list[bytes]] = {event_id: [] for event_id in naming}
    for values in trail_of(naming) if naming else ():
        lines[values[_EVENT_OF_ROW]].append(_trail_line(values))
    return [line for event_id in lines for line in lines[event_id]]


def _names_rows(values: Values) -> bool:
    """Whether the entry (columns ``ENTRY_FIELDS``) names changed rows."""
    return TRAIL_DIGESTS in str(values[_META])


def trail_of(event_ids: Sequence[object]) -> Iterator[Values]:
    """The columns ``TRAIL_FIELDS``, spelled, of the changed rows of these events, in the order of their ids."""
    places = ", ".join(["%s"] * len(event_ids))
    statement = (
        f"SELECT {spelled(AuditTrail, TRAIL_FIELDS, 't')} FROM audit_trail t "  # noqa: S608 - constants
        f"WHERE t.event_id IN ({places}) ORDER BY t.id"
    )
    yield from rows_of(statement, [as_stored(event_id) for event_id in event_ids])


def row_of(values: Values) -> dict[str, object]:
    """The changed row as input of ``trail_digest``. Raises TypeError, ValueError and RecursionError."""
    row = dict(zip(TRAIL_FIELDS, values, strict=True))
    for name in _JSON:
        row[name] = None if row[name] is None else json_value(row[name])
    return row


def _trail_line(values: Values) -> bytes:
    try:
        return trail_bytes(row_of(values))
    except (TypeError, ValueError, RecursionError) as error:
        raise incomplete(f"the changed row {values[0]}") from error


def incomplete(what: str) -> IntegrityFailed:
    """The error for data that is missing or malformed."""
    return IntegrityFailed(f"{what[:1].upper()}{what[1:]} is missing or was altered. Run verify_audit_log.")
