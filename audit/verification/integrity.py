"""Check rows of the log against their leaf and MAC when they are read for display.

One statement reads a row's columns in their stored spelling (``audit.log.raw_rows``) and its leaf. Pages show exactly these values, so nothing can change between the check and the page. A row that Django could
not convert (an invalid timestamp, text that is not UTF-8) is also shown, as altered.
"""

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet

from audit.log import canonical
from audit.log.entries import TRAIL_FIELDS
from audit.log.packed_rows import COLUMNS, ROW_COLUMNS, is_packed, unpack_any
from audit.log.raw_rows import Values, any_text, presentable, spelled_columns, timestamp_of, uuid_of
from audit.models import AuditBundle, AuditLog, AuditTrail, Integrity
from audit.sequencing.bundles.taking import waiting_columns
from audit.sequencing.eras import StoredLeaves
from audit.tlog.merkle import HASH_SIZE
from audit.verification.inspection import Fault, Inspection, faults_of, inspect_row, inspect_waiting
from audit.verification.trail import digest_of

_CHUNK = 1_000  # rows in memory while a stream is read
_CHANGED_AT = TRAIL_FIELDS.index("changed_at")


@dataclass(frozen=True, slots=True)
class _StoredRow:
    """A row of ``audit_logs`` as stored: the columns ``ROW_COLUMNS``, and the hashes of its leaves."""

    values: Values
    leaves: bytes | None

    @property
    def id(self) -> Any:
        return self.values[0]

    @property
    def is_packed(self) -> bool:
        return is_packed(self.values)

    @property
    def evidence(self) -> str:
        """SHA-256 (hex) of all compared values. It changes with every new alteration."""
        values = self.values if self.is_packed else self.values[: len(COLUMNS)]
        return _digest([*values, self.leaves])

    def leaf_at(self, place: int) -> bytes | None:
        """The leaf of an entry. A tile can end before it, and can be a text on SQLite."""
        if not isinstance(self.leaves, bytes):
            return self.leaves
        return self.leaves[place * HASH_SIZE : (place + 1) * HASH_SIZE] or None


@dataclass(frozen=True, slots=True)
class FoundEntry:
    """An entry as stored: the columns ``COLUMNS``, its leaf's hash, and its faults."""

    values: Values
    leaf: bytes | None
    inspection: Inspection
    faults: tuple[Fault, ...]
    row: _StoredRow

    @property
    def log_id(self) -> int:
        return int(self.values[0])

    @property
    def integrity(self) -> Integrity:
        return Integrity.ALTERED if self.faults else Integrity.VERIFIED

    @property
    def octets(self) -> bytes:
        """The hashed bytes of the entry; empty if the columns have no canonical form."""
        return self.inspection.octets

    @property
    def columns(self) -> dict[str, object]:
        """``{name: value}``, valid as JSON and UTF-8 for any stored value."""
        return _presentable(COLUMNS, self.values, is_altered=bool(self.faults))

    def names(self, digest: str) -> bool:
        """Whether the entry contains the digest of this changed row."""
        return digest in self.inspection.digests

    def as_row(self) -> AuditLog:
        row = _as_row(AuditLog, COLUMNS, self.columns, self.integrity)
        row.entries = row.details = None  # of the stored row, which may have other entries
        return row


@dataclass(frozen=True, slots=True)
class FoundChange:
    """A row of ``audit_trail`` as stored. ``entry`` is the entry that names it, or None. ``is_waiting``: an authentic
    entry in a bundle names it.
    """

    values: Values
    digest: str
    entry: FoundEntry | None
    is_waiting: bool = False

    @property
    def integrity(self) -> Integrity:
        if self.entry is not None:
            return self.entry.integrity
        return Integrity.PENDING if self.is_waiting else Integrity.ALTERED

    @property
    def columns(self) -> dict[str, object]:
        """Like ``FoundEntry.columns``. The JSON columns are parsed if their value has a canonical form."""
        found = _presentable(TRAIL_FIELDS, self.values, is_altered=self.integrity == Integrity.ALTERED)
        return found | {name: _parsed(found[name]) for name in ("old_values", "new_values")}

    @property
    def evidence(self) -> str:
        return _digest(self.values)

    def as_row(self) -> AuditTrail:
        return _as_row(AuditTrail, TRAIL_FIELDS, self.columns, self.integrity)


def find_entries(rows: QuerySet[AuditLog]) -> list[FoundEntry]:
    """The entries of these rows, in order, with one statement.

    Raises KekUnavailable and UnwrapFailed, because no MAC can be checked without the key.
    """
    return [entry for entries in find_rows(rows) for entry in entries]


def find_rows(rows: QuerySet[AuditLog]) -> Iterator[list[FoundEntry]]:
    """The entries of each row, with one statement. They are inspected one row after the other."""
    with any_text():
        stored = list(_with_leaves(rows))
    return map(_found, stored)


