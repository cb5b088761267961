"""Pages of the log's alarms: list them, and resolve one."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from audit import actions
from audit.models import RESOLVE_PERMISSION
from audit.sequencing.catching_up import ShowsLog
from audit.services import alarms
from audit.services.alarms import LIST_PERMISSION
from audit.services.resolving import Resolver, original_of, resolve_alarm
from kernel.clock import database_now
from kernel.errors import DomainError
from kernel.pages.forms import ReasonForm
from kernel.pages.views import PageView, number_in
from kernel.rules import Rule

LIMIT = 50
MOST_PAGES = 1000


class AlarmListView(ShowsLog, PageView[Resolver]):
    rules = {"GET": Rule(LIST_PERMISSION, actions.ALARM_LISTED)}
    section = "audit"
    template = "audit/alarms.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        lists_all = request.GET.get("status") == "all"
        page = min(max(number_in(request, "page") or 1, 1), MOST_PAGES)
        found = alarms.find_alarms(principal=self.principal, status=None if lists_all else "open")
        rows = found[(page - 1) * LIMIT : page * LIMIT + 1].found()
        return self.page(
            alarms=rows[:LIMIT],
            lists_all=lists_all,
            before=page - 1,
            after=page + 1 if len(rows) > LIMIT else 0,
            may_resolve=self.principal.has_permission(RESOLVE_PERMISSION),
        )


class ResolveAlarmView(ShowsLog, PageView[Resolver]):
    rules = dict.fromkeys(("GET", "POST"), Rule(RESOLVE_PERMISSION, actions.ALARM_RESOLVED))
    object_reference = ("audit_alarm", "alarm_id")
    section = "audit"
    template = "audit/alarm_resolve.html"
    draft_fields = ("reason",)

    def get(self, request: HttpRequest, alarm_id: UUID) -> HttpResponse:  # noqa: ARG002 - Django's signature
        self.principal.require_recent_sign_in(database_now())
        return self._show_form(alarm_id, self.show_draft(ReasonForm()))

    def post(self, request: HttpRequest, alarm_id: UUID) -> HttpResponse:
        form = ReasonForm(request.POST)
        if form.is_valid():
            try:
                resolve_alarm(principal=self.principal, alarm_id=alarm_id, **form.cleaned_data)
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self.done(reverse("alarms"), "Alarm resolved.")
        return self._show_form(alarm_id, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)

    def _show_form(self, alarm_id: UUID, form: ReasonForm, **options: Any) -> HttpResponse:
        alarm = alarms.find_alarm(principal=self.principal, alarm_id=alarm_id)
        original = original_of(alarm) if alarm.is_altered else None
        return self.page(alarm=alarm, original=original, form=form, **options)
