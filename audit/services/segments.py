"""Segments of the archive: list them, and find out what the database no longer has."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, QuerySet, Sum

from audit.archive.contents import Kept
from audit.browse.matching import Matcher
from audit.browse.selection import LogCriteria
from audit.errors import EntryArchived
from audit.log.canonical import format_timestamp
from audit.models import READ_PERMISSION, AuditSegment, Reader
from audit.sequencing.timestamps import newest_archived
from audit.services.alarms import LIST_PERMISSION
from kernel.errors import DomainError, NotFound
from kernel.rules import Caller

_PRECISION = timedelta(microseconds=1)  # the precision of a timestamp


@dataclass(frozen=True, slots=True)
class _ArchiveState:
    """How the log is archived, and how much of it. ``days`` is 0 if only the command archives. ``size`` is in bytes."""

    has_place: bool
    days: int
    segments: int
    size: int

    @property
    def entries(self) -> int:
        """The entries in the archive, including those that the database has, too."""
        return self.segments * AuditSegment.ENTRIES


def find_segments(*, principal: Caller) -> QuerySet[AuditSegment]:
    """The segments, newest first. Read them with ``checked``. Raises Denied."""
    principal.require(LIST_PERMISSION)
    return AuditSegment.objects.order_by("-number")


def checked(rows: Iterable[AuditSegment]) -> list[AuditSegment]:
    """The rows. Raises IntegrityFailed for an altered one."""
    return [row.check_mac() for row in rows]


def read_archive_state(*, principal: Caller) -> _ArchiveState:
    """How the log is archived. Raises Denied. The sums are of rows whose MAC is not checked."""
    found = (
        find_segments(principal=principal)
        .order_by()
        .aggregate(segments=Count("pk"), size=Sum("size", default=0))
    )
    return _ArchiveState(
        has_place=bool(settings.CC_AUDIT_ARCHIVE),
        days=settings.CC_AUDIT_ARCHIVE_DAYS,
        segments=found["segments"],
        size=found["size"],
    )


def read_archived_until(criteria: LogCriteria) -> datetime | None:
    """``archived_until`` of the newest segment."""
    return archived_until(criteria, newest_archived().first())


def archived_until(criteria: LogCriteria, newest: datetime | None) -> datetime | None:
    """The time ``newest`` of the newest archived entry, if the criteria can match operations up to then; None otherwise."""
    if newest is None or not Matcher(criteria, {}).may_match_operations:
        return None
    return newest if criteria.since is None or criteria.since <= newest else None


def absence_of(reader: Reader, log_id: int) -> DomainError:
    """The error for an entry that the reader cannot see: EntryArchived for readers of the whole log if the archive has
    it, otherwise NotFound. Raises IntegrityFailed for an altered segment.
    """
    if reader.scope(READ_PERMISSION) != "all":
        return NotFound()
    segment = AuditSegment.objects.filter(first_id__lte=log_id).order_by("-number").first()
    if segment is None or log_id > segment.check_mac().last_id or log_id - segment.first_id in Kept(segment):
        return NotFound()
    since, until = segment.first_at, segment.last_at + _PRECISION
    return EntryArchived(log_id, segment.number, format_timestamp(since), format_timestamp(until))
