"""The jobs of all kinds that a principal may see. ``console.jobs.kinds`` has the services of each kind."""

from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.principals import Principal
from console.jobs.kinds import JOB_KINDS, JobKind
from kernel.databases.rows import first_of
from kernel.jobs.job import JobRecord


def visible_kinds(principal: Principal) -> list[JobKind]:
    """The kinds of which the principal may see jobs: all of them, or only its own."""
    return [kind for kind in JOB_KINDS.values() if principal.has_permission(str(kind.reading.permission))]


def find_job(*, principal: Principal, job_id: UUID) -> tuple[JobKind, JobRecord]:
    """A job, and its kind. Raises NotFound, also if the principal may not see the job."""
    words = [kind.word for kind in visible_kinds(principal)]
    job = first_of(JobRecord.objects.filter(pk=job_id, kind__in=words))
    kind = JOB_KINDS[job.kind]
    return kind, kind.find(principal=principal, job_id=job_id)


def find_jobs(*, principal: Principal, kind: str = "", status: str = "") -> QuerySet[JobRecord]:
    """The jobs that the principal may see, newest first, in one query. ``kind`` and ``status``: "" for all."""
    found = Q(pk__in=[])
    for each in visible_kinds(principal):
        if kind in ("", each.word):
            own = each.find_all(principal=principal).order_by().values("pk")
            found |= Q(kind=each.word, pk__in=own)
    jobs = JobRecord.objects.filter(found).order_by("-created_at", "id")
    return jobs.filter(status=status) if status else jobs
