"""Pages of exports of the log: list them, request one, and download its file."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.functional import cached_property

from audit import actions
from audit.exports.downloads import download
from audit.forms.filters import LogFilterForm
from audit.forms.keeping import ExportForm
from audit.models import EXPORT_PERMISSION, READ_PERMISSION
from audit.services import exports
from audit.services.exports import Exporter
from audit.views.events import return_to_list
from kernel.clock import database_now, process_now
from kernel.pages.form_views import FormView
from kernel.pages.views import PageView
from kernel.rules import Rule

_LIMIT = 50


class ExportListView(PageView[Exporter]):
    rules = {"GET": Rule(EXPORT_PERMISSION, actions.EXPORT_LISTED)}
    section = "audit"
    template = "audit/exports.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        found = list(exports.find_exports(principal=self.principal)[: _LIMIT + 1])
        now = process_now()
        rows = [(export, export.is_kept(now)) for export in found[:_LIMIT]]
        return self.page(exports=rows, has_more=len(found) > _LIMIT)


class NewExportView(FormView[Exporter, ExportForm]):
    """Queues an export with the filters of the query string."""

    rules = dict.fromkeys(("GET", "POST"), Rule(EXPORT_PERMISSION, actions.EXPORT_REQUESTED))
    section = "audit"
    template = "audit/export_new.html"
    needs_recent_sign_in = True

    @cached_property
    def asked(self) -> LogFilterForm:
        return LogFilterForm(self.request.GET)

    def form(self, data: QueryDict | None = None) -> ExportForm:
        is_of_whole_log = not self.asked.asked and self.principal.scope(READ_PERMISSION) == "all"
        return ExportForm(data, is_of_whole_log=is_of_whole_log)

    def perform(self, form: ExportForm) -> HttpResponse:
        if self.asked.errors:  # without these filters, the file would contain more than was requested
            return self.again(form)
        export = exports.request_export(
            principal=self.principal,
            export_format=form.cleaned_data["format"],
            criteria=self.asked.criteria(database_now()),
        )
        return self.done(reverse("job", args=[export.id]), "Export queued.")

    def show_form(self, form: ExportForm, **context: Any) -> HttpResponse:
        return self.page(
            form=form,
            asked=self.asked,
            **return_to_list(self.request, self.asked),
            hours=settings.CC_EXPORT_HOURS,
            **context,
        )


class ExportFileView(PageView[Exporter]):
    """POST only, because each download is recorded, and crawlers may follow links."""

    rules = {"POST": Rule(EXPORT_PERMISSION, actions.EXPORT_DOWNLOADED)}
    object_reference = ("audit_export", "export_id")

    def post(self, request: HttpRequest, export_id: UUID) -> HttpResponseBase:  # noqa: ARG002 - Django's signature
        return download(principal=self.principal, job_id=export_id, is_head=False)