def columns_in(rows: QuerySet[AuditLog]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The id of the row, and the columns of each entry, which is not inspected."""
    with any_text():
        stored = list(rows.values_list(*spelled_columns(AuditLog, ROW_COLUMNS)))
    for row in stored:
        for values in unpack_any(row):
            yield row[0], _presentable(COLUMNS, values, is_altered=True)


def stream_entries(rows: QuerySet[AuditLog]) -> Generator[FoundEntry]:
    """Like ``find_entries``, for any number of rows. Call it inside ``one_snapshot``."""
    with any_text():
        for values in _with_leaves(rows).iterator(chunk_size=_CHUNK):
            yield from _found(values)


def find_changes(
    rows: QuerySet[AuditTrail], entries: Sequence[FoundEntry] | None = None
) -> list[FoundChange]:
    """Changed rows in order. ``entries`` are those that may name them. They are looked up if not given."""
    with any_text():
        found = list(rows.values_list(*spelled_columns(AuditTrail, TRAIL_FIELDS)))
    changes = _explained(found, entries_of(found) if entries is None else entries)
    unexplained = [change.values for change in changes if change.entry is None]
    if not unexplained or entries is not None:
        return changes
    waiting = _waiting_digests(unexplained)
    # Again after the bundles, because a bundle may just have become rows.
    return [
        replace(again, is_waiting=again.digest in waiting) if change.entry is None else change
        for change, again in zip(changes, _explained(found, entries_of(found)), strict=True)
    ]


def _explained(found: Sequence[Values], entries: Sequence[FoundEntry]) -> list[FoundChange]:
    """The changed rows with those of the entries that name them."""
    intact_first = sorted(entries, key=lambda entry: bool(entry.faults))
    changes = [(values, digest_of(values)) for values in found]
    return [
        FoundChange(values, digest, next((entry for entry in intact_first if entry.names(digest)), None))
        for values, digest in changes
    ]


def _waiting_digests(changes: Iterable[Values]) -> set[str]:
    """The digests in authentic bundles of the same timestamps."""
    timestamps = {timestamp for values in changes if (timestamp := timestamp_of(values[_CHANGED_AT]))}
    return {
        digest
        for columns in waiting_columns(AuditBundle.objects.filter(at__in=timestamps))
        for digest in inspect_waiting(columns)[1].digests
    }


def _with_leaves(rows: QuerySet[AuditLog]) -> QuerySet[AuditLog, Values]:
    return rows.values_list(*spelled_columns(AuditLog, ROW_COLUMNS), StoredLeaves("id", "entries"))


def _found(stored: Values) -> list[FoundEntry]:
    *values, leaves = stored
    row = _StoredRow(tuple(values), (bytes(leaves) if isinstance(leaves, memoryview) else leaves) or None)
    found = []
    for place, (columns, inspection) in enumerate(inspect_row(row.values)):
        leaf = row.leaf_at(place)
        found.append(FoundEntry(columns, leaf, inspection, tuple(faults_of(inspection, leaf)), row))
    return found


def entries_of(changes: Iterable[Values]) -> list[FoundEntry]:
    """The entries of changed rows, found with the timestamp index: both rows have the same timestamp."""
    named = [dict(zip(TRAIL_FIELDS, values, strict=True)) for values in changes]
    timestamps = {timestamp for row in named if (timestamp := timestamp_of(row["changed_at"]))}
    events = {event_id for row in named if (event_id := uuid_of(row["event_id"]))}
    if not timestamps or not events:
        return []
    return find_entries(AuditLog.objects.filter(timestamp__in=timestamps, event_id__in=events).order_by("id"))  # noqa: CC2 - the entries of visible changed rows, to compare them


def _presentable(names: Sequence[str], values: Values, *, is_altered: bool) -> dict[str, object]:
    if is_altered:
        values = tuple(map(presentable, values))
    return dict(zip(names, values, strict=True))


def _parsed(text: object) -> object:
    try:
        value = json.loads(text)  # type: ignore[arg-type]  # TypeError is caught
        canonical.encode(value)
    except (TypeError, ValueError, RecursionError):
        return text
    return value


def _as_row[M: (AuditLog, AuditTrail)](
    model: type[M], names: Sequence[str], columns: Mapping[str, object], integrity: Integrity
) -> M:
    """An instance for templates and the admin. A value that its column's type does not allow stays text."""
    typed = dict(columns)
    for name, convert in _conversions(model):
        typed[name] = convert(columns[name]) or columns[name]
    row = model.from_db(connection.alias, names, [typed[name] for name in names])
    row.found, row.integrity = columns, integrity
    return row


@cache  # a page converts each value of fifty rows
def _conversions(model: type[Model]) -> Sequence[tuple[str, Callable[[object], object]]]:
    converters: dict[str, Callable[[object], object]] = {"UUIDField": uuid_of, "DateTimeField": timestamp_of}
    kinds = {field.attname: field.get_internal_type() for field in model._meta.concrete_fields}
    return [(name, converters[kind]) for name, kind in kinds.items() if kind in converters]


def _digest(values: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(values, default=_hex).encode()).hexdigest()


def _hex(value: object) -> str:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else repr(value)
