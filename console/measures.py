"""What the page of the system asks of many tables, in one statement."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import IntegerField, Subquery

from audit.lag import COUNTED
from audit.models import AuditCheckpoint, AuditPending
from audit.moments import alarms, last_alarm, signed_size, since_unsequenced, since_unsigned
from ciphercanary.jobs import leases, registry
from ciphercanary.jobs.job import Status
from ciphercanary.models import Instance

COUNTED_ALARMS = 1000


@dataclass(frozen=True, slots=True)
class Measures:
    """``log_seconds``: the age of the oldest entry that has no place in the tree, or no signature over it.

    ``pending`` entries are counted up to ``audit.lag.COUNTED``. ``oldest_job`` is when the longest waiting was due.
    """

    pending: int
    log_seconds: float
    signed_size: int
    signed_at: datetime | None
    alarms: int
    last_alarm: datetime | None
    jobs_waiting: int
    jobs_running: int
    oldest_job: datetime | None


class CountOf(Subquery):
    """How many rows there are."""

    template = "(SELECT count(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def read_measures(now: datetime) -> Measures:
    newest = AuditCheckpoint.objects.order_by("-size")
    found = Instance.objects.values(
        pending=CountOf(AuditPending.objects.values("log_id")[:COUNTED]),
        unsequenced=since_unsequenced(),
        unsigned=since_unsigned(),
        signed_size=signed_size(),
        signed_at=Subquery(newest.values("signed_at")[:1]),
        alarms=CountOf(alarms().values("id")[:COUNTED_ALARMS]),
        last_alarm=last_alarm(),
        **_of_jobs(now),
    ).get()
    row: dict[str, Any] = dict(found)
    kinds = range(len(registry.tasks()))
    behind = [moment for moment in (row["unsequenced"], row["unsigned"]) if moment]
    since = [moment for kind in kinds if (moment := row[f"since_{kind}"])]
    return Measures(
        pending=row["pending"],
        log_seconds=max(0.0, (now - min(behind)).total_seconds()) if behind else 0.0,
        signed_size=row["signed_size"],
        signed_at=row["signed_at"],
        alarms=row["alarms"],
        last_alarm=row["last_alarm"],
        jobs_waiting=sum(row[f"due_{kind}"] for kind in kinds),
        jobs_running=sum(row[f"running_{kind}"] for kind in kinds),
        oldest_job=min(since, default=None),
    )


def _of_jobs(now: datetime) -> dict[str, Subquery]:
    """Of each kind, by its number: what is due, what runs, and since when the longest waiting is due."""
    found: dict[str, Subquery] = {}
    for number, task in enumerate(registry.tasks()):
        rows = task.model._default_manager.order_by()
        due = rows.filter(leases.due(now))
        running = rows.filter(status=Status.RUNNING.value, lease_until__gte=now)
        found[f"due_{number}"] = CountOf(due.values("pk"))
        found[f"running_{number}"] = CountOf(running.values("pk"))
        found[f"since_{number}"] = Subquery(due.order_by("due_at").values("due_at")[:1])
    return found
