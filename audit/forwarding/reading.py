"""Read entries in the order of the tree. Only this module reads rows of the log for log targets."""

from collections.abc import Iterator
from functools import lru_cache

from django.db.models import QuerySet

from audit.archive.contents import Kept
from audit.archive.entries import ArchivedEntry, archived_entry
from audit.archive.reading import read_segment
from audit.log.packed_rows import MOST
from audit.log.raw_rows import reading
from audit.models import AuditLeaf, AuditLog, AuditSegment
from audit.sequencing.eras import Eras
from audit.verification import integrity
from audit.verification.integrity import FoundEntry
from kernel.runtime import process_cache

type ReadEntry = FoundEntry | ArchivedEntry


def entries_after(size: int, most: int) -> list[tuple[int, ReadEntry]]:
    """The entries with the indices from ``size`` on, at most ``most``, each with its index in the tree.

    An altered entry has ``faults``. A missing one is left out. Entries that only the archive has come from there.
    Raises SegmentUnreadable, IntegrityFailed and django.db.Error.
    """
    with reading():  # one snapshot: rows may move to the archive meanwhile
        eras = Eras.read()
        end = min(size + most, eras.size)
        found: dict[int, ReadEntry] = dict(_archived(size, end))
        found |= _of_first_era(size, min(end, eras.old_size))
        for index, entry in _of_second_era(eras, max(size, eras.old_size), end):
            # A row that someone inserted within another one takes no one's place.
            if not entry.faults or index not in found:
                found[index] = entry
    return sorted(found.items(), key=lambda each: each[0])


def _of_first_era(first: int, end: int) -> Iterator[tuple[int, FoundEntry]]:
    if first >= end:
        return
    indices = dict(AuditLeaf.objects.filter(idx__gte=first, idx__lt=end).values_list("log_id", "idx"))
    for entry in _entries(AuditLog.objects.filter(id__in=list(indices))):  # noqa: CC2 - a log target gets the whole log
        yield indices[entry.log_id], entry


def _of_second_era(eras: Eras, first: int, end: int) -> Iterator[tuple[int, FoundEntry]]:
    if first >= end:
        return
    # A packed row may begin before the first entry, and end after the last one.
    begin = max(eras.last_old_id, eras.id_of(first) - MOST)
    rows = AuditLog.objects.filter(id__gt=begin, id__lt=eras.id_of(end))  # noqa: CC2 - a log target gets the whole log
    for entry in _entries(rows):
        if first <= (index := entry.log_id - eras.id_of(0)) < end:
            yield index, entry


def _entries(rows: QuerySet[AuditLog]) -> list[FoundEntry]:
    return integrity.find_entries(rows.order_by("id"))


def _archived(first: int, end: int) -> Iterator[tuple[int, ArchivedEntry]]:
    """Those whose rows do not stay in the database."""
    numbers = range(first // AuditSegment.ENTRIES, -(-end // AuditSegment.ENTRIES))
    for segment in AuditSegment.objects.filter(number__gte=numbers.start, number__lt=numbers.stop):
        kept, begin = Kept(segment.check_mac()), segment.number * AuditSegment.ENTRIES
        entries = _entries_of(segment.number, segment.version_id, segment.sha256)
        for index in range(max(first, begin), min(end, begin + AuditSegment.ENTRIES)):
            if index - begin not in kept:
                yield index, archived_entry(entries[index - begin])


@process_cache
@lru_cache(1)
def _entries_of(number: int, version_id: str, sha256: str) -> list[bytes]:
    """The entries of a segment. The next batch usually needs the same one."""
    segment = AuditSegment(number=number, version_id=version_id, sha256=sha256)
    return list(read_segment(segment).entries)
