"""Submitting, cancelling and announcing jobs. A lost notification delays a job but never loses it."""

import logging
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction

from kernel.clock import database_now
from kernel.errors import Conflict
from kernel.jobs import leases
from kernel.jobs.job import Job, JobRecord, Status
from kernel.jobs.progress import lease_seconds
from kernel.jobs.registry import kind_of, kinds, register_periodic
from kernel.trust.row_mac import MacProtectedRow

logger = logging.getLogger(__name__)

_MOST_AT_ONCE = 100


def submit(job: Job) -> None:
    """Insert the new row, and notify the workers after the caller's transaction has committed."""
    _insert(job)
    transaction.on_commit(partial(_notify, job.kind, job.pk))


def submit_leased(job: Job) -> None:
    """Insert the new row with a lease of this process, which then calls ``running.run_leased``."""
    leases.lease_new(job)
    _insert(job)


def cancel(job: Job) -> None:
    """End a pending job at once, a running one at its next progress report, and reload ``job``.

    Raises Conflict if it has ended.
    """
    with transaction.atomic():
        row = JobRecord.objects.select_for_update().get(pk=job.pk)
        if row.has_ended:
            raise Conflict("This job has already ended.")
        if row.status == Status.PENDING:
            leases.end(row, Status.CANCELLED, {})
        else:
            row.cancel_requested_at = row.cancel_requested_at or database_now()
            row.save(update_fields=["cancel_requested_at"])  # noqa: CC3 - the task decides when it runs
        job.refresh_from_db()


def _notify(kind: str, job_id: UUID) -> None:
    """Notify the workers through the broker, if there is one. Never raises: workers find the row later anyway."""
    if not settings.CELERY_BROKER_URL:
        return
    from kernel.jobs import notifier  # noqa: PLC0415 - do not load Celery without a broker

    try:
        notifier.notify(kind, str(job_id))
    except Exception:
        logger.exception("the broker does not respond: a job waits until it does")


def deliver_due_jobs() -> None:
    """Notify again for overdue jobs and for jobs whose worker died. Raises what the broker raises."""
    if not settings.CELERY_BROKER_URL:
        return
    from kernel.jobs import notifier  # noqa: PLC0415 - do not load Celery without a broker

    now = database_now()
    overdue = leases.due(now, late=timedelta(seconds=lease_seconds() / 2))
    rows = JobRecord.objects.filter(overdue, kind__in=kinds()).order_by("due_at")
    for kind, job_id in rows.values_list("kind", "pk")[:_MOST_AT_ONCE]:
        notifier.notify(kind, str(job_id))


def _insert(job: Job) -> None:
    job.kind = kind_of(type(job))
    if isinstance(job, MacProtectedRow):
        job.insert_with_mac()
    else:
        job.save(force_insert=True)  # noqa: CC3 - the task decides when it runs


register_periodic("deliver_due_jobs", settings.CC_JOB_LEASE_SECONDS / 2, deliver_due_jobs)
