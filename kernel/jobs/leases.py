"""Leases of jobs: every change is a compare-and-set on one ``JobRecord``, so exactly one of several workers wins."""

import os
import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from kernel.clock import database_now
from kernel.jobs.job import Job, JobRecord, Status
from kernel.jobs.progress import Cancelled, LeaseLost, lease_end
from kernel.jobs.registry import Task, task_of
from kernel.observability.metrics import job_failures_total
from kernel.outbox.publishing import Announcement, publish

MAX_ATTEMPTS = 5
_GAVE_UP = "gave_up"
JOB_FAILED = "job.failed"  # a topic of notifications
_FIRST_DELAY, _LONGEST_DELAY = 5, 300  # seconds
_NO_LEASE = {"lease_until": None, "lease_holder": ""}

type _Columns = Mapping[str, Any]


def due(now: datetime, *, late: timedelta = timedelta()) -> Q:
    """Jobs that have been pending for at least ``late`` after ``due_at``, or whose worker is presumed dead."""
    return Q(status=Status.PENDING.value, due_at__lte=now - late) | Q(
        status=Status.RUNNING.value, lease_until__lt=now
    )


def claim(task: Task, job_id: UUID | str) -> Job | None:
    """Claim this job if it is due. None if another worker holds it or it has ended.

    A job that was started ``MAX_ATTEMPTS`` times without ending fails with ``gave_up``.
    """
    now = database_now()
    rows = JobRecord.objects.filter(due(now), pk=job_id, kind=task.kind)
    lease = _new_lease(now)
    taken = rows.filter(attempts__lt=MAX_ATTEMPTS).update(  # noqa: CC3 - a lease, by compare-and-set
        **lease, attempts=F("attempts") + 1, started_at=Coalesce("started_at", now)
    )
    if taken:
        return task.model._default_manager.filter(lease_holder=lease["lease_holder"]).get(pk=job_id)
    exhausted = rows.filter(attempts__gte=MAX_ATTEMPTS).first()
    if exhausted:
        with suppress(LeaseLost):  # another worker has already ended it
            _end(rows, task, exhausted, {"status": Status.FAILED.value, "error_code": _GAVE_UP})
    return None


def lease_new(job: Job) -> None:
    """Lease a job before its row is inserted, so that no other worker can claim it."""
    now = database_now()
    for name, value in _new_lease(now).items():
        setattr(job, name, value)
    job.attempts, job.started_at = 1, now


def end(
    job: JobRecord,
    status: Status,
    progress: _Columns,
    *,
    result: _Columns | None = None,
    error_code: str = "",
) -> None:
    """Record the end of the job: ``progress`` in its ``JobRecord``, and ``result`` in the table of its kind.

    Raises LeaseLost if the job has changed hands since it was read, and Cancelled instead of recording a success if it
    was cancelled after its last progress report.
    """
    ending = {**progress, "status": status.value, "error_code": error_code}
    is_success = status is Status.SUCCEEDED
    rows = _unchanged(job)
    try:
        _end(rows.filter(cancel_requested_at=None) if is_success else rows, task_of(job), job, ending, result)
    except LeaseLost:
        if is_success and rows.exists():
            raise Cancelled from None
        raise


def put_back(job: Job, progress: _Columns, *, error_code: str) -> None:
    """Return the job for a retry with increasing delay, or fail it after the last attempt. Raises LeaseLost."""
    if job.attempts >= MAX_ATTEMPTS:
        end(job, Status.FAILED, progress, error_code=error_code)
        return
    delay = timedelta(seconds=min(_FIRST_DELAY * 2 ** (job.attempts - 1), _LONGEST_DELAY))
    _release(job, {**progress, "due_at": database_now() + delay})


def hand_over(job: Job, progress: _Columns) -> None:
    """Release the job for any other worker at once, without counting this attempt. Raises LeaseLost."""
    _release(job, {**progress, "due_at": database_now(), "attempts": F("attempts") - 1})


def _new_lease(now: datetime) -> _Columns:
    holder = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(8)}"
    return {"status": Status.RUNNING.value, "lease_holder": holder, "lease_until": lease_end(now)}


def _release(job: Job, columns: _Columns) -> None:
    if not _unchanged(job).update(**columns, **_NO_LEASE, status=Status.PENDING.value):
        raise LeaseLost


def _unchanged(job: JobRecord) -> QuerySet[JobRecord]:
    return JobRecord.objects.filter(pk=job.pk, status=job.status, lease_holder=job.lease_holder)


def _end(
    rows: QuerySet[JobRecord], task: Task, job: JobRecord, ending: _Columns, result: _Columns | None = None
) -> None:
    with transaction.atomic():
        if not rows.update(**ending, **_NO_LEASE, finished_at=database_now()):
            raise LeaseLost
        if result:
            task.model._default_manager.filter(pk=job.pk).update(**result)  # noqa: CC3 - columns of the result, which the holder of the lease writes
        task.ended(task.model._default_manager.get(pk=job.pk))
        if ending["status"] == Status.FAILED:
            publish(_failure(task, job, ending["error_code"]))
            transaction.on_commit(job_failures_total.labels(task.kind).inc)


def _failure(task: Task, job: JobRecord, error_code: str) -> Announcement:
    return Announcement(
        topic=JOB_FAILED,
        dedup_key=f"job:{job.pk}:failed",
        object_type="job",
        object_id=str(job.pk),
        facts={"kind": task.kind, "error_code": error_code, "requested_by": job.created_by_name},
    )
