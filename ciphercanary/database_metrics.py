"""The metrics whose values come from the database. The web server measures them when it is scraped."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from prometheus_client import Gauge

from audit import actions
from audit.forwarding import lags
from audit.sequencing.lag import set_gauges
from audit.sequencing.timestamps import last_done_at
from audit.services.alarms import count_open_alarms
from console.key_encryption.keks import has_good_copies, kek_columns
from kernel.clock import process_now
from kernel.jobs import job, registry
from kernel.observability import metrics
from kernel.observability.check_rounds import CheckRounds
from kernel.runtime import ProcessState
from kernel.trust.models import Instance
from keys.reading.services import EXPIRY_DAYS, measure_keys
from notifications.services.measuring import measure_deliveries

_KEK_COPY = "key_encryption_key_copy"  # the check of the system page


def update() -> None:
    """Measure the current values, within half a second. Without a response of the database in that time, the values are NaN."""
    if "database metrics" not in _rounds.current.results():
        invalidate()


def invalidate() -> None:
    """Set the gauges to NaN, Prometheus's value for "not measured". Old values would look current."""
    for gauge in _gauges():
        gauge.set(math.nan)
    lags.invalidate_gauges()


def _gauges() -> Iterator[Gauge]:
    yield from metrics.DATABASE_GAUGES
    yield metrics.health_check.labels(_KEK_COPY)
    yield from (metrics.keys_expiring.labels(days) for days in EXPIRY_DAYS)
    for kind in registry.kinds():
        yield metrics.job_queue_age_seconds.labels(kind)
        yield from (metrics.jobs.labels(kind, status.value) for status in job.Status)


def _measure() -> None:
    keys = measure_keys()
    metrics.active_keys_total.set(keys.active)
    metrics.keys_overdue_for_rotation.set(keys.overdue)
    metrics.key_rotation_overdue_seconds.set(keys.overdue_seconds)
    for days, count in keys.expiring.items():
        metrics.keys_expiring.labels(days).set(count)
    set_gauges()
    lags.set_gauges()
    _measure_installation()
    metrics.audit_alarms_open.set(count_open_alarms())
    deliveries = measure_deliveries()
    metrics.notifications_pending.set(deliveries.pending)
    metrics.notification_oldest_pending_seconds.set(deliveries.oldest_seconds)
    metrics.notification_deliveries_failed.set(deliveries.failed)
    for kind, queue in registry.read_queues().items():
        metrics.job_queue_age_seconds.labels(kind).set(queue.age)
        for status, count in queue.counts.items():
            metrics.jobs.labels(kind, status).set(count)


def _measure_installation() -> None:
    """The last backup, the last full pass, and the key-encryption keys, in one query. It scans the tables with wrapped keys."""
    columns = {
        "backed_up_at": last_done_at(actions.BACKUP_CREATED),
        "passed_at": last_done_at(actions.PASS_FINISHED),
        **kek_columns(),
        "has_copies": has_good_copies(),
    }
    found: dict[str, Any] = dict(Instance.objects.values(**columns).get())
    backed_up_at, passed_at, rotated_at = (
        found[name] for name in ("backed_up_at", "passed_at", "rotated_at")
    )
    metrics.backup_last_success_timestamp_seconds.set(backed_up_at.timestamp() if backed_up_at else 0.0)
    metrics.audit_last_pass_timestamp_seconds.set(passed_at.timestamp() if passed_at else 0.0)
    age = process_now() - rotated_at if rotated_at else None
    metrics.kek_age_seconds.set(age.total_seconds() if age is not None else math.nan)
    metrics.keys_to_rewrap.set(found["keys_to_rewrap"])
    metrics.health_check.labels(_KEK_COPY).set(found["has_copies"])


_rounds = ProcessState(partial(CheckRounds, {"database metrics": _measure}, seconds=metrics.SCRAPE_SECONDS))
