"""Reading the log."""

from django.http import HttpRequest, HttpResponse

from audit import actions, services
from audit.forms import LogFilterForm
from audit.models import READ_PERMISSION
from audit.selection import LogCriteria, page_before, time_column
from ciphercanary.pages import Caller, PageView, Rule

LIMIT = 50


class LogListView(PageView[Caller]):
    rules = {"GET": Rule(READ_PERMISSION, actions.LOG_READ)}
    section = "audit"
    template = "audit/list.html"
    parts = frozenset({"log-results", "more-entries"})

    def get(self, request: HttpRequest) -> HttpResponse:
        form = LogFilterForm(request.GET)
        form.is_valid()
        asked = {name: value for name, value in form.cleaned_data.items() if value}
        criteria = LogCriteria(object_id=asked.pop("object", ""), **asked)
        rows = services.find_logs(reader=self.principal, criteria=criteria)
        before = request.GET.get("before", "")
        page = page_before(
            rows,
            before=int(before) if before.isdecimal() else None,
            limit=LIMIT,
            time=time_column(criteria, "timestamp"),
        )
        return self.page(form=form, found=page, entries=page.rows, is_filtered=bool(asked))


class LogEntryView(PageView[Caller]):
    rules = {"GET": Rule(READ_PERMISSION, actions.LOG_READ)}
    concerns = ("audit_log", "log_id")
    section = "audit"
    template = "audit/entry.html"

    def get(self, request: HttpRequest, log_id: int) -> HttpResponse:  # noqa: ARG002 - Django's signature
        entry = services.find_log(reader=self.principal, log_id=log_id)
        return self.page(entry=entry)
