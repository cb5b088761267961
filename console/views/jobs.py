"""The list of background jobs, and pages of exports of the log. ``rewraps`` has those of the other jobs."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.principals import Principal
from audit import actions, services
from audit.models import EXPORT_PERMISSION
from audit.services import Exporter
from console.job_progress import pace, progress_of
from console.services import rewraps
from kernel.clock import process_now
from kernel.errors import Conflict
from kernel.pages import PageView, Rule
from kernel.pages.views import number_in, refuse

LIMIT = 50
PROGRESS = "job-progress"


class JobListView(PageView[Principal]):
    rules = {"GET": Rule(EXPORT_PERMISSION, actions.EXPORT_LISTED)}
    section = "jobs"
    template = "jobs/list.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        kinds = (
            services.find_exports(principal=self.principal),
            rewraps.find_rewraps(principal=self.principal),
        )
        newest = [job for found in kinds for job in found[: LIMIT + 1]]
        newest.sort(key=lambda job: job.created_at, reverse=True)
        now = process_now()
        rows = [(job, progress_of(job, now)) for job in newest[:LIMIT]]
        return self.page(jobs=rows, has_more=len(newest) > LIMIT)


class JobView(PageView[Exporter]):
    rules = {"GET": Rule(EXPORT_PERMISSION, actions.EXPORT_READ)}
    object_reference = ("audit_export", "job_id")
    section = "jobs"
    template = "jobs/job.html"
    parts = frozenset({PROGRESS})

    def get(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        job, now = services.find_export(principal=self.principal, export_id=job_id), process_now()
        progress, polls = progress_of(job, now), number_in(request, "polls") or 0
        reached = number_in(request, "reached") or 0
        is_part = self.target == PROGRESS
        return self.page(
            job=job,
            at=progress,
            seconds=pace(polls),
            polls=polls + 1,
            is_part=is_part,
            # Screen readers should not announce every poll.
            is_news=is_part and (job.has_ended or progress.milestone > reached),
            is_kept=job.is_kept(now),
            worker_seen=services.worker_last_seen() if progress.has_waited_long else None,
        )


class CancelJobView(PageView[Exporter]):
    rules = dict.fromkeys(("GET", "POST"), Rule(EXPORT_PERMISSION, actions.EXPORT_CANCELLED))
    object_reference = ("audit_export", "job_id")
    section = "jobs"
    template = "jobs/cancel.html"

    def get(self, request: HttpRequest, job_id: UUID) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self.page(job=services.find_export(principal=self.principal, export_id=job_id))

    def post(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        message = "Job cancelled. A running job stops in a moment."
        try:
            services.cancel_export(principal=self.principal, export_id=job_id)
        except Conflict as refusal:
            refuse(request, refusal)
            message = refusal.detail
        return self.done(reverse("job", args=[job_id]), message)
