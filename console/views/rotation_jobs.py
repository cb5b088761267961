"""Pages that show and cancel a job that rotates keys."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.principals import Principal
from console.job_progress import pace, progress_of
from kernel.clock import process_now
from kernel.errors import Conflict
from kernel.pages import PageView, Rule
from kernel.pages.views import number_in, refuse
from keys import actions, services
from keys.models import EncryptionPolicy, KeyRotationJob, RotationStatus
from keys.services.rotation_jobs import READ_PERMISSION

PROGRESS = "job-progress"
SHOWN = 50  # keys that were not rotated


class RotationJobView(PageView[Principal]):
    rules = {"GET": Rule(READ_PERMISSION, actions.ROTATION_JOB_READ)}
    object_reference = ("key_rotation_job", "rotation_job_id")
    section = "jobs"
    template = "jobs/rotation.html"
    parts = frozenset({PROGRESS})

    def get(self, request: HttpRequest, rotation_job_id: UUID) -> HttpResponse:
        job, now = services.find_rotation_job(principal=self.principal, job_id=rotation_job_id), process_now()
        progress, polls = progress_of(job, now), number_in(request, "polls") or 0
        counts = services.count_rotations(job)
        others = job.rotations.filter(status__in=[RotationStatus.FAILED, RotationStatus.CANCELLED])
        return self.page(
            job=job,
            at=progress,
            seconds=pace(polls),
            polls=polls + 1,
            is_part=self.target == PROGRESS,
            counts={status.value: count for status, count in counts.items()},
            elsewhere=services.count_pending_elsewhere(job),
            others=others.select_related("old_key").order_by("-status", "old_key__name")[:SHOWN],
            selection=_selection(job),
            may_cancel=self.principal.has_permission("keys.rotate"),
        )


class CancelRotationJobView(PageView[Principal]):
    rules = dict.fromkeys(("GET", "POST"), Rule("keys.rotate", actions.ROTATION_JOB_CANCELLED))
    object_reference = ("key_rotation_job", "rotation_job_id")
    section = "jobs"
    template = "jobs/rotation_cancel.html"

    def get(self, request: HttpRequest, rotation_job_id: UUID) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self.page(job=services.find_rotation_job(principal=self.principal, job_id=rotation_job_id))

    def post(self, request: HttpRequest, rotation_job_id: UUID) -> HttpResponse:
        message = "Job cancelled. A running job stops in a moment."
        try:
            services.cancel_rotation_job(principal=self.principal, job_id=rotation_job_id)
        except Conflict as refusal:
            refuse(request, refusal)
            message = refusal.detail
        return self.done(reverse("rotation-job", args=[rotation_job_id]), message)


def _selection(job: KeyRotationJob) -> str:
    if job.policy_id is not None:
        policy = EncryptionPolicy.objects.filter(pk=job.policy_id).first()
        return f"All active keys under {policy.name if policy else 'a deleted policy'}"
    if job.algorithm:
        return f"All active {job.algorithm} keys"
    return {"due": "Keys that were due", "keys": "Chosen keys"}[job.selection]
