"""Leases of log targets: one worker at a time delivers to a target, in order.

Every change is one statement or a short transaction. None is open during an exchange with a receiver.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from audit.forwarding.batches import Batch
from audit.models import LogTarget
from kernel.clock import database_now
from kernel.observability.metrics import log_target_failures_total

LEASE: Final = timedelta(seconds=60)  # more than twice as long as any exchange
_LONGEST_PAUSE: Final = 60  # seconds between two attempts
_PROGRESS: Final = ("size", "root", "last_success_at", *LogTarget.FAILURES)


class LeaseLost(Exception):
    """Another worker delivers, or the target was changed, disabled, reset or deleted."""


def due_ids() -> list[UUID]:
    """The targets to which something may be delivered now, and that no worker has leased."""
    now = database_now()
    return list(
        _free(now).filter(_active(now) | Q(test_requested_at__isnull=False)).values_list("pk", flat=True)
    )


def claim(target_id: UUID, holder: UUID) -> LogTarget | None:
    """Lease the target. None if another worker has. Its MAC is not checked."""
    now = database_now()
    leased = {"lease_holder": holder, "lease_until": now + LEASE}
    if not _free(now).filter(pk=target_id).update(**leased):  # noqa: CC3 - a lease, by compare-and-set
        return None
    target = LogTarget.objects.filter(pk=target_id, lease_holder=holder).first()
    if target is not None:
        log_target_failures_total.labels(target.name)  # an increase from "absent" to 1 would not be seen
    return target


def renew(target: LogTarget) -> None:
    """Before each exchange. Raises LeaseLost."""
    now = database_now()
    unchanged = _held(target).filter(edits=target.edits)
    if not unchanged.update(lease_until=now + LEASE):
        raise LeaseLost


def release(target: LogTarget) -> None:
    _held(target).update(lease_holder=None, lease_until=None)


def advance(target: LogTarget, batch: Batch) -> None:
    """Save the new position after the receiver has acknowledged, also if other fields were changed meanwhile.

    Raises LeaseLost and IntegrityFailed.
    """
    with transaction.atomic():
        stored = _held(target).select_for_update().first()
        if stored is None or (stored.size, stored.root) != (target.size, target.root):
            raise LeaseLost
        stored.check_mac()
        stored.size, stored.root = batch.size, batch.root
        stored.clear_failures()
        if batch.messages:
            stored.last_success_at = database_now()
        stored.save_with_mac(_PROGRESS)
    target.size, target.root = stored.size, stored.root
    target.failures = 0


def write_failure(target: LogTarget, text: str) -> None:
    """Count a failure, and pause until the next attempt, unless the lease was lost."""
    now = database_now()
    pause = timedelta(seconds=min(2 ** min(target.failures, 10), _LONGEST_PAUSE))
    is_held = _held(target).update(
        failures=F("failures") + 1,
        failing_since=Coalesce("failing_since", Value(now)),
        last_error=text,
        next_attempt_at=now + pause,
    )
    if is_held:
        log_target_failures_total.labels(target.name).inc()


def write_test(target: LogTarget, error: str) -> None:
    """The result of a test, unless another one was requested meanwhile."""
    tested = {"test_requested_at": None, "tested_at": database_now(), "test_error": error}
    rows = LogTarget.objects.filter(pk=target.pk, test_requested_at=target.test_requested_at)
    rows.update(**tested)


def stop(target: LogTarget, reason: str) -> None:
    """Deliver nothing more until a person resets the position. Raises LeaseLost and IntegrityFailed."""
    with transaction.atomic():
        stored = _held(target).select_for_update().first()
        if stored is None or stored.edits != target.edits:
            raise LeaseLost
        stored.check_mac().stopped_reason = reason
        stored.save_with_mac(["stopped_reason"])


def _held(target: LogTarget) -> QuerySet[LogTarget]:
    return LogTarget.objects.filter(pk=target.pk, lease_holder=target.lease_holder)


def _free(now: datetime) -> QuerySet[LogTarget]:
    return LogTarget.objects.filter(Q(lease_until=None) | Q(lease_until__lt=now))


def _active(now: datetime) -> Q:
    return Q(is_enabled=True, stopped_reason="") & (Q(next_attempt_at=None) | Q(next_attempt_at__lte=now))
