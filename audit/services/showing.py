"""Show rows of the log: each is compared with its leaf, and an altered row raises an alarm.

Like ``proofs``, not imported by ``audit.services``, because it depends on the checkpoint keys.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from audit import actions
from audit.log import object_names
from audit.log.raw_rows import uuid_of
from audit.models import AuditLog, AuditTrail, Integrity, Reader
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.services.alarms import raise_alarms
from audit.services.segments import absence_of
from audit.verification import integrity
from audit.verification.integrity import FoundChange, FoundEntry

_CHANGED_ROW = re.compile(r"changed row (-?\d{1,18}), ")


@dataclass(frozen=True, slots=True)
class _ShownEntry:
    """One entry with the rows it changed. An intact entry also names ``missing`` rows that no longer exist."""

    entry: AuditLog
    changes: Sequence[AuditTrail]
    missing: int


def show_rows(rows: QuerySet[AuditLog]) -> list[AuditLog]:
    """One entry of each row, an altered one if there is one, with the row's number of ``entries``."""
    shown, found = [], []
    for entries in integrity.find_rows(rows):
        entry = next((entry for entry in entries if entry.faults), entries[0])
        row = entry.as_row()
        row.entries = len(entries) if len(entries) > 1 else None
        found.append(entry)
        shown.append(row)
    _report_altered(found)
    return shown


def show_newest(
    rows: QuerySet[AuditLog], limit: int, is_shown: Callable[[FoundEntry], bool] = lambda _entry: True
) -> tuple[list[AuditLog], int | None]:
    """The ``limit`` newest entries of the first ``limit + 1`` rows, which are sorted newest first.

    Also the ``before`` with which to continue; None if nothing is left.
    """
    found: list[FoundEntry] = []
    entries: list[FoundEntry] = []
    read = 0
    for entries in integrity.find_rows(rows[: limit + 1]):
        read += 1
        found += filter(is_shown, reversed(entries))
        if len(found) > limit:
            break
    _report_altered(found)
    shown = [entry.as_row() for entry in found[:limit]]
    if len(found) > limit:
        return shown, found[limit - 1].log_id
    return shown, entries[0].row.id if read > limit else None


def with_names(
    reader: Reader, entries: Sequence[AuditLog], known: Mapping[tuple[str, str], str] | None = None
) -> Sequence[AuditLog]:
    """Set the names and pages of objects that the reader may see, with at most one query.

    ``known`` are names of visible objects, ``{(type, id): name}``.
    """
    names = dict(known or {})
    names |= object_names.visible_names(reader, [each for each in objects_of(entries) if each not in names])
    return set_names(entries, names)


def objects_of(entries: Iterable[AuditLog]) -> list[tuple[str, str]]:
    """Their types and ids."""
    return [(entry.object_type, entry.object_id) for entry in entries]


def set_names(entries: Sequence[AuditLog], names: Mapping[tuple[str, str], str]) -> Sequence[AuditLog]:
    """Like ``with_names``, with all names of visible objects and no query."""
    for entry in entries:
        object_id = str(entry.object_id)
        if name := names.get((entry.object_type, object_id)):
            entry.object_name, entry.object_page = name, object_names.page_of(entry.object_type)
        elif entry.object_type == entry.actor_type and object_id == str(entry.user_id or entry.actor_id):
            entry.object_name = entry.actor_name
        elif (requested := object_names.without_prefix(object_id)) != object_id:
            entry.object_name = requested
    return entries


def show_changes(rows: QuerySet[AuditTrail]) -> list[AuditTrail]:
    """Changed rows, as ``find_changes`` selects them, with their ``integrity``."""
    found = integrity.find_changes(rows)
    _report_altered(changes=found)
    return [change.as_row() for change in found]


def show_entry(*, reader: Reader, log_id: int) -> AuditLog:
    """One entry. Raises Denied, EntryArchived, and NotFound also if the reader may not see it."""
    entry = _one(reader, log_id)
    _report_altered([entry])
    return entry.as_row()


def show_entry_with_changes(*, reader: Reader, log_id: int) -> _ShownEntry:
    """One entry and its changed rows. Raises Denied, EntryArchived and NotFound."""
    entry = _one(reader, log_id)
    changes, missing = _changes_of(entry, AuditTrail.objects.visible_to(reader))
    if _alarms_about(entry, changes, missing):
        # Of all its changed rows: one that the reader may not see is not missing.
        raise_alarms(_alarms_about(entry, *_changes_of(entry, AuditTrail.objects.all())))  # noqa: CC2 - the changed rows of an entry that the reader may see
    return _ShownEntry(entry.as_row(), [change.as_row() for change in changes], len(missing))


def present_alarms(log_id: int | None, found: str) -> list[Alarm]:
    """The alarms that showing the entry, or the changed row that ``found`` names, would raise now."""
    if named := _CHANGED_ROW.match(found):
        changes = integrity.find_changes(AuditTrail.objects.filter(id=int(named[1])))  # noqa: CC2 - the changed rows of an alarm, to compare them again
        return alarms_of_changes(changes)
    entries = integrity.find_entries(AuditLog.objects.filter(id__in=[log_id]))  # noqa: CC2 - the entry of an alarm, to compare it again
    # An alarm is about the whole row.
    altered = [entry for entry in entries if entry.faults]
    return [
        alarm
        for entry in (altered or entries)[:1]
        for alarm in _alarms_about(entry, *_changes_of(entry, AuditTrail.objects.all()))  # noqa: CC2 - the changed rows of an alarm, to compare them again
    ]


