"""Pages of the log's alarms: list them, and resolve one."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from audit import actions
from audit.models import RESOLVE_PERMISSION
from audit.sequencing.catching_up import ShowsLog
from audit.services import alarms
from audit.services.alarms import LIST_PERMISSION
from audit.services.resolving import Resolver, original_of, resolve_alarm
from kernel.pages.form_views import FormView
from kernel.pages.forms import ReasonForm
from kernel.pages.views import PageView, number_in
from kernel.rules import Rule

LIMIT = 50
_MOST_PAGES = 1000


class AlarmListView(ShowsLog, PageView[Resolver]):
    rules = {"GET": Rule(LIST_PERMISSION, actions.ALARM_LISTED)}
    section = "audit"
    template = "audit/alarms.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        lists_all = request.GET.get("status") == "all"
        page = min(max(number_in(request, "page") or 1, 1), _MOST_PAGES)
        found = alarms.find_alarms(principal=self.principal, status=None if lists_all else "open")
        rows = found[(page - 1) * LIMIT : page * LIMIT + 1].found()
        return self.page(
            alarms=rows[:LIMIT],
            lists_all=lists_all,
            before=page - 1,
            after=page + 1 if len(rows) > LIMIT else 0,
            may_resolve=self.principal.has_permission(RESOLVE_PERMISSION),
        )


class ResolveAlarmView(ShowsLog, FormView[Resolver, ReasonForm]):
    rules = dict.fromkeys(("GET", "POST"), Rule(RESOLVE_PERMISSION, actions.ALARM_RESOLVED))
    object_reference = ("audit_alarm", "alarm_id")
    section = "audit"
    template = "audit/alarm_resolve.html"
    form_class = ReasonForm
    draft_fields = ("reason",)
    needs_recent_sign_in = True

    def perform(self, form: ReasonForm) -> HttpResponse:
        resolve_alarm(principal=self.principal, alarm_id=self.kwargs["alarm_id"], **form.cleaned_data)
        return self.done(reverse("alarms"), "Alarm resolved.")

    def show_form(self, form: ReasonForm, **context: Any) -> HttpResponse:
        alarm = alarms.find_alarm(principal=self.principal, alarm_id=self.kwargs["alarm_id"])
        original = original_of(alarm) if alarm.is_altered else None
        return self.page(alarm=alarm, original=original, form=form, **context)
