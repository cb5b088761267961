"""Subqueries for times and counts of the log, for use in larger statements. They never select an entry."""

from datetime import UTC, datetime

from django.db.models import (
    BigIntegerField,
    Exists,
    ExpressionWrapper,
    F,
    FloatField,  # noqa: TID251 - of an expression, which no row has
    IntegerField,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce, NullIf

from audit.log.events import Outcome
from audit.log.raw_rows import SpelledTimestamp, SpelledTimestampField
from audit.models import AuditAlarm, AuditBundle, AuditCheckpoint, AuditLog, AuditPass, AuditSegment
from audit.sequencing.alarms import MOST_OPEN
from audit.sequencing.eras import id_at

# Used for unreadable times, so that tampering shows as lag.
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_TIMESTAMP = SpelledTimestampField(otherwise=_LONG_AGO)


class CountOf(Subquery):
    """The number of rows of a query."""

    template = "(SELECT count(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def unsequenced() -> QuerySet[AuditBundle, datetime]:
    """The times of bundles whose entries wait for a place in the tree. The first one waits longest."""
    since = ExpressionWrapper(SpelledTimestamp("at"), output_field=_TIMESTAMP)
    return waiting().annotate(since=since).values_list("since", flat=True)


def unsigned() -> QuerySet[AuditLog, datetime]:
    """The time of the oldest entry in the tree that no checkpoint covers."""
    # The first entry of its row: a checkpoint ends with a bundle.
    return _times_of(AuditLog.objects.filter(id=id_at(signed_size())))  # noqa: CC2 - timestamps only


def after(log_id: int) -> QuerySet[AuditLog, datetime]:
    """The times of the rows after this id, in the order of the log."""
    return _times_of(AuditLog.objects.filter(id__gt=log_id).order_by("id"))  # noqa: CC2 - timestamps only


def _times_of(rows: QuerySet[AuditLog]) -> QuerySet[AuditLog, datetime]:
    since = ExpressionWrapper(SpelledTimestamp("timestamp"), output_field=_TIMESTAMP)
    return rows.annotate(since=since).values_list("since", flat=True)


def written_after(size: F) -> Combinable:
    """The time of the entry after the first ``size``; of the first one of its segment if only the archive has it, and of
    the next one if it was deleted.
    """
    segment = AuditSegment.objects.filter(number=size / AuditSegment.ENTRIES)
    archived = segment.values(spelled=SpelledTimestamp("first_at"))
    written = _times_of(AuditLog.objects.with_entry(id_at(size)))  # noqa: CC2 - timestamps only
    later = _times_of(AuditLog.objects.filter(id__gt=id_at(size)).order_by("id"))  # noqa: CC2 - timestamps only
    found = [Subquery(each[:1]) for each in (written, archived, later)]
    return Coalesce(*found, output_field=_TIMESTAMP)


def since_unsequenced() -> Subquery:
    return Subquery(unsequenced()[:1])


def since_unsigned() -> Subquery:
    return Subquery(unsigned()[:1])


def waiting() -> QuerySet[AuditBundle]:
    """Bundles whose entries wait for a place in the tree, oldest first."""
    return AuditBundle.objects.filter(rejected_at__isnull=True).order_by("id")


def newest_archived() -> QuerySet[AuditSegment, datetime]:
    """The time of the newest entry in the archive. Its row is not verified, so use it for a hint only."""
    until = ExpressionWrapper(SpelledTimestamp("last_at"), output_field=_TIMESTAMP)
    newest = AuditSegment.objects.order_by("-number").annotate(until=until)
    return newest.values_list("until", flat=True)


def archived_until() -> Subquery:
    return Subquery(newest_archived()[:1])


def pending_count() -> Coalesce:
    """The number of entries that wait for a place in the tree."""
    total = waiting().order_by().values("rejected_at").annotate(total=Sum("entries")).values("total")
    return Coalesce(Subquery(total), Value(0), output_field=BigIntegerField())


def signed_size() -> Coalesce:
    """How many entries the newest checkpoint covers."""
    return Coalesce(Subquery(_newest_checkpoint().values("size")[:1]), Value(0))


def pass_progress() -> Subquery:
    """How far the current pass of the continuous verification is, from 0.0 to 1.0. Its row is not verified, so use it for a hint only."""
    done, size, trail_size = (Cast(name, FloatField()) for name in ("position", "size", "trail_size"))
    progress = AuditPass.objects.values(progress=done / NullIf(size + trail_size, Value(0.0)))
    return Subquery(progress[:1], output_field=FloatField())


def signed_at() -> Subquery:
    """When the newest checkpoint was signed."""
    return Subquery(_newest_checkpoint().values("signed_at")[:1])


def last_done_at(action: str) -> Subquery:
    """When an action of the installation last succeeded."""
    done = AuditLog.objects.filter(action=action, outcome=Outcome.OK.value).order_by("-id")  # noqa: CC2 - timestamps only
    return Subquery(done.values(spelled=SpelledTimestamp("timestamp"))[:1], output_field=_TIMESTAMP)


def last_about(action: str, object_id: Combinable) -> tuple[Subquery, Subquery]:
    """When an action with this object was last recorded, and its outcome."""
    entries = AuditLog.objects.filter(action=action, object_id=object_id).order_by("-id")  # noqa: CC2 - timestamps and counts only
    spelled = entries.values(spelled=SpelledTimestamp("timestamp"))[:1]
    return Subquery(spelled, output_field=_TIMESTAMP), Subquery(entries.values("outcome")[:1])


def last_alarm() -> Subquery:
    """When the newest unresolved alarm was raised."""
    newest = (
        AuditAlarm.objects.unresolved().order_by("-raised_at").values(spelled=SpelledTimestamp("raised_at"))
    )
    return Subquery(newest[:1], output_field=_TIMESTAMP)


def alarm_count() -> CountOf:
    """How many alarms are unresolved, up to ``MOST_OPEN``."""
    return CountOf(AuditAlarm.objects.unresolved().order_by().values("id")[:MOST_OPEN])


def has_resolved_alarms() -> Exists:
    return Exists(AuditAlarm.objects.decided())


def _newest_checkpoint() -> QuerySet[AuditCheckpoint]:
    return AuditCheckpoint.objects.order_by("-size")
