"""The values that the system page reads from many tables, in one statement."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Subquery

from accounts.principals import Principal
from audit.sequencing import timestamps
from audit.services.log_status import Warnings, warning_columns, warnings_of
from kernel.jobs import leases, registry
from kernel.jobs.job import Status
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


def read_measures(principal: Principal, now: datetime) -> Measures:
    found = Instance.objects.values(
        pending=timestamps.pending_count(),
        signed_size=timestamps.signed_size(),
        signed_at=timestamps.signed_at(),
        **warning_columns(principal),
        **_of_jobs(now),
    ).get()
    row: dict[str, Any] = dict(found)
    kinds = range(len(registry.tasks()))
    since = [timestamp for kind in kinds if (timestamp := row[f"since_{kind}"])]
    return Measures(
        log=warnings_of(row, now),
        pending=row["pending"],
        signed_size=row["signed_size"],
        signed_at=row["signed_at"],
        jobs_waiting=sum(row[f"due_{kind}"] for kind in kinds),
        jobs_running=sum(row[f"running_{kind}"] for kind in kinds),
        oldest_job=min(since, default=None),
    )


def _of_jobs(now: datetime) -> dict[str, Subquery]:
    """For each kind, by its number: the due jobs, the running jobs, and since when the longest waiting job is due."""
    found: dict[str, Subquery] = {}
    for number, task in enumerate(registry.tasks()):
        rows = task.model._default_manager.order_by()
        due = rows.filter(leases.due(now))
        running = rows.filter(status=Status.RUNNING.value, lease_until__gte=now)
        found[f"due_{number}"] = timestamps.CountOf(due.values("pk"))
        found[f"running_{number}"] = timestamps.CountOf(running.values("pk"))
        found[f"since_{number}"] = Subquery(due.order_by("due_at").values("due_at")[:1])
    return found
