"""How far the sequencer is behind the writers, and the checkpoints behind the sequencer."""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import QuerySet, Subquery

from audit.models import AuditLeaf, AuditLog, AuditPending
from audit.tree import latest_checkpoint, read_tree
from ciphercanary import metrics
from ciphercanary.clock import database_now

COUNTED = 100_000  # pending entries; beyond, the exact number helps nobody


@dataclass(frozen=True, slots=True)
class Lag:
    """``pending`` entries (counted up to ``COUNTED``); ``seconds``: the age of the oldest, 0.0 where there is none."""

    pending: int
    seconds: float


def read_lag() -> Lag:
    """By the database's clock."""
    return Lag(AuditPending.objects.all()[:COUNTED].count(), read_lag_seconds())


def read_lag_seconds() -> float:
    """Its age alone, which costs no count."""
    oldest = AuditPending.objects.order_by("log_id").values("log_id")[:1]
    return _age(AuditLog.objects.filter(id=Subquery(oldest)))


def is_falling_behind(seconds: float) -> bool:
    """Whether whoever writes most is slowed: half-way to the limit."""
    return seconds * 2 >= settings.CC_AUDIT_LAG_LIMIT


def is_too_far_behind(seconds: float) -> bool:
    """Whether operations are refused: ``CC_AUDIT_LAG_LIMIT`` is reached."""
    return seconds >= settings.CC_AUDIT_LAG_LIMIT


def read_unsigned_seconds() -> float:
    """The age of the oldest entry in the tree that no checkpoint covers; 0.0 where there is none."""
    newest = latest_checkpoint()
    leaf = AuditLeaf.objects.filter(idx=newest.size if newest else 0).values("log_id")[:1]
    return _age(AuditLog.objects.filter(id=Subquery(leaf)))


def set_gauges() -> None:
    """Tell the metrics how far the log, its tree and its checkpoints have come."""
    lag, checkpoint = read_lag(), latest_checkpoint()
    metrics.audit_lag_seconds.set(lag.seconds)
    metrics.audit_pending_entries.set(lag.pending)
    metrics.audit_tree_size.set(read_tree().size)
    metrics.audit_checkpoint_size.set(checkpoint.size if checkpoint else 0)


def _age(entry: QuerySet[AuditLog]) -> float:
    """Seconds since the one entry was written, 0.0 without one."""
    moment = entry.values_list("timestamp", flat=True).first()
    return 0.0 if moment is None else max(0.0, (database_now() - moment).total_seconds())
