"""When something of the log happened, as part of a greater statement: moments and counts, never an entry itself."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from audit import actions
from audit.models import AuditCheckpoint, AuditLeaf, AuditLog, AuditPending
from ciphercanary.expressions import CountOf

COUNTED = 100_000  # pending entries; beyond, the exact number helps nobody
COUNTED_ALARMS = 1000


def unsequenced() -> QuerySet[AuditLog]:
    """The oldest entry that has no place in the tree."""
    return _entry(AuditPending.objects.order_by("log_id").values("log_id")[:1])


def unsigned() -> QuerySet[AuditLog]:
    """The oldest entry of the tree that no checkpoint covers."""
    return _entry(AuditLeaf.objects.filter(idx=signed_size()).values("log_id")[:1])


def since_unsequenced() -> Subquery:
    return Subquery(unsequenced().values("timestamp")[:1])


def since_unsigned() -> Subquery:
    return Subquery(unsigned().values("timestamp")[:1])


def pending() -> QuerySet[AuditPending]:
    """What waits for a place in the tree, up to ``COUNTED``: to be counted."""
    return AuditPending.objects.all()[:COUNTED]


def pending_count() -> CountOf:
    return CountOf(pending().values("log_id"))


def signed_size() -> Coalesce:
    """How many entries the newest checkpoint covers."""
    return Coalesce(Subquery(_newest_checkpoint().values("size")[:1]), Value(0))


def signed_at() -> Subquery:
    """When the newest checkpoint was signed."""
    return Subquery(_newest_checkpoint().values("signed_at")[:1])


def last_alarm() -> Subquery:
    """When the newest alarm was raised."""
    return Subquery(_alarms().order_by("-id").values("timestamp")[:1])


def alarm_count(since: datetime) -> CountOf:
    """How many were raised since then, up to ``COUNTED_ALARMS``."""
    return CountOf(_alarms().filter(timestamp__gte=since).values("id")[:COUNTED_ALARMS])


def _alarms() -> QuerySet[AuditLog]:
    return AuditLog.objects.filter(action=actions.LOG_ALARMED)


def _newest_checkpoint() -> QuerySet[AuditCheckpoint]:
    return AuditCheckpoint.objects.order_by("-size")


def _entry(log_ids: QuerySet[Any, Any]) -> QuerySet[AuditLog]:
    return AuditLog.objects.filter(id=Subquery(log_ids))
