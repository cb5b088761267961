"""How far the sequencer is behind the writers, and the checkpoints behind the sequencer."""

from dataclasses import dataclass

from audit.models import AuditLog, AuditPending
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
    oldest = AuditPending.objects.order_by("log_id").values("log_id")[:1]
    moment = AuditLog.objects.filter(id__in=oldest).values_list("timestamp", flat=True).first()
    if moment is None:
        return Lag(0, 0.0)
    pending = AuditPending.objects.all()[:COUNTED].count()
    return Lag(pending, max(0.0, (database_now() - moment).total_seconds()))


def set_gauges() -> None:
    """Tell the metrics how far the log, its tree and its checkpoints have come."""
    lag, checkpoint = read_lag(), latest_checkpoint()
    metrics.audit_lag_seconds.set(lag.seconds)
    metrics.audit_pending_entries.set(lag.pending)
    metrics.audit_tree_size.set(read_tree().size)
    metrics.audit_checkpoint_size.set(checkpoint.size if checkpoint else 0)
