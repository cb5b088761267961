"""The list of background jobs, and the pages that show and cancel one. ``console.jobs.kinds`` has what differs."""

from typing import ClassVar
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.principals import Principal
from audit.exports.task import KIND as EXPORT
from audit.models import EXPORT_PERMISSION
from console import actions
from console.jobs.kinds import JOB_KINDS, JobKind
from console.jobs.progress import pace, progress_of
from console.jobs.services import visible_kinds
from crypto_ops.models import READ_PERMISSION
from kernel.clock import process_now
from kernel.errors import Conflict
from kernel.jobs import registry
from kernel.jobs.job import JobRecord
from kernel.pages.views import PageView, number_in, refuse
from kernel.rules import Rule

LIMIT = 50
_PROGRESS = "job-progress"


class JobListView(PageView[Principal]):
    rules = {"GET": Rule(READ_PERMISSION, actions.OPERATION_LISTED)}
    section = "jobs"
    template = "jobs/list.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        newest: list[JobRecord] = [
            job
            for kind in visible_kinds(self.principal)
            for job in kind.find_all(principal=self.principal)[: LIMIT + 1]
        ]
        newest.sort(key=lambda job: job.created_at, reverse=True)
        now = process_now()
        rows = [(JOB_KINDS[job.kind], job, progress_of(job, now)) for job in newest[:LIMIT]]
        return self.page(
            jobs=rows,
            has_more=len(newest) > LIMIT,
            may_export=self.principal.has_permission(EXPORT_PERMISSION),
            may_encrypt=self.principal.has_permission("crypto.encrypt"),
        )


class JobView(PageView[Principal]):
    """``console.urls`` sets ``kind``, ``rules`` and ``object_reference``, as for ``CancelJobView``."""

    kind: ClassVar[JobKind] = JOB_KINDS[EXPORT]
    section = "jobs"
    template = "jobs/job.html"
    parts = frozenset({_PROGRESS})

    def get(self, request: HttpRequest, **ids: UUID) -> HttpResponse:
        job, now = self.kind.find(principal=self.principal, job_id=ids[self.kind.parameter]), process_now()
        progress, polls = progress_of(job, now), number_in(request, "polls") or 0
        is_further = job.has_ended or progress.milestone > (number_in(request, "reached") or 0)
        return self.page(
            kind=self.kind,
            job=job,
            at=progress,
            seconds=pace(polls),
            polls=polls + 1,
            is_news=self.is_part and is_further,  # screen readers should not announce every poll
            may_cancel=self.principal.has_permission(str(self.kind.cancelling.permission)),
            may_download=self.kind.file is not None
            and self.principal.has_permission(str(self.kind.file.rule.permission)),
            worker_seen=registry.worker_last_seen() if progress.has_waited_long else None,
            **self.kind.details(job, now),
        )


class CancelJobView(PageView[Principal]):
    kind: ClassVar[JobKind] = JOB_KINDS[EXPORT]
    section = "jobs"
    template = "jobs/cancel.html"

    def get(self, request: HttpRequest, **ids: UUID) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self.page(
            kind=self.kind, job=self.kind.find(principal=self.principal, job_id=ids[self.kind.parameter])
        )

    def post(self, request: HttpRequest, **ids: UUID) -> HttpResponse:
        job_id, message = ids[self.kind.parameter], "Job cancelled. A running job stops in a moment."
        try:
            self.kind.cancel(principal=self.principal, job_id=job_id)
        except Conflict as refusal:
            refuse(request, refusal)
            message = refusal.detail
        return self.done(reverse(self.kind.url_name, args=[job_id]), message)