def _changes_of(entry: FoundEntry, rows: QuerySet[AuditTrail]) -> tuple[Sequence[FoundChange], Sequence[str]]:
    """The changed rows of an entry, and the digests of the missing ones."""
    event_id = uuid_of(entry.columns["event_id"])
    found = rows.filter(event_id__in=[event_id] if event_id else []).order_by("id")
    changes = integrity.find_changes(found, [entry])
    return changes, [] if entry.faults else _missing(entry, changes)


def _alarms_about(entry: FoundEntry, changes: Sequence[FoundChange], missing: Sequence[str]) -> list[Alarm]:
    if entry.faults:
        return [alarm_of(entry)]  # an altered entry proves nothing about its changed rows
    alarms = alarms_of_changes(changes)
    return [*alarms, _alarm_of_missing(entry, missing)] if missing else alarms


def _missing(entry: FoundEntry, changes: Sequence[FoundChange]) -> list[str]:
    """The digests of missing rows. An altered row takes the place of a named one."""
    digests = set(entry.inspection.digests) - {change.digest for change in changes}
    return sorted(digests)[: max(0, len(entry.inspection.digests) - len(changes))]


def alarms_of_rows(rows: QuerySet[AuditLog]) -> Iterator[tuple[list[FoundEntry], list[Alarm]]]:
    """The entries of each row, and the alarms that showing them would raise, except those of changed rows that exist."""
    found = list(integrity.find_rows(rows))
    naming = [
        entry for entries in found for entry in entries if entry.inspection.digests and not entry.faults
    ]
    event_ids = [str(entry.columns["event_id"]) for entry in naming]
    named = AuditTrail.objects.filter(event_id__in=event_ids).order_by("id")  # noqa: CC2 - the changed rows of these entries, to compare them
    changes: dict[object, list[FoundChange]] = {}
    for change in integrity.find_changes(named, naming) if naming else ():
        changes.setdefault(change.columns["event_id"], []).append(change)
    for entries in found:
        about = next((entry for entry in entries if entry.faults), entries[0])
        missing = [] if about.faults else _missing(about, changes.get(about.columns["event_id"], []))
        yield entries, _alarms_about(about, [], missing)


def _report_altered(entries: Iterable[FoundEntry] = (), changes: Iterable[FoundChange] = ()) -> None:
    """Raise an alarm for each altered row. Call it outside a snapshot, because it writes."""
    alarms = [alarm_of(entry) for entry in entries if entry.faults]
    alarms += alarms_of_changes(changes)
    if alarms:
        raise_alarms(alarms)


def alarm_of(entry: FoundEntry) -> Alarm:
    """The alarm about the row of an altered entry. The same alteration always gives an equal alarm."""
    row, leaf = entry.row, entry.row.leaf_at(0)
    return Alarm(
        kind=AlarmKind.ENTRY_ALTERED,
        log_id=row.id if isinstance(row.id, int) else None,
        expected="an entry with a leaf" if leaf is None else f"leaf {_text_of(leaf)}",
        found=f"row {row.evidence}",
        is_of_alarm=entry.inspection.is_authentic and entry.columns["action"] == actions.LOG_ALARMED,
    )


def _text_of(leaf: object) -> str:
    return leaf.hex() if isinstance(leaf, bytes) else repr(leaf)


def alarms_of_changes(changes: Iterable[FoundChange]) -> list[Alarm]:
    """The alarms about the altered ones. Each refers to the entry of its event, if there is one."""
    altered = [change for change in changes if change.integrity == Integrity.ALTERED]
    entries = integrity.entries_of(change.values for change in altered)
    # The key includes the time, so a row always raises the same alarm, regardless of the rows shown beside it.
    log_ids = {(entry.columns["event_id"], entry.columns["timestamp"]): entry.values[0] for entry in entries}
    return [
        Alarm(
            kind=AlarmKind.ENTRY_ALTERED,
            log_id=log_ids.get((change.columns["event_id"], change.columns["changed_at"])),
            expected="a changed row that its entry names",
            found=f"changed row {change.values[0]}, {change.evidence}",
        )
        for change in altered
    ]


def _alarm_of_missing(entry: FoundEntry, missing: Sequence[str]) -> Alarm:
    expected = f"{len(entry.inspection.digests)} changed rows that the entry names"
    found = f"{len(missing)} missing, {hashlib.sha256(''.join(missing).encode()).hexdigest()}"
    return Alarm(kind=AlarmKind.ENTRY_ALTERED, log_id=entry.values[0], expected=expected, found=found)


def _one(reader: Reader, log_id: int) -> FoundEntry:
    found = integrity.find_entries(AuditLog.objects.visible_to(reader).with_entry(log_id))
    entries = [entry for entry in found if entry.log_id == log_id]
    if not entries:
        raise absence_of(reader, log_id)
    # A row that someone inserted within another one takes no one's place.
    return min(entries, key=lambda entry: len(entry.faults))
