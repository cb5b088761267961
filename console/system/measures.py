"""The values that the system page reads from many tables, in one statement."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Subquery

from accounts.principals import Principal
from audit import actions
from audit.sequencing import timestamps
from audit.services.log_status import Warnings, warning_columns, warnings_of
from kernel.jobs import leases
from kernel.jobs.job import JobRecord, Status
from kernel.trust.models import Instance


@dataclass(frozen=True, slots=True)
class Measures:
    """``pending`` entries are not in the tree; ``oldest_job``: since when the longest waiting job is due."""

    log: Warnings
    pending: int
    signed_size: int
    signed_at: datetime | None
    jobs_waiting: int
    jobs_running: int
    oldest_job: datetime | None
    pass_progress: float | None  # of the continuous verification
    backed_up_at: datetime | None


def read_measures(principal: Principal, now: datetime) -> Measures:
    found = Instance.objects.values(
        pending=timestamps.pending_count(),
        signed_size=timestamps.signed_size(),
        signed_at=timestamps.signed_at(),
        pass_progress=timestamps.pass_progress(),
        backed_up_at=timestamps.last_done_at(actions.BACKUP_CREATED),
        **warning_columns(principal),
        **_of_jobs(now),
    ).get()
    row: dict[str, Any] = dict(found)
    return Measures(
        log=warnings_of(row, now),
        pending=row["pending"],
        signed_size=row["signed_size"],
        signed_at=row["signed_at"],
        jobs_waiting=row["jobs_waiting"],
        jobs_running=row["jobs_running"],
        oldest_job=row["oldest_job"],
        pass_progress=row["pass_progress"],
        backed_up_at=row["backed_up_at"],
    )


def _of_jobs(now: datetime) -> dict[str, Subquery]:
    """The due jobs, the running jobs, and since when the longest waiting job is due."""
    due = JobRecord.objects.filter(leases.due(now)).order_by()
    running = JobRecord.objects.filter(status=Status.RUNNING.value, lease_until__gte=now).order_by()
    return {
        "jobs_waiting": timestamps.CountOf(due.values("pk")),
        "jobs_running": timestamps.CountOf(running.values("pk")),
        "oldest_job": Subquery(due.order_by("due_at").values("due_at")[:1]),
    }
