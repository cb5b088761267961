"""Pages that start, show and cancel a rewrap of all stored keys."""

from http import HTTPStatus
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.principals import Principal
from console import actions
from console.job_progress import pace, progress_of
from console.keks import read_keks
from console.services import rewraps
from console.services.key_encryption import PERMISSION
from kernel.clock import database_now, process_now
from kernel.errors import Conflict, DomainError
from kernel.pages import PageForm, PageView, Rule
from kernel.pages.views import number_in, refuse

PROGRESS = "job-progress"


class NewRewrapView(PageView[Principal]):
    rules = dict.fromkeys(("GET", "POST"), Rule(PERMISSION, actions.REWRAP_REQUESTED))
    section = "system"
    template = "console/rewrap_new.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        self.principal.require_recent_log_in(database_now())
        return self.page(form=PageForm(), keks=read_keks())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = PageForm(request.POST)
        try:
            rewrap = rewraps.request_rewrap(principal=self.principal)
        except DomainError as refusal:
            form.is_valid()
            form.refused(request, refusal)
            return self.page(status=HTTPStatus.UNPROCESSABLE_ENTITY, form=form, keks=read_keks())
        return self.done(reverse("rewrap", args=[rewrap.id]), "Rewrap queued.")


class RewrapView(PageView[Principal]):
    rules = {"GET": Rule(rewraps.READ_PERMISSION, actions.REWRAP_READ)}
    object_reference = ("kek_rewrap", "rewrap_id")
    section = "jobs"
    template = "jobs/rewrap.html"
    parts = frozenset({PROGRESS})

    def get(self, request: HttpRequest, rewrap_id: UUID) -> HttpResponse:
        job, now = rewraps.find_rewrap(principal=self.principal, rewrap_id=rewrap_id), process_now()
        polls = number_in(request, "polls") or 0
        return self.page(
            job=job,
            at=progress_of(job, now),
            seconds=pace(polls),
            polls=polls + 1,
            is_part=self.target == PROGRESS,
            may_manage=self.principal.has_permission(PERMISSION),
        )


class CancelRewrapView(PageView[Principal]):
    rules = dict.fromkeys(("GET", "POST"), Rule(PERMISSION, actions.REWRAP_CANCELLED))
    object_reference = ("kek_rewrap", "rewrap_id")
    section = "jobs"
    template = "jobs/rewrap_cancel.html"

    def get(self, request: HttpRequest, rewrap_id: UUID) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self.page(job=rewraps.find_rewrap(principal=self.principal, rewrap_id=rewrap_id))

    def post(self, request: HttpRequest, rewrap_id: UUID) -> HttpResponse:
        message = "Job cancelled. A running job stops in a moment."
        try:
            rewraps.cancel_rewrap(principal=self.principal, rewrap_id=rewrap_id)
        except Conflict as refusal:
            refuse(request, refusal)
            message = refusal.detail
        return self.done(reverse("rewrap", args=[rewrap_id]), message)
