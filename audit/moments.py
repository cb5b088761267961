"""When something of the log happened, as part of a greater statement: moments and counts, never an entry itself."""

from typing import Any

from django.db.models import QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from audit import actions
from audit.models import AuditCheckpoint, AuditLeaf, AuditLog, AuditPending


def since_unsequenced() -> Subquery:
    """When the oldest entry was written that has no place in the tree."""
    return _written(AuditPending.objects.order_by("log_id").values("log_id")[:1])


def since_unsigned() -> Subquery:
    """When the oldest entry of the tree was written that no checkpoint covers."""
    return _written(AuditLeaf.objects.filter(idx=signed_size()).values("log_id")[:1])


def signed_size() -> Coalesce:
    """How many entries the newest checkpoint covers."""
    return Coalesce(Subquery(AuditCheckpoint.objects.order_by("-size").values("size")[:1]), Value(0))


def alarms() -> QuerySet[AuditLog]:
    """The newest first; of them only when they were and how many there are is anybody's concern."""
    return AuditLog.objects.filter(action=actions.LOG_ALARMED).order_by("-id")


def last_alarm() -> Subquery:
    """When the newest alarm was raised."""
    return Subquery(alarms().values("timestamp")[:1])


def _written(log_ids: QuerySet[Any, Any]) -> Subquery:
    return Subquery(AuditLog.objects.filter(id=Subquery(log_ids)).values("timestamp")[:1])
